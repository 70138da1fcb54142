//! Every layer against central differences, on both lowerings, in f64; and the lowerings against each other.

use dfdx::prelude::{BroadcastTo, TryMul};
use dfdx::shapes::Axis;
use dfdx::tensor::{Cpu, Tape};
use dfdx::tensor_ops::Device;
use formwork::cpu::Static;
use formwork::engine::Engine;
use formwork::gradient_check;
use formwork::layers::custom::*;
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
    )* };
}

gradients! {
    linear: Linear<4, 3>, [4] => [3];
    linear_on_rows: Linear<4, 3>, [2, 5, 4] => [2, 5, 3];
    linear_without_bias: NoBias<Linear<4, 3>>, [4] => [3];
    conv2d: Conv2d<2, 3, 3>, [2, 5, 6] => [3, 3, 4];
    conv2d_stride_padding: Conv2d<2, 3, 3, 2, 1>, [2, 5, 6] => [3, 3, 3];
    conv2d_dilation: Conv2d<2, 3, 3, 1, 2, 2>, [2, 5, 6] => [3, 5, 6];
    conv2d_groups: Conv2d<4, 6, 3, 1, 1, 1, 2>, [4, 4, 5] => [6, 4, 5];
    conv2d_depthwise_without_bias: NoBias<Conv2d<3, 3, 3, 2, 1, 1, 3>>, [3, 5, 4] => [3, 3, 2];
    conv2d_pointwise: Conv2d<3, 5, 1>, [3, 4, 4] => [5, 4, 4];
    conv2d_not_square: generic::Conv2d<Const<2>, Const<3>, (Const<3>, Const<1>), (Const<2>, Const<1>), (Const<1>, Const<0>)>, [2, 6, 3] => [3, 3, 3];
    max_pool2d: MaxPool2d<2>, [2, 5, 6] => [2, 2, 3];
    max_pool2d_overlapping: MaxPool2d<3, 2, 1>, [2, 5, 6] => [2, 3, 3];
    avg_pool2d: AvgPool2d<2>, [2, 5, 6] => [2, 2, 3];
    avg_pool2d_padding: AvgPool2d<3, 1, 1>, [2, 4, 5] => [2, 4, 5];
    avg_pool2d_ignoring_padding: generic::AvgPool2d<Const<3>, Const<1>, Const<1>, IgnorePadding>, [2, 4, 5] => [2, 4, 5];
    adaptive_avg_pool2d: AdaptiveAvgPool2d<2, 3>, [2, 5, 7] => [2, 2, 3];
    global_avg_pool2d: GlobalAvgPool2d, [3, 4, 5] => [3];
    filter_mean: Filter<Zeros, Mean<3>>, [2, 4, 5] => [2, 4, 5];
    filter_gaussian: Filter<Reflect, Gaussian<2, 3>>, [2, 4, 5] => [2, 4, 5];
    filter_sobel: Residual<Filter<Nearest, Sobel<X>>, Filter<Mirror, Sobel<Y>>>, [2, 4, 5] => [2, 4, 5];
    filter_laplace: (Filter<Mirror, Laplace>, Tanh), [2, 4, 5] => [2, 4, 5];
    filter_larger_than_the_image: Filter<Nearest, Mean<7>>, [1, 2, 1] => [1, 2, 1];
    flatten: Flatten, [2, 3, 2] => [12];
    reshape: Reshape<Rank2<3, 4>>, [2, 3, 2] => [3, 4];
    dropout: (Linear<4, 40>, Dropout<30>, Linear<40, 2>), [4] => [2];
    dropout_alone: Dropout<1, 3>, [4, 5] => [4, 5];
    relu: Relu, [3, 7] => [3, 7];
    leaky_relu: LeakyRelu<20>, [3, 7] => [3, 7];
    sigmoid: Sigmoid, [3, 7] => [3, 7];
    tanh: Tanh, [3, 7] => [3, 7];
    gelu: Gelu, [3, 7] => [3, 7];
    gelu_tanh: GeluTanh, [3, 7] => [3, 7];
    silu: Silu, [3, 7] => [3, 7];
    softmax: Softmax, [3, 7] => [3, 7];
    softmax_over_channels: Softmax<0>, [3, 2, 2] => [3, 2, 2];
    log_softmax: LogSoftmax, [3, 7] => [3, 7];
    log_softmax_over_channels: LogSoftmax<0>, [3, 2, 2] => [3, 2, 2];
    nothing: (), [3] => [3];
    sequence: (Linear<4, 5>, Tanh, Linear<5, 2>), [4] => [2];
    residual: Residual<(Linear<4, 5>, Tanh, Linear<5, 4>)>, [4] => [4];
    residual_of_nothing: (Linear<4, 4>, Residual<()>), [4] => [4];
    residual_with_shortcut: Residual<(Linear<4, 5>, Tanh), NoBias<Linear<4, 5>>>, [4] => [5];
    residual_of_skips: Residual<Residual<Tanh>, Residual<Sigmoid>>, [4] => [4];
    skip_concat: SkipConcat<(Conv2d<2, 3, 3, 1, 1>, Tanh)>, [2, 4, 4] => [5, 4, 4];
    skip_concat_of_nothing: (Tanh, SkipConcat<()>), [3] => [6];
    skip_concat_of_skips: (Conv2d<1, 2, 3, 1, 1>, SkipConcat<(Tanh, SkipConcat<Conv2d<2, 1, 3, 1, 1>>)>), [1, 4, 4] => [5, 4, 4];
    repeat: Repeat<(Linear<4, 4>, Tanh), 3>, [4] => [4];
    a_layer_of_ones_own: (Linear<3, 3>, Jitter<3>, Tanh), [5, 3] => [5, 3];
    cnn: (Conv2d<1, 3, 3, 1, 1>, Gelu, AvgPool2d<2>, Conv2d<3, 4, 3>, Tanh, Flatten, Linear<16, 3>, LogSoftmax), [1, 8, 8] => [3];
}

