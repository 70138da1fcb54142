//! The same seed gives the same bits: in two runs, and with any number of threads.

use formwork::cpu::Static;
use formwork::data::digits;
use formwork::engine::{Backend, Engine};
use formwork::portable::Portable;
use formwork::prelude::*;

#[network([1, 8, 8] => [10])]
type Reader = (Conv2d<1, 4, 3, 1, 1>, BatchNorm2d<4>, Relu, MaxPool2d<2>, Flatten, Dropout<25>, Linear<64, 10>);

/// Reads an image as a sequence of four vectors.
#[network([1, 8, 8] => [10])]
type SequenceReader = (PatchEmbedding<1, 4, 8>, Lstm<8, 8>, CausalSelfAttention<8, 2>, LayerNorm<8>, LastStep, Linear<8, 10>);

/// So many parameters and so few values that threads share out each layer, not the samples.
#[network([1600] => [10])]
type WideReader = (Linear<1600, 128>, Gelu, Dropout<25>, Linear<128, 10>);

/// Listens to one long sequence, of which threads share out the heads.
#[network([128, 16] => [10])]
type Listener = (SelfAttention<16, 4>, CausalSelfAttention<16, 4>, LastStep, Linear<16, 10>);

/// Samples of many numbers, of classes that follow one another.
fn wide<E: Float>(samples: usize) -> MiniBatch<Rank1<1600>, Class<10>, E> {
    let inputs = (0..samples * 1600).map(|i| E::of((i * 7919 % 1013) as f64 / 1013.0 - 0.5)).collect();
    MiniBatch::new(inputs, (0..samples).map(|i| i % 10).collect()).unwrap()
}

/// The bits of a model, on an engine of any kind, after steps with batches of one, some, and more than go together.
fn trained_wide(threads: usize) -> Vec<u32> {
    let mut model = Model::<WideReader>::new(5);
    model.set_threads(threads);
    let mut optimizer = Sgd::new(0.1).momentum(0.9);
    let mut bits = Vec::new();
    for samples in [1, 70, 1030, 1] {
        bits.push(model.train(&wide(samples), &CrossEntropy::default(), &mut optimizer).unwrap().to_bits());
    }
    bits.extend(model.parameters().iter().map(|x| x.to_bits()));
    bits.extend(model.predict(&wide(1030)).unwrap().iter().map(|x| x.to_bits()));
    bits
}

#[test]
fn threads_that_share_out_layers_make_no_difference() {
    let one = trained_wide(1);
    for threads in [2, 3, 8] {
        assert!(one == trained_wide(threads), "{threads} threads");
    }
}

/// Steps with all samples of a batch together, and with one alone, are those of the portable lowering.
#[test]
fn layers_that_are_shared_out_learn_the_same() {
    let mut fast = Model::<WideReader, f64>::new(5);
    let mut plain = Model::<WideReader, f64, Cpu, Portable<f64, Cpu>>::try_new(&Cpu::default(), 5, Scheme::default()).unwrap();
    let [mut of_fast, mut of_plain] = [(); 2].map(|()| Sgd::new(0.1).momentum(0.9));
    for samples in [1, 70, 1] {
        let batch = wide(samples);
        let losses = [
            fast.train(&batch, &CrossEntropy::default(), &mut of_fast).unwrap(),
            plain.train(&batch, &CrossEntropy::default(), &mut of_plain).unwrap(),
        ];
        assert!((losses[0] - losses[1]).abs() < 1e-9, "{losses:?}");
    }
    let farthest = fast.parameters().iter().zip(plain.parameters()).map(|(a, b)| (a - b).abs()).fold(0.0, f64::max);
    assert!(farthest < 1e-9, "{farthest}");
}

/// A model of one sequence, after some steps with it.
fn listened<E: Float, G: Engine<E, Cpu>>(threads: usize) -> Model<Listener, E, Cpu, G>
where
    Cpu: Backend<E>,
{
    let inputs = (0..128 * 16).map(|i| E::of((i * 7919 % 1013) as f64 / 506.5 - 1.0)).collect();
    let batch = MiniBatch::<Rank2<128, 16>, Class<10>, E>::new(inputs, vec![3]).unwrap();
    let mut model = Model::<Listener, E, Cpu, G>::try_new(&Cpu::default(), 5, Scheme::default()).unwrap();
    model.set_threads(threads);
    let mut optimizer = Sgd::new(0.1).momentum(0.9);
    (0..3).for_each(|_| _ = model.train(&batch, &CrossEntropy::default(), &mut optimizer).unwrap());
    model
}

#[test]
fn threads_that_share_out_heads_make_no_difference() {
    let bits = |threads: usize| listened::<f32, Static<f32>>(threads).parameters().iter().map(|x| x.to_bits()).collect::<Vec<_>>();
    let one = bits(1);
    for threads in [2, 3, 8] {
        assert!(one == bits(threads), "{threads} threads");
    }
    let (fast, plain) = (listened::<f64, Static<f64>>(2).parameters(), listened::<f64, Portable<f64, Cpu>>(1).parameters());
    let farthest = fast.iter().zip(plain).map(|(a, b)| (a - b).abs()).fold(0.0, f64::max);
    assert!(farthest < 1e-9, "{farthest}");
}

/// The bits of losses, parameters, running statistics and outputs after a few steps; the last batch of the epoch is a small one.
fn trained<N: Network<Input = Rank3<1, 8, 8>, Output = Rank1<10>>>(seed: u64, threads: usize) -> Vec<u32> {
    let (_, data) = digits::load().unwrap().split_stratified(0.1, 0);
    let mut model = Model::<N>::new(seed);
    model.set_threads(threads);
    let mut optimizer = Adam::new(0.01);
    let mut bits = Vec::new();
    for batch in data.shuffled(50, seed) {
        bits.push(model.train(&batch, &CrossEntropy::default(), &mut optimizer).unwrap().to_bits());
    }
    bits.extend(model.parameters().iter().chain(&model.buffers()).map(|x| x.to_bits()));
    bits.extend(model.predict(&data.all()).unwrap().iter().map(|x| x.to_bits()));
    bits
}

#[test]
fn the_same_seed_gives_the_same_bits() {
    assert_eq!(trained::<Reader>(3, 2), trained::<Reader>(3, 2));
}

#[test]
fn the_number_of_threads_makes_no_difference() {
    let one = [trained::<Reader>(3, 1), trained::<SequenceReader>(3, 1)];
    for threads in [2, 3, 8] {
        assert_eq!(one, [trained::<Reader>(3, threads), trained::<SequenceReader>(3, threads)], "{threads} threads");
    }
}

#[test]
fn another_seed_gives_another_model() {
    assert_ne!(trained::<Reader>(3, 2), trained::<Reader>(4, 2));
}

#[test]
fn batches_are_shuffled_whole_and_by_seed() {
    let data = digits::load::<f32>().unwrap();
    let order = |seed| data.shuffled(100, seed).map(|batch| batch.targets().to_vec()).collect::<Vec<_>>();
    let batches = order(1);
    assert_eq!((batches.len(), batches[17].len()), (18, 97));
    assert_eq!(batches, order(1));
    assert_ne!(batches, order(2));
    let mut classes = batches.concat();
    let mut expected: Vec<usize> = (0..data.len()).map(|i| data.target(i)[0]).collect();
    classes.sort_unstable();
    expected.sort_unstable();
    assert_eq!(classes, expected);
}
