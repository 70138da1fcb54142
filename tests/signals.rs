//! Layers of signals `[C, L]` compute what those of images compute on images `[C, 1, L]`.

use formwork::Noise;
use formwork::prelude::*;

type Along<const N: usize> = (Const<1>, Const<N>);
type Padded<const N: usize> = (Const<0>, Const<N>);

/// Outputs, and gradients of a loss, with the same parameters.
fn run<N: Network<Input: Sample<Numbers<f64> = Vec<f64>>, Output: Plain>>() -> [Vec<f64>; 3] {
    let noise = Noise::new(1);
    let random = |stream: u64, numel: usize| (0..numel as u64).map(|i| noise.split(stream).uniform(i) - 0.5).collect::<Vec<f64>>();
    let (inputs, targets) = (random(0, 3 * N::Input::WIDTH), random(1, 3 * N::Output::NUMEL));
    let data = Dataset::<N::Input, Values<N::Output>, f64>::new(inputs, targets).unwrap().all();
    let mut model = Model::<N, f64>::new(0);
    model.set_parameters(&random(2, N::SCALARS)).unwrap();
    let outputs = model.predict(&data).unwrap();
    let gradients = model.gradients(&data, &Mse).unwrap();
    [outputs, gradients.inputs, gradients.parameters]
}

macro_rules! signals {
    ($($name:ident: $Signal:ty, $Image:ty, [$c:literal, $l:literal] => [$d:literal, $m:literal];)*) => { $(
        #[test]
        fn $name() {
            let signal = run::<Net<$Signal, Rank2<$c, $l>, Rank2<$d, $m>>>();
            assert_eq!(signal, run::<Net<$Image, Rank3<$c, 1, $l>, Rank3<$d, 1, $m>>>());
            assert!(signal[0].iter().any(|&y| y != 0.0) && signal[1].iter().any(|&dx| dx != 0.0));
        }
    )* };
}

signals! {
    conv1d: Conv1d<2, 3, 3, 2, 1>, generic::Conv2d<Const<2>, Const<3>, Along<3>, Along<2>, Padded<1>>, [2, 9] => [3, 5];
    conv_transpose1d: ConvTranspose1d<2, 3, 3, 2, 1, 1>,
        generic::ConvTranspose2d<Const<2>, Const<3>, Along<3>, Along<2>, Padded<1>, Padded<1>>, [2, 5] => [3, 10];
    max_pool1d: MaxPool1d<3, 2, 1>, generic::MaxPool2d<Along<3>, Along<2>, Padded<1>>, [2, 8] => [2, 4];
    avg_pool1d: AvgPool1d<3, 2, 1>, generic::AvgPool2d<Along<3>, Along<2>, Padded<1>>, [2, 8] => [2, 4];
    zero_pad1d: ZeroPad1d<2, 1>, ZeroPad2d<2, 1, 0, 0>, [2, 4] => [2, 7];
    reflection_pad1d: ReflectionPad1d<2, 1>, ReflectionPad2d<2, 1, 0, 0>, [2, 4] => [2, 7];
    crop1d: Crop1d<2, 1>, Crop2d<2, 1, 0, 0>, [2, 4] => [2, 1];
}
