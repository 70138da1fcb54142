//! Every layer against central differences, on both lowerings, in f64; and the lowerings against each other.

#[path = "every_layer/batch.rs"]
mod batch;
#[path = "every_layer/mod.rs"]
mod every_layer;

use batch::{WeightedMean, inputs, random};
use dfdx::tensor::Cpu;
use every_layer::{Jitter, each_layer, each_network, missing};
use formwork::cpu::Static;
use formwork::engine::{Architecture, Engine, Objective, State};
use formwork::gradient_check;
use formwork::layers::filter::*;
use formwork::portable::Portable;
use formwork::prelude::*;

/// One test for each layer: `gradient_check` runs both lowerings.
macro_rules! gradients {
    ($($name:ident: $Layer:ty, [$($i:literal),*] => [$($o:literal),*];)*) => { $(
        #[test]
        fn $name() {
            gradient_check::<Net<$Layer, ($(Const<$i>,)*), ($(Const<$o>,)*)>>(0).unwrap();
            lowerings_agree::<Net<$Layer, ($(Const<$i>,)*), ($(Const<$o>,)*)>, f64>(1e-12);
            lowerings_agree::<Net<$Layer, ($(Const<$i>,)*), ($(Const<$o>,)*)>, f32>(1e-5);
        }
    )*
        const LAYERS: &[&Spec] = &[$(<$Layer as Layer>::SPEC),*];
    };
}

each_layer!(gradients);

/// The same for networks that read token ids, or look at what is beside their input.
macro_rules! gradients_of_networks {
    ($($name:ident: $Layer:ty, $input:tt => $output:tt;)*) => { $(
        #[test]
        fn $name() {
            #[network($input => $output)]
            type Subject = $Layer;
            gradient_check::<Subject>(0).unwrap();
            lowerings_agree::<Subject, f64>(1e-12);
            lowerings_agree::<Subject, f32>(1e-5);
        }
    )*
        const NETWORKS: &[&Spec] = &[$(<$Layer as Layer>::SPEC),*];
    };
}

each_network!(gradients_of_networks);

/// The tests above run the portable and the static form of each layer. A layer that has only one of them, or is in none of the
/// tests, would be in the list.
#[test]
fn no_layer_is_without_a_portable_or_a_static_form() {
    assert_eq!(missing(LAYERS.iter().chain(NETWORKS)), [""; 0]);
}

/// On as many samples as have a chunk that is not full, and in it a register that is not.
const SAMPLES: usize = 19;

fn lowerings_agree<N: Network, E: Float>(tolerance: f64)
where
    Cpu: Backend<E, Engine = Static<E>>,
    Static<E>: Engine<E, Cpu>,
    Portable<E, Cpu>: Engine<E, Cpu>,
{
    lowerings_agree_on::<N, E>(SAMPLES, tolerance);
}

/// Samples that fill a register and those that are left over take different ways.
#[test]
fn stacks_of_convolutions_take_batches_of_every_size() {
    #[network([2, 7, 8] => [3])]
    type Pooled = (Conv2d<2, 4, 3>, Relu, MaxPool2d<2>, Conv2d<4, 3, 2, 1, 1>, MaxPool2d<2>, Flatten, Linear<6, 3>);
    #[network([1, 6, 5] => [4, 4, 3])]
    type Widening = (Conv2d<1, 4, 3, 1, 1>, Relu, MaxPool2d<2>, Conv2d<4, 4, 2, 1, 1>);
    for samples in (1..=17).chain([33]) {
        lowerings_agree_on::<Pooled, f64>(samples, 1e-12);
        lowerings_agree_on::<Pooled, f32>(samples, 1e-5);
        lowerings_agree_on::<Widening, f64>(samples, 1e-12);
        lowerings_agree_on::<Widening, f32>(samples, 1e-5);
    }
}

/// Outputs and gradients of the static lowering are those of the portable one, with dropout and batch statistics and all.
fn lowerings_agree_on<N: Network, E: Float>(samples: usize, tolerance: f64)
where
    Cpu: Backend<E, Engine = Static<E>>,
    Static<E>: Engine<E, Cpu>,
    Portable<E, Cpu>: Engine<E, Cpu>,
{
    let (device, network) = (Cpu::default(), Architecture::of::<N>());
    let model = Model::<N, E, Cpu>::new(5);
    let state = State { parameters: model.parameters(), buffers: model.buffers() };
    let mut fixed = Static::<E>::new(&device, network, state.clone()).unwrap();
    let mut portable = Portable::<E, Cpu>::new(&device, network, state).unwrap();
    let inputs = inputs::<E>(samples, network.input);
    let tensor = || device.tensor_from_vec(inputs.clone(), (inputs.len(),));
    let infer = |fixed: &Static<E>, portable: &Portable<E, Cpu>| {
        close(&fixed.infer(tensor(), samples).unwrap().as_vec(), &portable.infer(tensor(), samples).unwrap().as_vec(), tolerance);
    };
    infer(&fixed, &portable);
    let noise = formwork::Noise::new(4);
    for (on_tape, noise) in [(false, None), (false, Some(noise)), (true, Some(noise))] {
        let objective = WeightedMean { samples, weights: random(2, samples * network.output.numel()), on_tape };
        let a = fixed.gradients(&inputs, samples, noise, objective.fixed()).unwrap();
        let b = portable.gradients(&inputs, samples, noise, Objective::OnTape(&objective)).unwrap();
        close(&[a.loss], &[b.loss], tolerance);
        close(&a.inputs, &b.inputs, tolerance);
        close(&a.parameters, &b.parameters, tolerance);
        // The next round sees the parameters and buffers that this one leaves.
        let a = fixed.train(&inputs, samples, noise, objective.fixed(), &mut Sgd::new(0.1)).unwrap();
        let b = portable.train(&inputs, samples, noise, Objective::OnTape(&objective), &mut Sgd::new(0.1)).unwrap();
        close(&[a], &[b], tolerance);
        close(&fixed.parameters(), &portable.parameters(), tolerance);
        close(&fixed.buffers(), &portable.buffers(), tolerance);
        infer(&fixed, &portable);
    }
}

fn close<E: Float>(a: &[E], b: &[E], tolerance: f64) {
    assert_eq!(a.len(), b.len());
    let largest = b.iter().fold(1.0, |max: f64, x| max.max(x.f64().abs()));
    for (i, (a, b)) in a.iter().zip(b).enumerate() {
        assert!((a.f64() - b.f64()).abs() <= tolerance * largest, "number {i}: {a} is not {b}");
    }
}
