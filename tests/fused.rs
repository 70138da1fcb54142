//! Every layer on the machine that plays a GPU, against the static lowering: outputs, loss, gradients, and steps of training, in
//! both precisions. What runs are the kernels that a GPU runs.

#![cfg(feature = "emulated-gpu")]

#[path = "every_layer/mod.rs"]
mod every_layer;

use core::ops::Range;
use dfdx::tensor::Cpu;
use dfdx::tensor_ops::Device;
use every_layer::{Jitter, each_layer, each_network, missing};
use formwork::cpu::Static;
use formwork::engine::{Architecture, ByParts, Engine, Objective, State};
use formwork::gpu::{Emulated, Fused, Machine};
use formwork::layers::custom::*;
use formwork::layers::filter::*;
use formwork::prelude::*;
use formwork::types::{Parts, Slot, buffers, parameters};

macro_rules! layers {
    ($($name:ident: $Layer:ty, [$($i:literal),*] => [$($o:literal),*];)*) => { $(
        #[test]
        fn $name() {
            agrees(Architecture::of::<Net<$Layer, ($(Const<$i>,)*), ($(Const<$o>,)*)>>());
        }
    )* };
}

each_layer!(layers);

/// The same for networks that read token ids, or look at what is beside their input.
macro_rules! networks {
    ($($name:ident: $Layer:ty, $input:tt => $output:tt;)*) => { $(
        #[test]
        fn $name() {
            #[network($input => $output)]
            type Subject = $Layer;
            agrees(Architecture::of::<Subject>());
        }
    )* };
}

each_network!(networks);

/// `Σ w y / n`
struct WeightedMean<E> {
    samples: usize,
    weights: Vec<E>,
}

impl<E: Float> ByParts<E> for WeightedMean<E> {
    fn part(&self, samples: Range<usize>, outputs: &[E], d_outputs: &mut [E]) -> E {
        let (width, scale) = (self.weights.len() / self.samples, E::one() / E::of(self.weights.len() as f64));
        let weights = &self.weights[samples.start * width..samples.end * width];
        d_outputs.iter_mut().zip(weights).for_each(|(d, &w)| *d = w * scale);
        outputs.iter().zip(weights).fold(E::zero(), |sum, (&y, &w)| sum + y * w * scale)
    }
}

fn random<E: Float>(stream: u64, numel: usize) -> Vec<E> {
    let noise = formwork::Noise::new(3).split(stream);
    (0..numel as u64).map(|i| E::of(noise.uniform(i) - 0.5)).collect()
}

/// Samples that are what a network is declared to take: numbers, ids, and marks of padding at the end of a sequence.
fn inputs<E: Float>(samples: usize, input: Parts<Dims>) -> Vec<E> {
    let slots = Slot::ALL.into_iter().filter_map(|slot| Some((Some(slot), *input.beside(slot)?)));
    let parts: Vec<(Option<Slot>, Dims)> = core::iter::once((None, input.x)).chain(slots).collect();
    let number = |slot: Option<Slot>, dims: Dims, i: usize, x: E| match (slot, dims.vocabulary()) {
        (_, Some(vocabulary)) => ((x + E::of(0.5)) * E::of(vocabulary as f64)).floor(),
        (Some(Slot::Padding | Slot::MemoryPadding), _) if i > 0 && x > E::of(0.1) => E::one(),
        (Some(Slot::Padding | Slot::MemoryPadding), _) => E::zero(),
        _ => x,
    };
    let mut numbers = random::<E>(1, samples * input.numel()).into_iter();
    let sample = || parts.iter().flat_map(|&(slot, dims)| (0..dims.numel()).map(move |i| (slot, dims, i))).collect::<Vec<_>>();
    (0..samples).flat_map(|_| sample()).zip(&mut numbers).map(|((slot, dims, i), x)| number(slot, dims, i, x)).collect()
}

