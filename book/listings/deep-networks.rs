//! The listings of the chapter `deep-networks`: layers one behind the other, gradients on their way back, and what keeps both alive.

use formwork::data::digits;
use formwork::metrics;
use formwork::plot::Curves;
use formwork::prelude::*;
use formwork::trainer::Progress;
use formwork_book::{picture, sections};

fn main() -> std::process::ExitCode {
    sections(&[
        ("mlp", mlp),
        ("xor", xor),
        ("activations", activations),
        ("by-hand", by_hand),
        ("differences", differences),
        ("gradient-check", gradient_check),
        ("statistics", statistics),
        ("vanishing", vanishing),
        ("initialisation", initialisation),
        ("batch-norm", batch_norm),
        ("training", training),
        ("dropout", dropout),
        ("exercise-1", exercise_1),
        ("exercise-2", exercise_2),
        ("exercise-3", exercise_3),
        ("exercise-4", exercise_4),
    ])
}

// ANCHOR: mlp
/// Reads a digit: `[B, 1, 8, 8]` becomes `[B, 10]`.
#[network([1, 8, 8] => [10])]
struct Reader {
    flatten: Flatten,        // [B, 64]
    hidden1: Linear<64, 32>, // [B, 32]
    relu1: Relu,
    hidden2: Linear<32, 32>,
    relu2: Relu,
    scores: Linear<32, 10>, // [B, 10]
}

const _: () = assert!(Reader::SCALARS < 4000);

fn mlp() -> formwork_book::Result {
    println!("{}", Reader::summary());
    Ok(())
}
// ANCHOR_END: mlp

// ANCHOR: xor
#[network([2] => [1])]
type Flat = (Linear<2, 8>, Linear<8, 1>);

#[network([2] => [1])]
type Bent = (Linear<2, 8>, Tanh, Linear<8, 1>);

/// The loss after training on the exclusive or: 1 where the inputs differ.
fn learn_xor<N: Network<Input = Rank1<2>, Output = Rank1<1>>>() -> Result<f32, Error> {
    let inputs = vec![0.0, 0.0, 0.0, 1.0, 1.0, 0.0, 1.0, 1.0];
    let data = Dataset::<Rank1<2>, Values<Rank1<1>>>::new(inputs, vec![0.0, 1.0, 1.0, 0.0])?;
    let (mut model, mut optimizer) = (Model::<N>::new(0), Adam::new(0.05));
    for _ in 0..300 {
        model.train(&data.all(), &BceWithLogits, &mut optimizer)?;
    }
    model.evaluate(&data, &BceWithLogits)
}

fn xor() -> formwork_book::Result {
    println!("two linear layers: loss {:.3}", learn_xor::<Flat>()?);
    println!("a tanh between them: loss {:.3}", learn_xor::<Bent>()?);
    println!("logarithm of 2: {:.3}", 2f32.ln());
    Ok(())
}
// ANCHOR_END: xor

// ANCHOR: activations
/// A layer's values and slopes at some places: the mean absolute error to targets far below has the slope 1 / B.
fn curve<L: Layer + 'static>(places: &[f64]) -> Result<Vec<[f64; 2]>, Error> {
    let data = Dataset::<Rank1<1>, Values<Rank1<1>>, f64>::new(places.to_vec(), vec![-100.0; places.len()])?;
    let mut model = Model::<Net<L, Rank1<1>, Rank1<1>>, f64>::on(&formwork::device()?, 0);
    let slopes = model.gradients(&data.all(), &L1)?.inputs;
    let values = model.predict(&data.all())?;
    Ok(values.into_iter().zip(slopes).map(|(y, slope)| [y, slope * places.len() as f64]).collect())
}

type Curve = fn(&[f64]) -> Result<Vec<[f64; 2]>, Error>;

