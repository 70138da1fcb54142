//! Every layer on the machine that plays a GPU, against the static lowering: outputs, loss, gradients, and steps of training, in
//! both precisions. What runs are the kernels that a GPU runs.

#![cfg(feature = "emulated-gpu")]

#[path = "every_layer/batch.rs"]
mod batch;
#[path = "every_layer/mod.rs"]
mod every_layer;

use batch::{WeightedMean, inputs, random};
use dfdx::tensor::{Cpu, Tape, Tensor};
use dfdx::tensor_ops::Device;
use every_layer::{Jitter, each_layer, each_network, missing};
use formwork::cpu::Static;
use formwork::data::Target;
use formwork::engine::Flat;
use formwork::engine::{Architecture, Engine, Precision, State};
use formwork::gpu::{Emulated, Fused, Machine};
use formwork::layers::filter::*;
use formwork::learn::{LossKernel, Penalty};
use formwork::prelude::*;
use formwork::types::{buffers, parameters};

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

// Convolutions of so many channels that their tiles are large ones, with more than one tile in each direction.
networks! {
    wide_convolution: Conv2d<27, 70, 3, 1, 1>, [27, 6, 7] => [70, 6, 7];
    wide_convolution_with_strides: Conv2d<54, 60, 3, 2, 1, 1, 2>, [54, 5, 7] => [60, 3, 4];
    wide_convolution_from_few_channels: Conv2d<3, 65, 2, 1, 0, 2>, [3, 6, 7] => [65, 4, 5];
    wide_convolution_to_few_channels: Conv2d<65, 3, 3, 1, 1>, [65, 5, 4] => [3, 5, 4];
    wide_transposed_convolution: ConvTranspose2d<66, 30, 2, 2>, [66, 3, 4] => [30, 6, 8];
}

// Attention with more than one tile of queries, of keys, and of features.
networks! {
    attention_of_wide_heads: SelfAttention<136, 2>, [3, 136] => [3, 136];
    attention_of_the_widest_heads: ScaledDotProductAttention<1, 101>, { x: [3, 101], memory: [4, 229] } => [3, 128];
    attention_along_a_long_sequence: CausalSelfAttention<4, 2>, [70, 4] => [70, 4];
    attention_along_a_long_sequence_with_padding: SelfAttention<4, 2>, { x: [70, 4], padding: [70] } => [70, 4];
    attention_between_long_sequences: CausalScaledDotProductAttention, { x: [66, 2], memory: [35, 3], attention_mask: [66, 35] } => [66, 1];
}