/// Parameters at random, and buffers as a running mean, a variance and a count may be.
fn state<E: Float>(network: &Architecture) -> State<E> {
    let numel = |tensors: Vec<formwork::types::NamedParam>| tensors.iter().map(|tensor| tensor.range().len()).sum();
    let buffers: Vec<E> = random(8, numel(buffers(network.spec)));
    State { parameters: random(7, numel(parameters(network.spec))), buffers: buffers.into_iter().map(|x| x + E::one()).collect() }
}

/// More samples than a block has warps, and not a multiple of anything.
const SAMPLES: usize = 19;

fn agrees(network: Architecture) {
    agrees_in::<f64>(network, 1e-12);
    agrees_in::<f32>(network, 1e-5);
}

fn agrees_in<E: Float>(network: Architecture, tolerance: f64)
where
    Static<E>: Engine<E, Cpu>,
    Cpu: Device<E>,
    Emulated: Machine<E, Device = Cpu>,
{
    let device = Cpu::default();
    let has_custom = !missing([&network.spec].into_iter()).contains(&"Custom");
    assert_eq!(Fused::<E, Emulated>::takes(&network), !has_custom);
    if has_custom {
        return; // its meaning is in dfdx operations alone
    }
    let mut fixed = Static::<E>::new(&device, network, state(&network)).unwrap();
    let mut fused = Fused::<E, Emulated>::new(&device, network, state(&network)).unwrap();
    let inputs = inputs::<E>(SAMPLES, network.input);
    let infer = |fixed: &Static<E>, fused: &Fused<E, Emulated>| {
        close("output", &fixed.predict(&inputs, SAMPLES).unwrap(), &fused.predict(&inputs, SAMPLES).unwrap(), tolerance);
    };
    infer(&fixed, &fused);
    let loss = WeightedMean { samples: SAMPLES, weights: random(2, SAMPLES * network.output.numel()) };
    for noise in [None, Some(formwork::Noise::new(4))] {
        let a = fixed.gradients(&inputs, SAMPLES, noise, Objective::ByParts(&loss)).unwrap();
        let b = fused.gradients(&inputs, SAMPLES, noise, Objective::ByParts(&loss)).unwrap();
        close("loss", &[a.loss], &[b.loss], tolerance);
        close("gradient of input", &a.inputs, &b.inputs, tolerance);
        close("gradient of parameter", &a.parameters, &b.parameters, tolerance);
        // The next round sees the parameters and buffers that this one leaves.
        let a = fixed.train(&inputs, SAMPLES, noise, Objective::ByParts(&loss), &mut Sgd::new(0.1)).unwrap();
        let b = fused.train(&inputs, SAMPLES, noise, Objective::ByParts(&loss), &mut Sgd::new(0.1)).unwrap();
        close("loss of a step", &[a], &[b], tolerance);
        close("parameter", &fixed.parameters(), &fused.parameters(), tolerance);
        close("buffer", &fixed.buffers(), &fused.buffers(), tolerance);
        infer(&fixed, &fused);
    }
}

#[track_caller]
fn close<E: Float>(what: &str, expected: &[E], given: &[E], tolerance: f64) {
    assert_eq!(expected.len(), given.len(), "{what}");
    let largest = expected.iter().fold(1.0, |max: f64, x| max.max(x.f64().abs()));
    for (i, (expected, given)) in expected.iter().zip(given).enumerate() {
        assert!((expected.f64() - given.f64()).abs() <= tolerance * largest, "{what} {i}: expected {expected}, given {given}");
    }
}

/// Four optimizers that keep numbers in the engine's memory, and one that keeps none.
fn optimizers<E: Float>() -> Vec<Box<dyn Optimizer<E>>> {
    vec![
        Box::new(Sgd::new(0.1).weight_decay(0.01)),
        Box::new(Sgd::new(0.1).momentum(0.9).dampening(0.1).nesterov()),
        Box::new(Adagrad::new(0.1).learning_rate_decay(0.1)),
        Box::new(RmsProp::new(0.01).momentum(0.5).centered()),
        Box::new(Adam::new(0.01).weight_decay(0.1).decoupled_weight_decay(0.1)),
        Box::new(Adam::new(0.01).clip_norm(0.01)),
    ]
}