fn activations() -> formwork_book::Result {
    let all: [(&str, Curve); 6] = [
        ("Sigmoid", curve::<Sigmoid>),
        ("Tanh", curve::<Tanh>),
        ("Relu", curve::<Relu>),
        ("LeakyRelu<10>", curve::<LeakyRelu<10>>),
        ("Gelu", curve::<Gelu>),
        ("Silu", curve::<Silu>),
    ];
    println!("{:14} {:>8} {:>8} {:>8} {:>9} {:>8} {:>8}", "", "f(-3)", "f(0)", "f(3)", "f'(-3)", "f'(0)", "f'(3)");
    for (name, curve) in all {
        let [[a, da], [b, db], [c, dc]] = curve(&[-3.0, 0.0, 3.0])?[..] else { unreachable!("three places") };
        println!("{name:14} {a:8.3} {b:8.3} {c:8.3} {da:9.3} {db:8.3} {dc:8.3}");
    }
    if let Some(file) = picture("deep-networks-activations.svg") {
        let places: Vec<f64> = (-100..=100).map(|i| f64::from(i) / 25.0).collect();
        let mut curves = Curves::new("x", "slope f'(x)");
        for (name, curve) in all {
            curves = curves.curve(name, places.iter().zip(curve(&places)?).map(|(&x, [_, slope])| (x, slope)));
        }
        curves.save(file)?;
    }
    Ok(())
}
// ANCHOR_END: activations

// ANCHOR: by-hand
#[network([2] => [1])]
type Two = (Linear<2, 2>, Tanh, Linear<2, 1>);

fn by_hand() -> formwork_book::Result {
    let (x, t) = ([0.5, -1.0], 1.0);
    let mut model = Model::<Two, f64>::on(&formwork::device()?, 0);
    let parameters = model.parameters();
    let [w00, w01, w10, w11, b0, b1, v0, v1, c] = parameters[..] else { unreachable!("nine parameters") };

    // There: every step keeps what its way back will need.
    let a = [w00 * x[0] + w01 * x[1] + b0, w10 * x[0] + w11 * x[1] + b1];
    let h = a.map(f64::tanh);
    let y = v0 * h[0] + v1 * h[1] + c;

    // And back: from the gradient of an output to those of the inputs and parameters.
    let dy = 2.0 * (y - t);
    let dh = [dy * v0, dy * v1];
    let da = [dh[0] * (1.0 - h[0] * h[0]), dh[1] * (1.0 - h[1] * h[1])];
    let hand = [da[0] * x[0], da[0] * x[1], da[1] * x[0], da[1] * x[1], da[0], da[1], dy * h[0], dy * h[1], dy];

    let data = Dataset::<Rank1<2>, Values<Rank1<1>>, f64>::new(x.to_vec(), vec![t])?;
    let crates = model.gradients(&data.all(), &Mse)?.parameters;
    for param in Two::parameters() {
        println!("{:9} by hand {:6.3?}, by the crate {:6.3?}", param.name, &hand[param.range()], &crates[param.range()]);
    }
    Ok(())
}
// ANCHOR_END: by-hand

// ANCHOR: differences
fn differences() -> formwork_book::Result {
    let data = Dataset::<Rank1<2>, Values<Rank1<1>>, f64>::new(vec![0.5, -1.0], vec![1.0])?;
    let mut model = Model::<Two, f64>::on(&formwork::device()?, 0);
    let parameters = model.parameters();
    let slope = model.gradients(&data.all(), &Mse)?.parameters[0];
    let mut loss_at = |w: f64| {
        let mut moved = parameters.clone();
        moved[0] = w;
        model.set_parameters(&moved)?;
        model.evaluate(&data, &Mse)
    };
    println!("{:>6} {:>18} {:>18}", "step", "one side off by", "both sides off by");
    for exponent in [1, 2, 3, 4, 5, 6, 8, 10, 12] {
        let (w, step) = (parameters[0], 10f64.powi(-exponent));
        let [above, here, below] = [loss_at(w + step)?, loss_at(w)?, loss_at(w - step)?];
        let (one, both) = ((above - here) / step - slope, (above - below) / (2.0 * step) - slope);
        println!("{step:6.0e} {:18.0e} {:18.0e}", one.abs(), both.abs());
    }
    Ok(())
}
// ANCHOR_END: differences

// ANCHOR: gradient-check
#[network([6] => [3])]
type Checked = (Linear<6, 8>, BatchNorm1d<8>, Tanh, Residual<(Linear<8, 8>, Sigmoid)>, Dropout<25>, Linear<8, 3>);

fn gradient_check() -> formwork_book::Result {
    formwork::gradient_check::<Checked>(0)?; // on 11 samples
    println!("{} gradients of parameters and {} of inputs agree", Checked::SCALARS, 11 * 6);
    Ok(())
}
// ANCHOR_END: gradient-check

// ANCHOR: deep
#[network([1, 8, 8] => [10])]
type Sigmoids = (Flatten, Linear<64, 32>, Repeat<(Linear<32, 32>, Sigmoid), 20>, Linear<32, 10>);