#[test]
fn heads_may_be_too_wide() {
    #[network([2, 129] => [2, 129])]
    type TooWide = SelfAttention<129, 1>;
    assert!(!Fused::<f32, Emulated>::takes(&Architecture::of::<TooWide>()));
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
        let refused = Fused::<E, Emulated>::new(&device, network, state(&network)).err().map(|error| error.to_string());
        let message = "the device failed while planning the network: a layer has no kernels for this engine; the engine `Portable` can do it";
        return assert_eq!(refused.as_deref(), Some(message)); // its meaning is in dfdx operations alone
    }
    let mut fixed = Static::<E>::new(&device, network, state(&network)).unwrap();
    let mut fused = Fused::<E, Emulated>::new(&device, network, state(&network)).unwrap();
    let inputs = inputs::<E>(SAMPLES, network.input);
    let infer = |fixed: &Static<E>, fused: &Fused<E, Emulated>| {
        close("output", &fixed.predict(&inputs, SAMPLES).unwrap(), &fused.predict(&inputs, SAMPLES).unwrap(), tolerance);
    };
    infer(&fixed, &fused);
    let noise = Some(formwork::Noise::new(4));
    for (on_tape, noise) in [(false, None), (false, noise), (true, noise)] {
        let loss = WeightedMean { samples: SAMPLES, weights: random(2, SAMPLES * network.output.numel()), on_tape };
        let a = fixed.gradients(&inputs, SAMPLES, noise, loss.fixed()).unwrap();
        let b = fused.gradients(&inputs, SAMPLES, noise, loss.fixed()).unwrap();
        close("loss", &[a.loss], &[b.loss], tolerance);
        close("gradient of input", &a.inputs, &b.inputs, tolerance);
        close("gradient of parameter", &a.parameters, &b.parameters, tolerance);
        // The next round sees the parameters and buffers that this one leaves.
        let a = fixed.train(&inputs, SAMPLES, noise, loss.fixed(), &mut Sgd::new(0.1)).unwrap();
        let b = fused.train(&inputs, SAMPLES, noise, loss.fixed(), &mut Sgd::new(0.1)).unwrap();
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

/// A network that multiplies in TF32 against the CPU, which does not: exactly what TF32 can hold, all else a little off.
#[track_caller]
fn rounds<N: Network>() {
    let (device, network) = (Cpu::default(), Architecture::of::<N>());
    let gradients = |state: State<f32>, inputs: &[f32], precision: Option<Precision>| {
        let loss = WeightedMean { samples: SAMPLES, weights: random(2, SAMPLES * network.output.numel()), on_tape: false };
        let Some(precision) = precision else {
            let mut engine = Static::new(&device, network, state).unwrap();
            return (engine.predict(inputs, SAMPLES).unwrap(), engine.gradients(inputs, SAMPLES, None, loss.fixed()).unwrap());
        };
        let mut engine = Fused::<f32, Emulated>::new(&device, network, state).unwrap();
        engine.predict(inputs, SAMPLES).unwrap();
        engine.set_precision(precision);
        (engine.predict(inputs, SAMPLES).unwrap(), engine.gradients(inputs, SAMPLES, None, loss.fixed()).unwrap())
    };
    let given = |precision| gradients(state(&network), &inputs(SAMPLES, network.input), precision);
    let (exact, rounded) = (given(Some(Precision::Float32)), given(Some(Precision::Tf32)));
    for (what, exact, rounded) in [
        ("output", &exact.0, &rounded.0),
        ("gradient of input", &exact.1.inputs, &rounded.1.inputs),
        ("gradient of parameter", &exact.1.parameters, &rounded.1.parameters),
    ] {
        // Gradients are small: relative to the largest.
        let largest = exact.iter().fold(0.0, |max: f32, x| max.max(x.abs()));
        let off = exact.iter().zip(rounded).fold(0.0, |max: f32, (x, y)| max.max((x - y).abs())) / largest;
        assert!(off < 1e-3, "{what} is off by {off}");
        assert!(off > 1e-6, "{what} is as exact as without rounding: off by {off}");
    }
    let eighths = |numbers: Vec<f32>| numbers.into_iter().map(|x| (x * 8.0).round() / 8.0).collect::<Vec<f32>>();
    let coarse = || State { parameters: eighths(state::<f32>(&network).parameters), ..state(&network) };
    let inputs = eighths(inputs(SAMPLES, network.input));
    let (cpu, rounded) = (gradients(coarse(), &inputs, None), gradients(coarse(), &inputs, Some(Precision::Tf32)));
    assert_eq!(cpu.0, rounded.0);
}

/// Each kernel for tensor cores, and products, forward and back.
#[test]
fn products_and_convolutions_round_to_tf32_if_told_so() {
    #[network([33] => [17])]
    type Dense = Linear<33, 17>;
    #[network([27, 6, 7] => [70, 6, 7])]
    type Many = Conv2d<27, 70, 3, 1, 1>;
    #[network([6, 5, 7] => [4, 3, 4])]
    type Few = Conv2d<6, 4, 3, 2, 1, 1, 2>;
    #[network([66, 3, 4] => [30, 6, 8])]
    type Transposed = ConvTranspose2d<66, 30, 2, 2>;
    rounds::<Dense>();
    rounds::<Many>();
    rounds::<Few>();
    rounds::<Transposed>();
}

/// There are no tensor cores for them.
#[test]
fn numbers_of_64_bits_are_never_rounded() {
    #[network([6, 5, 7] => [2])]
    type Subject = (Conv2d<6, 4, 3>, Flatten, Linear<60, 2>);
    let network = Architecture::of::<Subject>();
    let mut fused = Fused::<f64, Emulated>::new(&Cpu::default(), network, state(&network)).unwrap();
    let inputs = inputs(SAMPLES, network.input);
    let before = fused.predict(&inputs, SAMPLES).unwrap();
    fused.set_precision(Precision::Tf32);
    assert_eq!(fused.predict(&inputs, SAMPLES).unwrap(), before);
}

/// An adjustment of somebody's own, which has no kernel.
struct Halve;

impl formwork::learn::Adjustment for Halve {
    fn adjust<E: Float>(&self, _parameters: &[E], gradients: &mut [E]) -> Result<(), formwork::Error> {
        gradients.iter_mut().for_each(|g| *g *= E::of(0.5));
        Ok(())
    }
}

/// Four optimizers that keep numbers in the engine's memory, and one that keeps none; some behind adjustments, and one that takes several
/// batches.
fn optimizers<E: Float>() -> Vec<Box<dyn Optimizer<E>>> {
    vec![
        Box::new(Sgd::new(0.1).weight_decay(0.01)),
        Box::new(Sgd::new(0.1).momentum(0.9).dampening(0.1).nesterov()),
        Box::new(Adagrad::new(0.1).learning_rate_decay(0.1)),
        Box::new(RmsProp::new(0.01).momentum(0.5).centered()),
        Box::new(Adam::new(0.01).weight_decay(0.1).decoupled_weight_decay(0.1)),
        Box::new(Adam::new(0.01).clip_norm(0.01)),
        Box::new(Sgd::new(0.1).clip_norm(1e6)),
        Box::new(Sgd::new(0.1).momentum(0.9).clip_value(0.01)),
        Box::new(Sgd::new(0.1).clip_norm(0.02).penalty_l1(0.1).clip_value(0.01).penalty_l2(0.1)),
        Box::new(Adagrad::new(0.1).adjusted(Penalty::l1(0.1).only::<Small>(|param| param.name.ends_with("bias")))),
        Box::new(Adam::new(0.01).clip_norm(0.01).adjusted(Halve).scheduled(ExponentialLr::new(0.01, 0.9))),
        Box::new(Adam::new(0.01).accumulated(2).clip_norm(0.01)),
        // More adjustments than an engine makes by itself.
        (0..10).fold(Box::new(Adam::new(0.01)), |behind, _| Box::new(behind.penalty_l1(0.01))),
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
    let (loss, inputs) = (WeightedMean { samples: SAMPLES, weights: random(2, SAMPLES * 3), on_tape: false }, random(3, SAMPLES * 4));
    let [of_fixed, of_fused] = optimizers;
    engines.0.train(&inputs, SAMPLES, None, loss.fixed(), of_fixed).unwrap();
    engines.1.train(&inputs, SAMPLES, None, loss.fixed(), of_fused).unwrap();
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

/// More gradients than the blocks that take their norm have threads: each thread sums several.
#[test]
fn the_norm_of_many_gradients() {
    #[network([257] => [256])]
    type Large = Linear<257, 256>;
    let (device, network) = (Cpu::default(), Architecture::of::<Large>());
    let mut fixed = Static::<f64>::new(&device, network, state(&network)).unwrap();
    let mut fused = Fused::<f64, Emulated>::new(&device, network, state(&network)).unwrap();
    let (loss, inputs) = (WeightedMean { samples: 1, weights: random(2, 256), on_tape: false }, random(3, 257));
    let before = fixed.parameters();
    fixed.train(&inputs, 1, None, loss.fixed(), &mut Sgd::new(1.0).clip_norm(0.01)).unwrap();
    fused.train(&inputs, 1, None, loss.fixed(), &mut Sgd::new(1.0).clip_norm(0.01)).unwrap();
    let moved: f64 = fused.parameters().iter().zip(&before).map(|(after, before)| (after - before).powi(2)).sum();
    assert!((moved.sqrt() - 0.01).abs() < 1e-6, "{}", moved.sqrt());
    close("parameter", &fixed.parameters(), &fused.parameters(), 1e-12);
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

/// A loss of which nothing but the kernel may be used.
struct ByKernel<L>(L);

impl<O: Sample, T: Target, L: Loss<O, T>> Loss<O, T> for ByKernel<L> {
    fn part<E: Float>(&self, _: &[E], _: &[T::Number<E>], _: E, _: &mut [E]) -> E {
        unreachable!("outputs stay where they are")
    }

    fn terms(&self) -> usize {
        self.0.terms()
    }

    fn kernel(&self) -> Option<LossKernel> {
        self.0.kernel()
    }

    fn taped<E: Float, D: Device<E>, Tp: Tape<E, D>>(
        &self,
        _: Flat<E, D, Tp>,
        _: usize,
        _: &[T::Number<E>],
    ) -> Result<Tensor<Rank0, E, D, Tp>, D::Err> {
        unreachable!("outputs stay where they are")
    }
}

fn fused<N: Network>() -> Model<N, f64, Cpu, Fused<f64, Emulated>> {
    Model::try_new(&Cpu::default(), 0, Scheme::default()).unwrap()
}

/// A loss of the inputs themselves.
#[track_caller]
fn scores<S: Sample<Numbers<f64> = Vec<f64>>, T: Target>(loss: impl Loss<S, T> + Copy, inputs: Vec<f64>, targets: Vec<T::Number<f64>>)
where
    Net<(), S, S>: Network<Input = S, Output = S>,
{
    let batch = MiniBatch::<S, T, f64>::new(inputs, targets).unwrap();
    let expected = Model::<Net<(), S, S>, f64, Cpu>::new(0).gradients(&batch, &loss).unwrap();
    let given = fused::<Net<(), S, S>>().gradients(&batch, &ByKernel(loss)).unwrap();
    close("loss", &[expected.loss], &[given.loss], 1e-14);
    close("gradient", &expected.inputs, &given.inputs, 1e-14);
}

/// More numbers than a block of the kernel looks at.
#[test]
fn losses_of_numbers_have_kernels() {
    type Numbers = (Const<17>, Const<3>);
    let pairs = || [random(1, SAMPLES * 51), random(2, SAMPLES * 51)];
    let [y, t] = pairs();
    scores::<Numbers, Values<Numbers>>(Mse, y, t);
    let [y, mut t] = pairs();
    t[5] = y[5];
    scores::<Numbers, Values<Numbers>>(L1, y, t);
    let [y, t] = pairs();
    scores::<Numbers, Values<Numbers>>(Huber::new(0.25), y, t);
    let [mut y, t] = pairs();
    [y[0], y[1], y[2]] = [0.0, 500.0, -500.0];
    scores::<Numbers, Values<Numbers>>(BceWithLogits, y, t.into_iter().map(|t: f64| t.abs().min(1.0)).collect());
    let [y, t] = pairs();
    let mut t: Vec<f64> = t.into_iter().map(|t: f64| t.abs()).collect();
    t[3] = 0.0;
    scores::<Numbers, Values<Numbers>>(KlDiv::default(), y.clone(), t.clone());
    scores::<Numbers, Values<Numbers>>(KlDiv::default().batch_mean(), y.clone(), t);
    let [_, t] = pairs();
    scores::<Numbers, Values<Numbers>>(KlDiv::default().log_target(), y, t);
}

/// Of more classes than a warp has threads, and of fewer; of places beside one another, and of tokens.
#[test]
fn cross_entropy_has_a_kernel() {
    let classes = |count: usize, below: usize| (0..count).map(|i| i * i % below).collect::<Vec<usize>>();
    for loss in [CrossEntropy::default(), CrossEntropy::default().label_smoothing(0.1)] {
        scores::<Rank1<3>, Class<3>>(loss, random(1, SAMPLES * 3), classes(SAMPLES, 3));
        scores::<Rank1<70>, Class<70>>(loss, random(1, SAMPLES * 70), classes(SAMPLES, 70));
        scores::<Rank3<4, 5, 2>, Labels<Const<4>, Rank2<5, 2>>>(loss, random(1, SAMPLES * 40), classes(SAMPLES * 10, 4));
        let mut shares: Vec<f64> = random(2, SAMPLES * 40);
        shares.iter_mut().step_by(3).for_each(|share| *share = 0.0);
        scores::<Rank3<4, 5, 2>, Values<Rank3<4, 5, 2>>>(loss, random(1, SAMPLES * 40), shares);
    }
    let of_tokens = TokenCrossEntropy::default().label_smoothing(0.2);
    scores::<Rank2<5, 33>, Labels<Const<33>, Rank1<5>>>(of_tokens, random(1, SAMPLES * 5 * 33), classes(SAMPLES * 5, 33));
}

/// What the loss is computed of stays where it is, and so does the gradient, for several batches and losses in turn.
#[test]
fn steps_of_training_leave_the_machine_with_their_loss_alone() {
    #[network([6] => [3])]
    type Small = (Linear<6, 40>, Tanh, Linear<40, 3>);
    let batch = |samples: usize| MiniBatch::<Rank1<6>, Values<Rank1<3>>, f64>::new(random(1, samples * 6), random(2, samples * 3)).unwrap();
    let (mut model, mut fused) = (Model::<Small, f64, Cpu>::new(0), fused::<Small>());
    let mut optimizers = [Adam::new(0.05), Adam::new(0.05)];
    for (samples, delta) in [(19, 0.5), (19, 0.5), (19, 0.25), (4, 0.25), (19, 0.5)] {
        let [of_model, of_fused] = &mut optimizers;
        let expected = model.train(&batch(samples), &Huber::new(delta), of_model).unwrap();
        let given = fused.train(&batch(samples), &ByKernel(Huber::new(delta)), of_fused).unwrap();
        close("loss of a step", &[expected], &[given], 1e-12);
    }
    close("parameter", &model.parameters(), &fused.parameters(), 1e-12);
}

/// What is not a number is seen in the loss.
#[test]
fn a_loss_that_is_no_number_is_none_on_the_machine() {
    #[network([1] => [1])]
    type Nothing = ();
    let batch = MiniBatch::<Rank1<1>, Values<Rank1<1>>, f64>::new(vec![1e300, 0.0], vec![0.0, 0.0]).unwrap();
    assert_eq!(fused::<Nothing>().gradients(&batch, &ByKernel(Mse)).unwrap().loss, f64::INFINITY);
    let batch = MiniBatch::<Rank1<1>, Values<Rank1<1>>, f64>::new(vec![1e300; 2], vec![-1e300; 2]).unwrap();
    assert!(!fused::<Nothing>().gradients(&batch, &ByKernel(KlDiv::default())).unwrap().loss.is_finite());
}
