//! Whole models on a GPU against the CPU: outputs, loss, gradients, and three steps of training. Where there is no GPU they say so
//! and are skipped; layer by layer `golden.rs` compares with PyTorch on both.

#![cfg(feature = "cuda")]

#[path = "cuda/gpu.rs"]
mod gpu;

use dfdx::tensor::Cuda;
use formwork::data::Target;
use formwork::engine::{Engine, Precision};
use formwork::gpu::{Card, Fused};
use formwork::portable::Portable;
use formwork::prelude::*;

/// What single precision leaves of numbers of about 1 after sums in another order.
const TOLERANCE: f32 = 1e-4;

#[track_caller]
fn close(what: &str, cpu: &[f32], gpu: &[f32]) {
    assert_eq!(cpu.len(), gpu.len(), "{what}");
    let scale = cpu.iter().fold(1.0, |max: f32, x| max.max(x.abs()));
    for (i, (cpu, gpu)) in cpu.iter().zip(gpu).enumerate() {
        assert!((cpu - gpu).abs() <= TOLERANCE * scale, "{what} {i}: {cpu} on the CPU, {gpu} on the GPU");
    }
}

/// The same model on both, shown the same batch: in dfdx's operations, and as one list of calls.
#[track_caller]
fn agrees<N: Network, T: Target, L: Loss<N::Output, T>>(batch: MiniBatch<N::Input, T>, loss: &L) {
    let Some(device) = gpu::open() else { return };
    // dfdx's own kernels do nothing where the driver pretends.
    if !gpu::pretended::here() {
        agrees_on::<N, T, L, Portable<f32, Cuda>>(&device, &batch, loss);
    }
    agrees_on::<N, T, L, Fused<f32, Card>>(&device, &batch, loss);
}

#[track_caller]
fn agrees_on<N: Network, T: Target, L: Loss<N::Output, T>, G: Engine<f32, Cuda>>(device: &Cuda, batch: &MiniBatch<N::Input, T>, loss: &L) {
    let (mut cpu, mut gpu) = (Model::<N, f32, Cpu>::new(3), Model::<N, f32, Cuda, G>::try_new(device, 3, Scheme::default()).unwrap());
    close("parameter", &cpu.parameters(), &gpu.parameters());
    close("output", &cpu.predict(batch).unwrap(), &gpu.predict(batch).unwrap());
    let (expected, given) = (cpu.gradients(batch, loss).unwrap(), gpu.gradients(batch, loss).unwrap());
    close("loss", &[expected.loss], &[given.loss]);
    close("gradient of input", &expected.inputs, &given.inputs);
    close("gradient of parameter", &expected.parameters, &given.parameters);
    // Adam divides by gradients, and makes whole steps of the rounding of those that are zero.
    let optimizer = || Sgd::new(0.05).momentum(0.9).penalty_l2(1e-3).clip_norm(1.0);
    let mut optimizers = [optimizer(), optimizer()];
    for _ in 0..3 {
        let [of_cpu, of_gpu] = &mut optimizers;
        let (expected, given) = (cpu.train(batch, loss, of_cpu).unwrap(), gpu.train(batch, loss, of_gpu).unwrap());
        close("loss of a step", &[expected], &[given]);
    }
    close("trained parameter", &cpu.parameters(), &gpu.parameters());
    close("buffer", &cpu.buffers(), &gpu.buffers());
    crosses(&cpu, &mut gpu);
}

/// What one saves the other loads, bit for bit.
#[track_caller]
fn crosses<N: Network, G: Engine<f32, Cuda>>(cpu: &Model<N, f32, Cpu>, gpu: &mut Model<N, f32, Cuda, G>) {
    let folder = tempfile::tempdir().unwrap();
    let [of_cpu, of_gpu] = ["cpu", "gpu"].map(|name| folder.path().join(name));
    gpu.save(&of_gpu).unwrap();
    let mut other = Model::<N, f32, Cpu>::new(4);
    other.load(&of_gpu).unwrap();
    assert_eq!((other.parameters(), other.buffers()), (gpu.parameters(), gpu.buffers()));
    cpu.save(&of_cpu).unwrap();
    gpu.load(&of_cpu).unwrap();
    assert_eq!((gpu.parameters(), gpu.buffers()), (cpu.parameters(), cpu.buffers()));
}

/// Numbers between -1 and 1 that look like none in particular.
fn numbers(count: usize) -> Vec<f32> {
    (0..count).map(|i| (i as f32 * 1.7).sin()).collect()
}

/// Whole numbers below `below`.
fn ids(count: usize, below: usize) -> Vec<usize> {
    (0..count).map(|i| i * i % below).collect()
}

#[test]
fn mlp() {
    #[network([6] => [3])]
    type Mlp = (Linear<6, 16>, BatchNorm1d<16>, Relu, Dropout<25>, Linear<16, 3>);
    agrees::<Mlp, Class<3>, _>(MiniBatch::new(numbers(8 * 6), ids(8, 3)).unwrap(), &CrossEntropy::default());
}

#[test]
fn cnn() {
    #[network([1, 8, 8] => [10])]
    type Cnn = (Conv2d<1, 4, 3, 1, 1>, BatchNorm2d<4>, Relu, MaxPool2d<2>, Conv2d<4, 8, 3, 1, 1>, Relu, MaxPool2d<2>, Flatten, Linear<32, 10>);
    agrees::<Cnn, Class<10>, _>(MiniBatch::new(numbers(5 * 64), ids(5, 10)).unwrap(), &CrossEntropy::default());
}