#[network([1, 8, 8] => [10])]
type Tanhs = (Flatten, Linear<64, 32>, Repeat<(Linear<32, 32>, Tanh), 20>, Linear<32, 10>);

#[network([1, 8, 8] => [10])]
type Relus = (Flatten, Linear<64, 32>, Repeat<(Linear<32, 32>, Relu), 20>, Linear<32, 10>);

#[network([1, 8, 8] => [10])]
type Normalized = (Flatten, Linear<64, 32>, Repeat<(Linear<32, 32>, BatchNorm1d<32>, Relu), 20>, Linear<32, 10>);

#[network([1, 8, 8] => [10])]
type Skips = (Flatten, Linear<64, 32>, Repeat<Residual<(BatchNorm1d<32>, Relu, Linear<32, 32>)>, 20>, Linear<32, 10>);
// ANCHOR_END: deep

type Image = Rank3<1, 8, 8>;
type Scores = Rank1<10>;

// ANCHOR: statistics
#[network([1, 8, 8] => [10])]
type Shallow = (Flatten, Linear<64, 32>, Sigmoid, Linear<32, 32>, Sigmoid, Linear<32, 32>, Sigmoid, Linear<32, 10>);

fn statistics() -> formwork_book::Result {
    let batch = digits::load()?.shuffled(32, 0).next().ok_or("no batch")?;
    let model = Model::<Shallow>::with_scheme(&formwork::device()?, 0, Scheme::Xavier);
    println!("{}", model.statistics(&batch, &CrossEntropy::default())?);
    Ok(())
}
// ANCHOR_END: statistics

// ANCHOR: vanishing
/// The norm of the gradient behind each of the 20 hidden layers, and the deviation of what it writes, before any training.
fn layers<N: Network<Input = Image, Output = Scores>>(scheme: Scheme) -> Result<Vec<[f64; 2]>, Box<dyn std::error::Error>> {
    let batch = digits::load::<f64>()?.shuffled(32, 0).next().ok_or("no batch")?;
    let model = Model::<N, f64>::with_scheme(&formwork::device()?, 0, scheme);
    let all = model.statistics(&batch, &CrossEntropy::default())?.layers;
    Ok(all.iter().filter(|layer| layer.layer == "Linear<32, 32>").map(|layer| [layer.gradient, layer.deviation]).collect())
}

fn vanishing() -> formwork_book::Result {
    let all = [
        ("sigmoid", layers::<Sigmoids>(Scheme::Xavier)?),
        ("tanh", layers::<Tanhs>(Scheme::Xavier)?),
        ("ReLU", layers::<Relus>(Scheme::He)?),
        ("batch norm", layers::<Normalized>(Scheme::He)?),
        ("skips", layers::<Skips>(Scheme::He)?),
    ];
    println!("layer{}", all.iter().map(|(name, _)| format!(" {name:>10}")).collect::<String>());
    for layer in [1, 5, 10, 15, 20] {
        println!("{layer:5}{}", all.iter().map(|(_, layers)| format!(" {:10.0e}", layers[layer - 1][0])).collect::<String>());
    }
    println!("{:5}{}", "ratio", all.iter().map(|(_, layers)| format!(" {:10.0e}", layers[0][0] / layers[19][0])).collect::<String>());
    if let Some(file) = picture("deep-networks-gradients.svg") {
        let points = |layers: &[[f64; 2]]| (1..).map(f64::from).zip(layers.iter().map(|[gradient, _]| *gradient)).collect::<Vec<_>>();
        let curves = Curves::new("layer", "norm of the gradient").log_scale();
        all.iter().fold(curves, |curves, (name, layers)| curves.curve(name, points(layers))).save(file)?;
    }
    Ok(())
}
// ANCHOR_END: vanishing

// ANCHOR: initialisation
fn initialisation() -> formwork_book::Result {
    println!("{:8} {:8} {:>10} {:>10} {:>10} {:>16}", "", "scheme", "layer 1", "layer 10", "layer 20", "gradient, 1 : 20");
    let show = |name: &str, scheme: Scheme, layers: Vec<[f64; 2]>| {
        let [first, tenth, last] = [0, 9, 19].map(|i| layers[i][1]);
        println!("{name:8} {:8} {first:10.1e} {tenth:10.1e} {last:10.1e} {:16.1e}", format!("{scheme:?}"), layers[0][0] / layers[19][0]);
    };
    for scheme in [Scheme::Uniform, Scheme::Xavier, Scheme::He] {
        show("ReLU", scheme, layers::<Relus>(scheme)?);
    }
    for scheme in [Scheme::Uniform, Scheme::Xavier, Scheme::He] {
        show("tanh", scheme, layers::<Tanhs>(scheme)?);
    }
    Ok(())
}
// ANCHOR_END: initialisation