#[network([4] => [3])]
type Small = (Linear<4, 5>, Tanh, Linear<5, 3>);

/// The same network on both engines.
fn both() -> (Static<f64>, Fused<f64, Emulated>) {
    let (device, network) = (Cpu::default(), Architecture::of::<Small>());
    (Static::new(&device, network, state(&network)).unwrap(), Fused::new(&device, network, state(&network)).unwrap())
}

/// A step of each with an optimizer of its own; the parameters have to agree.
fn step(engines: &mut (Static<f64>, Fused<f64, Emulated>), optimizers: [&mut dyn Optimizer<f64>; 2]) {
    let (loss, inputs) = (WeightedMean { samples: SAMPLES, weights: random(2, SAMPLES * 3) }, random(3, SAMPLES * 4));
    let [of_fixed, of_fused] = optimizers;
    engines.0.train(&inputs, SAMPLES, None, Objective::ByParts(&loss), of_fixed).unwrap();
    engines.1.train(&inputs, SAMPLES, None, Objective::ByParts(&loss), of_fused).unwrap();
    close("parameter", &engines.0.parameters(), &engines.1.parameters(), 1e-12);
}

/// Everything that an optimizer remembers.
fn remembered(optimizer: &mut dyn Optimizer<f64>) -> Vec<f64> {
    struct All(Vec<f64>);
    impl formwork::learn::Memory<f64> for All {
        fn numbers(&mut self, _name: &str, numbers: &mut Vec<f64>) {
            self.0.extend_from_slice(numbers);
        }

        fn count(&mut self, _name: &str, count: &mut u64) {
            self.0.push(*count as f64);
        }
    }
    let mut all = All(Vec::new());
    optimizer.remember(&mut all);
    all.0
}

#[test]
fn optimizers_move_parameters_where_they_are() {
    for (mut of_fixed, mut of_fused) in optimizers().into_iter().zip(optimizers()) {
        let mut engines = both();
        for _ in 0..3 {
            step(&mut engines, [&mut *of_fixed, &mut *of_fused]);
        }
        // To look at them brings them back; the next step takes them again.
        close("kept", &remembered(&mut *of_fixed), &remembered(&mut *of_fused), 1e-12);
        step(&mut engines, [&mut *of_fixed, &mut *of_fused]);
        close("kept", &remembered(&mut *of_fixed), &remembered(&mut *of_fused), 1e-12);
    }
}

#[test]
fn optimizers_of_one_network_take_turns() {
    let (mut fixed, mut fused) = (optimizers(), optimizers());
    let mut engines = both();
    for _ in 0..3 {
        for (of_fixed, of_fused) in fixed.iter_mut().zip(&mut fused) {
            step(&mut engines, [&mut **of_fixed, &mut **of_fused]);
        }
    }
    for (of_fixed, of_fused) in fixed.iter_mut().zip(&mut fused) {
        close("kept", &remembered(&mut **of_fixed), &remembered(&mut **of_fused), 1e-12);
    }
}

/// A copy goes its own way, also to another network, and outlives the one that has its numbers.
#[test]
fn a_copy_of_an_optimizer_has_numbers_of_its_own() {
    let (mut of_fixed, mut of_fused) = (Adam::new(0.01), Adam::new(0.01));
    let mut engines = both();
    step(&mut engines, [&mut of_fixed, &mut of_fused]);
    let (mut fixed_copy, mut fused_copy) = (of_fixed.clone(), of_fused.clone());
    step(&mut engines, [&mut of_fixed, &mut of_fused]);
    let mut others = both();
    step(&mut others, [&mut fixed_copy, &mut fused_copy]);
    step(&mut others, [&mut of_fixed, &mut of_fused]);
    drop((engines, others));
    close("kept", &remembered(&mut of_fixed), &remembered(&mut of_fused), 1e-12);
    close("kept", &remembered(&mut fixed_copy), &remembered(&mut fused_copy), 1e-12);
}