#[test]
fn unet() {
    #[network([1, 8, 8] => [1, 8, 8])]
    type Unet = (
        Conv2d<1, 4, 3, 1, 1>,
        Relu,
        SkipConcat<(MaxPool2d<2>, Conv2d<4, 8, 3, 1, 1>, Relu, Upsample2d<2>)>,
        Conv2d<12, 4, 3, 1, 1>,
        GroupNorm<2, 4>,
        Silu,
        Conv2d<4, 1, 1>,
    );
    let masks = numbers(3 * 64).iter().map(|x| f32::from(u8::from(*x > 0.0))).collect();
    agrees::<Unet, Values<Rank3<1, 8, 8>>, _>(MiniBatch::new(numbers(3 * 64), masks).unwrap(), &BceWithLogits);
}

#[test]
fn lstm() {
    #[network([7, 2] => [1])]
    type Adder = (Last<Lstm<2, 6>>, Linear<6, 1>);
    agrees::<Adder, Values<Rank1<1>>, _>(MiniBatch::new(numbers(4 * 14), numbers(4)).unwrap(), &Mse);
}

#[test]
fn gru() {
    #[network([ids < 11; 6] => [4])]
    type Reader = (Embedding<11, 5>, Last<Bidirectional<Gru<5, 4>>>, Linear<8, 4>);
    agrees::<Reader, Class<4>, _>(MiniBatch::new(ids(3 * 6, 11), ids(3, 4)).unwrap(), &CrossEntropy::default());
}

#[test]
fn transformer() {
    #[network([ids < 11; 6] => [6, 11])]
    type Writer = (Embedding<11, 8>, LearnedPositions<6, 8>, TransformerEncoderLayer<8, 2, 16, PreNorm, Gelu, Causal>, LayerNorm<8>, Linear<8, 11>);
    let loss = TokenCrossEntropy::default();
    agrees::<Writer, _, _>(MiniBatch::<_, Labels<Const<11>, Rank1<6>>>::new(ids(3 * 6, 11), ids(3 * 6, 11)).unwrap(), &loss);
}

/// Two inputs, each with padding of its own.
#[network({ x: [ids < 7; 4], padding: [4], memory: [ids < 9; 6], memory_padding: [6] } => [4, 7])]
type Translator = (
    Encode<(Embedding<9, 8>, SinusoidalPositions, TransformerEncoderLayer<8, 2, 16>)>,
    Embedding<7, 8>,
    SinusoidalPositions,
    TransformerDecoderLayer<8, 2, 16>,
    Linear<8, 7>,
);

#[test]
fn encoder_and_decoder() {
    let padding =
        |length: usize, of: [usize; 2]| of.map(|kept| (0..length).map(move |i| if i < kept { 0.0 } else { 1.0 })).into_iter().flatten().collect();
    let inputs = (ids(8, 7), padding(4, [3, 4]), ids(12, 9), padding(6, [6, 2]));
    let batch = MiniBatch::<_, Labels<Const<7>, Rank1<4>>>::new(inputs, ids(8, 7)).unwrap();
    agrees::<Translator, _, _>(batch, &TokenCrossEntropy::default());
}

/// What tensor cores leave of a small network, layer after layer.
#[test]
fn tensor_cores() {
    #[network([3, 7, 6] => [10])]
    type Cnn = (Conv2d<3, 30, 3, 1, 1>, Tanh, Conv2d<30, 12, 3, 2, 1>, Tanh, ConvTranspose2d<12, 6, 2, 2>, Flatten, Linear<288, 10>);
    let Some(device) = gpu::open() else { return };
    let batch = MiniBatch::<Rank3<3, 7, 6>, Class<10>>::new(numbers(9 * 126), ids(9, 10)).unwrap();
    let mut cpu = Model::<Cnn, f32, Cpu>::new(3);
    let mut gpu = Model::<Cnn, f32, Cuda, Fused<f32, Card>>::try_new(&device, 3, Scheme::default()).unwrap();
    let loss = CrossEntropy::default();
    let expected = cpu.gradients(&batch, &loss).unwrap();
    let exact = gpu.gradients(&batch, &loss).unwrap();
    gpu.set_precision(Precision::Tf32);
    let rounded = gpu.gradients(&batch, &loss).unwrap();
    assert_ne!(exact, rounded);
    for (what, expected, exact, rounded) in [
        ("gradient of input", &expected.inputs, &exact.inputs, &rounded.inputs),
        ("gradient of parameter", &expected.parameters, &exact.parameters, &rounded.parameters),
    ] {
        close(what, expected, exact);
        let largest = expected.iter().fold(0.0, |max: f32, x| max.max(x.abs()));
        let off = |given: &[f32]| expected.iter().zip(given).fold(0.0, |max: f32, (x, y)| max.max((x - y).abs())) / largest;
        assert!(off(rounded) < 2e-3, "{what}: {} of the largest in TF32, {} without", off(rounded), off(exact));
    }
}

#[test]
fn all_of_it_on_a_driver_that_pretends() {
    gpu::all_tests_pretended();
}