// ANCHOR: batch-norm
#[network([1] => [1])]
type Norm = BatchNorm1d<1>;

/// 64 numbers of mean 5 and deviation 3.
fn shifted() -> Result<Dataset<Rank1<1>, Values<Rank1<1>>>, Error> {
    let numbers = (0..64).map(|i| if i % 2 == 0 { 2.0 } else { 8.0 }).collect();
    Dataset::new(numbers, vec![0.0; 64])
}

fn batch_norm() -> formwork_book::Result {
    let data = shifted()?;
    let model = Model::<Norm>::new(0);
    let layer = &model.statistics(&data.all(), &Mse)?.layers[0];
    println!("in training: mean {:.3}, deviation {:.3}", layer.mean.abs(), layer.deviation);
    println!("{:>6} {:>13} {:>13} {:>24}", "steps", "running mean", "running var", "outside of training");
    for steps in [0, 1, 10, 50] {
        let mut model = Model::<Norm>::new(0);
        for _ in 0..steps {
            model.train(&data.all(), &Mse, &mut Sgd::new(0.0))?;
        }
        let [mean, var, _] = model.buffers()[..] else { unreachable!("three buffers: the last counts steps") };
        let outputs = model.predict(&data.all())?;
        println!("{steps:6} {mean:13.3} {var:13.3} {:>24}", format!("{:.3} and {:.3}", outputs[0], outputs[1]));
    }
    Ok(())
}
// ANCHOR_END: batch-norm

// ANCHOR: training
fn learn<N: Network<Input = Image, Output = Scores>>(name: &str, scheme: Scheme) -> formwork_book::Result {
    let (train, test) = digits::load()?.split_stratified(0.2, 0);
    let mut model = Model::<N>::with_scheme(&formwork::device()?, 0, scheme);
    let history = Trainer::new(CrossEntropy::default(), Adam::new(0.003))
        .epochs(3)
        .validation(&test)
        .metric(metrics::accuracy())
        .progress(Progress::Silent)
        .fit(&mut model, &train)?;
    let [loss, accuracy] = ["loss", "val_accuracy"].map(|column| history.column(column));
    println!("{name:12} {:8.3} {:8.3} {:10.3}", loss[0], loss[2], accuracy[2]);
    Ok(())
}

fn training() -> formwork_book::Result {
    println!("{:12} {:>8} {:>8} {:>10}", "", "epoch 1", "epoch 3", "accuracy");
    learn::<Reader>("two layers", Scheme::He)?;
    learn::<Sigmoids>("sigmoid", Scheme::Xavier)?;
    learn::<Relus>("ReLU", Scheme::He)?;
    learn::<Normalized>("batch norm", Scheme::He)?;
    learn::<Skips>("skips", Scheme::He)
}
// ANCHOR_END: training

// ANCHOR: dropout
#[network([1, 8, 8] => [10])]
type Wide = (Flatten, Linear<64, 128>, Relu, Linear<128, 10>);

#[network([1, 8, 8] => [10])]
type Dropped = (Flatten, Linear<64, 128>, Relu, Dropout<50>, Linear<128, 10>);

fn learn_few<N: Network<Input = Image, Output = Scores>>(name: &str) -> formwork_book::Result {
    let (rest, few) = digits::load()?.split_stratified(0.04, 0);
    let mut model = Model::<N>::new(0);
    Trainer::new(CrossEntropy::default(), Adam::new(0.003)).epochs(100).progress(Progress::Silent).fit(&mut model, &few)?;
    let loss = CrossEntropy::default();
    println!("{name:12} {:12.4} {:12.3}", model.evaluate(&few, &loss)?, model.evaluate(&rest, &loss)?);
    Ok(())
}

fn dropout() -> formwork_book::Result {
    let (rest, few) = digits::load::<f32>()?.split_stratified(0.04, 0);
    println!("{} digits to learn from, {} others", few.len(), rest.len());
    println!("{:12} {:>12} {:>12}", "", "loss of few", "of the rest");
    learn_few::<Wide>("as it is")?;
    learn_few::<Dropped>("Dropout<50>")
}
// ANCHOR_END: dropout