/// A layer of one's own: a factor for each feature, which in training is a little off at random.
struct Jitter<const D: usize>;

impl<const D: usize> Layer for Jitter<D> {
    const SPEC: &'static Spec = &Spec::custom(CustomSpec {
        name: "Jitter",
        args: &[D],
        rule: formwork::rule!([t, d] => [t, d]),
        params: &[Param::weight("weight", &[D], 1, 1)],
        meaning: &Scale,
    });
}

struct Scale;

impl Meaning for Scale {
    fn forward<E: Float, D: Device<E>, T: Tape<E, D>>(&self, site: &Site<'_, E, D, T>, x: Var<E, D, T>, y: Dims) -> Result<Var<E, D, T>, D::Err> {
        let (samples, d) = (x.samples(), y.size(1));
        let shape = (samples * y.size(0), d);
        let factor = |i: usize| E::of(site.noise().map_or(1.0, |(noise, first)| noise.uniform((first * y.numel() + i) as u64)));
        let factors = site.constant((0..samples * y.numel()).map(factor).collect(), shape)?;
        let weight = site.param(0, &(d,))?.try_broadcast_like::<_, Axis<0>>(&shape)?;
        Var::new(x.view(&shape)?.try_mul(weight)?.try_mul(factors)?, samples, y) // [B T, D]
    }
}

/// Outputs and gradients of the static lowering are those of the portable one, with dropout and all.
fn lowerings_agree<N: Network, E: Float>(tolerance: f64)
where
    Cpu: Backend<E, Engine = Static<E>>,
    Static<E>: Engine<E, Cpu>,
    Portable<E, Cpu>: Engine<E, Cpu>,
{
    let (device, samples) = (Cpu::default(), 19);
    let mut fixed = Model::<N, E, Cpu>::try_new(&device, 5, Scheme::He).unwrap();
    let mut portable = Model::<N, E, Cpu, Portable<E, Cpu>>::try_new(&device, 5, Scheme::He).unwrap();
    let noise = formwork::Noise::new(3);
    let random = |stream: u64, numel: usize| (0..numel as u64).map(|i| E::of(noise.split(stream).uniform(i) - 0.5)).collect::<Vec<E>>();
    let inputs = random(1, samples * N::Input::DIMS.numel());
    let targets = random(2, samples * N::Output::DIMS.numel());
    let data = Dataset::<N::Input, Values<N::Output>, E>::new(inputs, targets).unwrap().all();
    close(&fixed.predict(&data).unwrap(), &portable.predict(&data).unwrap(), tolerance);
    let (a, b) = (fixed.gradients(&data, &Mse).unwrap(), portable.gradients(&data, &Mse).unwrap());
    close(&[a.loss], &[b.loss], tolerance);
    close(&a.inputs, &b.inputs, tolerance);
    close(&a.parameters, &b.parameters, tolerance);
    // Two steps: the second sees the first one's parameters, and other random numbers.
    let (mut sgd_a, mut sgd_b) = (Sgd::new(0.1), Sgd::new(0.1));
    for _ in 0..2 {
        let a = fixed.train(&data, &Mse, &mut sgd_a).unwrap();
        let b = portable.train(&data, &Mse, &mut sgd_b).unwrap();
        close(&[a], &[b], tolerance);
    }
    close(&fixed.parameters(), &portable.parameters(), tolerance);
    // A loss on dfdx's tape is the same to both.
    let loss = |y: Tensor<Batch<usize, N::Output>, E, Cpu, dfdx::tensor::OwnedTape<E, Cpu>>| dfdx::tensor_ops::MeanTo::mean(y.square());
    let a = fixed.train_with(&data, loss, &mut sgd_a).unwrap();
    let b = portable.train_with(&data, loss, &mut sgd_b).unwrap();
    close(&[a], &[b], tolerance);
    close(&fixed.parameters(), &portable.parameters(), tolerance);
}

fn close<E: Float>(a: &[E], b: &[E], tolerance: f64) {
    assert_eq!(a.len(), b.len());
    let largest = b.iter().fold(1.0, |max: f64, x| max.max(x.f64().abs()));
    for (i, (a, b)) in a.iter().zip(b).enumerate() {
        assert!((a.f64() - b.f64()).abs() <= tolerance * largest, "number {i}: {a} is not {b}");
    }
}
