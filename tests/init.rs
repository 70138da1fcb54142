//! How weights begin: the variance rule of the course, `n_l Var(W_l) ~ 1`, over 50 layers.

use formwork::prelude::*;

const WIDTH: usize = 128;
const DEPTH: usize = 50;

#[network([128] => [128])]
type Deep = Repeat<Linear<128, 128>, 50>;

#[network([128] => [128])]
type DeepRelu = Repeat<(Linear<128, 128>, Relu), 50>;

#[network([128] => [128])]
type DeepTanh = Repeat<(Linear<128, 128>, Tanh), 50>;

fn model<N: Network>(scheme: Scheme) -> Model<N, f64, Cpu> {
    Model::with_scheme(&Cpu::default(), 7, scheme)
}

fn mean_square(numbers: &[f64]) -> f64 {
    numbers.iter().map(|x| x * x).sum::<f64>() / numbers.len() as f64
}

/// The mean square of what 50 layers make of a signal whose mean square is about one.
fn signal_after<N: Network<Input = Rank1<128>, Output = Rank1<128>>>(scheme: Scheme) -> f64 {
    let noise = formwork::Noise::new(1);
    let inputs = (0..64 * WIDTH as u64).map(|i| 12f64.sqrt() * (noise.uniform(i) - 0.5)).collect();
    let data = Dataset::<Rank1<128>, Values<Rank0>, f64>::new(inputs, vec![0.0; 64]).unwrap();
    mean_square(&model::<N>(scheme).predict(&data.all()).unwrap())
}

/// `n_l Var(W_l)` of each of the 50 layers.
fn variances<N: Network>(scheme: Scheme) -> Vec<f64> {
    let parameters = model::<N>(scheme).parameters();
    let weights = N::parameters().into_iter().filter(|param| param.name.ends_with("weight"));
    let variances: Vec<f64> = weights.map(|param| WIDTH as f64 * mean_square(&parameters[param.range()])).collect();
    assert_eq!(variances.len(), DEPTH);
    variances
}

#[test]
fn each_layer_keeps_the_variance_rule() {
    // 128² weights: the standard error of a variance is 1.1 %, and 50 of them stay within five of those.
    let within = |variances: Vec<f64>, rule: f64| assert!(variances.iter().all(|v| (v / rule - 1.0).abs() < 0.055), "{variances:?}");
    within(variances::<Deep>(Scheme::Xavier), 1.0);
    within(variances::<DeepRelu>(Scheme::He), 2.0);
    within(variances::<Deep>(Scheme::Uniform), 1.0 / 3.0);
}

#[test]
fn signals_survive_fifty_layers_only_under_the_rule() {
    // A factor of ten in 50 layers is 5 % a layer.
    let survives = |signal: f64| assert!((0.1..10.0).contains(&signal), "{signal}");
    survives(signal_after::<Deep>(Scheme::Xavier));
    survives(signal_after::<DeepRelu>(Scheme::He));
    // tanh lets a little less through each time, but does not lose the signal.
    assert!(signal_after::<DeepTanh>(Scheme::Xavier) > 1e-3);
    // Half of the variance too little, fifty times over: 2⁻⁵⁰.
    assert!(signal_after::<DeepRelu>(Scheme::Xavier) < 1e-12);
    // Twice too much: 2⁵⁰.
    assert!(signal_after::<Deep>(Scheme::He) > 1e12);
}

#[test]
fn biases_begin_as_zeros() {
    let parameters = model::<Deep>(Scheme::He).parameters();
    for param in Deep::parameters().iter().filter(|param| param.name.ends_with("bias")) {
        assert!(parameters[param.range()].iter().all(|&x| x == 0.0), "{}", param.name);
    }
}
