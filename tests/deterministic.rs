//! The same seed gives the same bits: in two runs, and with any number of threads.

use formwork::data::digits;
use formwork::prelude::*;

#[network([1, 8, 8] => [10])]
type Reader = (Conv2d<1, 4, 3, 1, 1>, BatchNorm2d<4>, Relu, MaxPool2d<2>, Flatten, Dropout<25>, Linear<64, 10>);

/// Reads an image as a sequence of four vectors.
#[network([1, 8, 8] => [10])]
type SequenceReader = (PatchEmbedding<1, 4, 8>, Lstm<8, 8>, CausalSelfAttention<8, 2>, LayerNorm<8>, LastStep, Linear<8, 10>);

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