// ANCHOR: exercise-1
#[network([64] => [10])]
type Narrow = (Linear<64, 32>, Relu, Repeat<(Linear<32, 32>, Relu), 4>, Linear<32, 10>);

#[network([64] => [10])]
type Broad = (Linear<64, 88>, Relu, Linear<88, 10>);

const _: () = assert!(Narrow::SCALARS == 64 * 32 + 32 + 4 * (32 * 32 + 32) + 32 * 10 + 10);

fn exercise_1() -> formwork_book::Result {
    println!("six layers of 32: {} parameters", Narrow::SCALARS);
    println!("two layers of 88: {} parameters", Broad::SCALARS);
    Ok(())
}
// ANCHOR_END: exercise-1

// ANCHOR: exercise-2
/// By which factor gradients grow from one of the 20 hidden layers to the one before it, with all weights multiplied by a number.
fn factor<N: Network<Input = Image, Output = Scores>>(times: f64) -> Result<f64, Box<dyn std::error::Error>> {
    let batch = digits::load::<f64>()?.shuffled(32, 0).next().ok_or("no batch")?;
    let mut model = Model::<N, f64>::with_scheme(&formwork::device()?, 0, Scheme::Xavier);
    let scaled: Vec<f64> = model.parameters().iter().map(|p| times * p).collect();
    model.set_parameters(&scaled)?;
    let all = model.statistics(&batch, &CrossEntropy::default())?.layers;
    let hidden: Vec<f64> = all.iter().filter(|layer| layer.layer == "Linear<32, 32>").map(|layer| layer.gradient).collect();
    Ok((hidden[0] / hidden[19]).powf(1.0 / 19.0))
}

fn exercise_2() -> formwork_book::Result {
    println!("{:>8} {:>8} {:>8} {:>8}", "weights", "sigmoid", "tanh", "ReLU");
    for times in [1.0, 2f64.sqrt(), 4.0] {
        let (sigmoid, tanh, relu) = (factor::<Sigmoids>(times)?, factor::<Tanhs>(times)?, factor::<Relus>(times)?);
        println!("{times:7.3}x {sigmoid:8.3} {tanh:8.3} {relu:8.3}");
    }
    Ok(())
}
// ANCHOR_END: exercise-2

// ANCHOR: exercise-3
#[network([1000] => [1000])]
type Quarter = Dropout<25>;

fn exercise_3() -> formwork_book::Result {
    let data = Dataset::<Rank1<1000>, Values<Rank1<1000>>>::new(vec![1.0; 64_000], vec![0.0; 64_000])?;
    let layer = &Model::<Quarter>::new(0).statistics(&data.all(), &Mse)?.layers[0];
    println!("measured:  mean {:.3}, deviation {:.3}, zeros {:.3}", layer.mean, layer.deviation, layer.zeros);
    println!("predicted: mean 1.000, deviation {:.3}, zeros 0.250", (0.25f64 / 0.75).sqrt());
    Ok(())
}
// ANCHOR_END: exercise-3

// ANCHOR: exercise-4
#[network([1, 8, 8] => [10])]
type Plain = (Flatten, Linear<64, 32>, Repeat<(Relu, Linear<32, 32>), 20>, Linear<32, 10>);

#[network([1, 8, 8] => [10])]
type Bare = (Flatten, Linear<64, 32>, Repeat<Residual<(Relu, Linear<32, 32>)>, 20>, Linear<32, 10>);

#[network([1, 8, 8] => [10])]
type Scaled = (Flatten, Linear<64, 32>, Repeat<Residual<(Relu, Linear<32, 32>, Scale<1, 5>)>, 20>, Linear<32, 10>);

fn exercise_4() -> formwork_book::Result {
    println!("{:24} {:>10} {:>10}", "", "signal", "gradient");
    let show =
        |name: &str, layers: Vec<[f64; 2]>| println!("{name:24} {:10.1e} {:10.1e}", layers[19][1] / layers[0][1], layers[0][0] / layers[19][0]);
    show("plain", layers::<Plain>(Scheme::He)?);
    show("skips", layers::<Bare>(Scheme::He)?);
    show("skips, branches by 1/5", layers::<Scaled>(Scheme::He)?);
    show("skips with batch norm", layers::<Skips>(Scheme::He)?);
    Ok(())
}
// ANCHOR_END: exercise-4
