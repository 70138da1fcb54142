//! Signals and gradients, layer by layer: against pencil and paper, and in networks whose gradients vanish.

use formwork::prelude::*;
use formwork::{LayerStatistics, Statistics};

#[network([2] => [1])]
type Two = (Linear<2, 2>, Relu, NoBias<Linear<2, 1>>);

#[test]
fn two_layers_are_as_by_hand() {
    let mut model = Model::<Two, f64>::new(0);
    //                        weight [2, 2]      bias       weight [1, 2]
    model.set_parameters(&[1.0, 2.0, -1.0, 1.0, 1.0, -1.0, 3.0, 5.0]).unwrap();
    let data = Dataset::<Rank1<2>, Values<Rank1<1>>, f64>::new(vec![1.0, 0.0, 0.0, 2.0], vec![5.0, 21.0]).unwrap();
    // [1, 0] -> [2, -2] -> [2, 0] -> 6 and [0, 2] -> [5, 1] -> [5, 1] -> 20: beside the targets by 1 and by -1. The mean
    // of their squares has the gradient [1, -1] with respect to the outputs, [3, 5] and [-3, -5] with respect to those of
    // the ReLU, [3, 0] and [-3, -5] before it.
    let Statistics { layers } = model.statistics(&data.all(), &Mse).unwrap();
    let named: Vec<(&str, &str)> = layers.iter().map(|layer| (layer.name.as_str(), layer.layer.as_str())).collect();
    assert_eq!(named, [("0", "Linear<2, 2>"), ("1", "Relu"), ("2", "NoBias<Linear<2, 1>>")]);
    let [linear, relu, last] = &layers[..] else { panic!("three layers") };
    let close = |given: f64, expected: f64| assert!((given - expected).abs() < 1e-12, "{given} is not {expected}");
    let outputs = |layer: &LayerStatistics, mean: f64, deviation: f64, zeros: f64| {
        close(layer.mean, mean);
        close(layer.deviation, deviation);
        close(layer.zeros, zeros);
    };
    outputs(linear, 1.5, 6.25f64.sqrt(), 0.0);
    outputs(relu, 2.0, 3.5f64.sqrt(), 0.25);
    outputs(last, 13.0, 7.0, 0.0);
    close(linear.gradient, 43f64.sqrt());
    close(relu.gradient, 68f64.sqrt());
    close(last.gradient, 2f64.sqrt());
    // [[3, -6], [0, -10]] and [-3, -1].
    close(linear.weight_gradient.unwrap(), 145f64.sqrt());
    assert_eq!(relu.weight_gradient, None);
    close(last.weight_gradient.unwrap(), 10f64.sqrt());
}

/// Random samples, more than fit in one chunk, and their gradients at the start.
fn statistics<N: Network<Input = Rank1<16>, Output = Rank1<4>>>() -> Statistics {
    let noise = formwork::Noise::new(1);
    let inputs = (0..16 * 33).map(|i| 2.0 * noise.uniform(i) - 1.0).collect();
    let data = Dataset::<Rank1<16>, Class<4>, f64>::new(inputs, (0..33).map(|i| i % 4).collect()).unwrap();
    let model = Model::<N, f64>::new(0);
    let before = (model.parameters(), model.buffers());
    let statistics = model.statistics(&data.all(), &CrossEntropy::default()).unwrap();
    assert_eq!((model.parameters(), model.buffers()), before);
    statistics
}

#[network([16] => [4])]
type Sigmoids = (Repeat<(Linear<16, 16>, Sigmoid), 50>, Linear<16, 4>);

#[network([16] => [4])]
type Relus = (Repeat<(Linear<16, 16>, Relu), 5>, Linear<16, 4>);

#[test]
fn gradients_vanish_behind_sigmoids() {
    let layers = statistics::<Sigmoids>().layers;
    assert_eq!(layers.len(), 101);
    assert_eq!([&layers[0].name, &layers[99].name, &layers[100].name], ["0.0.0", "0.49.1", "1"]);
    let sigmoids: Vec<f64> = layers[1..100].iter().step_by(2).map(|layer| layer.gradient).collect();
    assert!(sigmoids.windows(2).all(|pair| pair[0] < pair[1]), "{sigmoids:?}");
    assert!(sigmoids[0] < 1e-15 * sigmoids[49], "{:e} and {:e}", sigmoids[0], sigmoids[49]);
    let weights = [&layers[0], &layers[98]].map(|layer| layer.weight_gradient.unwrap());
    assert!(weights[0] < 1e-15 * weights[1], "{weights:?}");
}

#[test]
fn a_relu_makes_zeros() {
    let layers = statistics::<Relus>().layers;
    assert!(layers.iter().all(|layer| (layer.zeros > 0.1) == (layer.layer == "Relu")), "{layers:?}");
}

type Shared = NoBias<Linear<16, 16>>;

#[derive(Layer)]
struct Block {
    linear: Linear<16, 16>,
    norm: BatchNorm1d<16>,
}

#[network([16] => [4])]
struct Nested {
    tied: Tied<Shared, (Tanh, Linear<16, 16>), Shared>,
    again: RepeatShared<Block, 2>,
    around: Residual<(Block, Relu)>,
    fc: Linear<16, 4>,
}

#[test]
fn layers_inside_others_are_named_as_their_parameters() {
    let layers = statistics::<Nested>().layers;
    let names: Vec<&str> = layers.iter().map(|layer| layer.name.as_str()).collect();
    let block = ["again.linear", "again.norm"];
    assert_eq!(names[..4], ["tied.0", "tied.1.0", "tied.1.1", "tied.2"]);
    assert_eq!(names[4..8], [block, block].concat());
    assert_eq!(names[8..], ["around.0.linear", "around.0.norm", "around.1", "fc"]);
    let by_name = |name: &str| layers.iter().filter(|layer| layer.name == name).map(|layer| layer.weight_gradient).collect::<Vec<_>>();
    assert_eq!(layers[0].weight_gradient, layers[3].weight_gradient); // one weight
    let [first, second] = by_name("again.linear")[..] else { panic!("two repetitions") };
    assert_eq!(first, second);
    // A batch norm has the mean 0 and the deviation 1 of the batch: the network is being trained.
    let norms: Vec<&LayerStatistics> = layers.iter().filter(|layer| layer.layer == "BatchNorm1d<16>").collect();
    assert_eq!(norms.len(), 3);
    assert!(norms.iter().all(|norm| norm.mean.abs() < 1e-6 && (norm.deviation - 1.0).abs() < 1e-3), "{norms:?}");
}

#[test]
fn statistics_are_a_table() {
    let shown = statistics::<Relus>().to_string();
    let lines: Vec<&str> = shown.lines().collect();
    assert_eq!(lines.len(), 2 + 11);
    assert_eq!(lines[0].split_whitespace().collect::<Vec<_>>(), ["layer", "mean", "deviation", "zeros", "gradient", "weight", "gradient"]);
    assert!(lines[3].starts_with("0.0.1  Relu "), "{shown}");
}

#[test]
fn no_samples_have_no_statistics() {
    let model = Model::<Two>::new(0);
    let error = model.statistics(&MiniBatch::<Rank1<2>, Values<Rank1<1>>>::default(), &Mse).unwrap_err();
    assert_eq!(error.to_string(), "samples of a batch: expected 1, given 0");
}
