//! The listings of the chapter `gradient-descent`: steps, batches, memories and schedules, on surfaces and on digits.

use formwork::data::digits::{self, Digits};
use formwork::learn::{ClipNorm, Memory};
use formwork::metrics;
use formwork::plot::Curves;
use formwork::prelude::*;
use formwork::trainer::{History, Progress};
use formwork_book::{picture, sections};
use std::f64::consts::TAU;

fn main() -> std::process::ExitCode {
    sections(&[
        ("valley", valley),
        ("noise", noise),
        ("batch-size", batch_size),
        ("learning-rate", learning_rate),
        ("paths", paths),
        ("powers", powers),
        ("weight-decay", weight_decay),
        ("optimizers", optimizers),
        ("schedules", schedules),
        ("exercise-1", exercise_1),
        ("exercise-2", exercise_2),
        ("exercise-3", exercise_3),
        ("exercise-4", exercise_4),
    ])
}

type Point = [f64; 2];

/// A point from which an optimizer has gone so many steps, with all points on the way.
fn walk(mut optimizer: impl Optimizer<f64>, start: Point, steps: usize, gradient: impl Fn(Point) -> Point) -> Result<Vec<Point>, Error> {
    let mut points = vec![start];
    let mut at = start;
    for _ in 0..steps {
        let slope = gradient(at);
        optimizer.update(&mut at, &slope)?;
        points.push(at);
    }
    Ok(points)
}

fn pairs(points: &[Point]) -> impl Iterator<Item = (f64, f64)> {
    points.iter().map(|&[x, y]| (x, y))
}

/// Points on the way round, to draw a closed line with.
fn round(line: impl Fn(f64) -> (f64, f64)) -> Vec<(f64, f64)> {
    (0..=120).map(|i| line(TAU * f64::from(i) / 120.0)).collect()
}

// ANCHOR: valley
/// `f(x, y) = (x² + 25 y²) / 2`: the slope changes by 1 along the valley, and by 25 across it.
fn valley_slope([x, y]: Point) -> Point {
    [x, 25.0 * y]
}

fn valley() -> formwork_book::Result {
    println!("{:>6} {:>10} {:>10}", "rate", "x", "y");
    for rate in [0.01, 0.04, 0.07, 0.079, 0.081] {
        let points = walk(Sgd::new(rate), [10.0, 1.0], 100, valley_slope)?;
        let [x, y] = points[100];
        println!("{rate:6} {x:10.3} {y:10.3}");
    }
    draw_valley()
}
// ANCHOR_END: valley

fn draw_valley() -> formwork_book::Result {
    let Some(file) = picture("gradient-descent-valley.svg") else { return Ok(()) };
    let level = |f: f64| round(move |angle| ((2.0 * f).sqrt() * angle.cos(), (2.0 * f / 25.0).sqrt() * angle.sin()));
    let mut curves = Curves::new("x", "y").curve("f = 50", level(50.0)).curve("f = 10", level(10.0));
    for (name, rate) in [("rate 0.01", 0.01), ("rate 0.079", 0.079)] {
        curves = curves.curve(name, pairs(&walk(Sgd::new(rate), [10.0, 1.0], 40, valley_slope)?));
    }
    let momentum = walk(Sgd::new(0.01).momentum(0.8), [10.0, 1.0], 40, valley_slope)?;
    Ok(curves.curve("rate 0.01, momentum 0.8", pairs(&momentum)).save(file)?)
}

// ANCHOR: reader
/// Reads a digit: `[B, 1, 8, 8]` becomes `[B, 10]`.
#[network([1, 8, 8] => [10])]
type Reader = (Flatten, Linear<64, 32>, Relu, Linear<32, 10>);

/// 1438 digits to learn from, and 359 to test with.
fn load() -> Result<(Digits, Digits), Error> {
    Ok(digits::load()?.split_stratified(0.2, 0))
}

fn train(optimizer: impl Optimizer<f32>, batch: usize, epochs: u64) -> Result<History, Error> {
    let (train, test) = load()?;
    Trainer::new(CrossEntropy::default(), optimizer)
        .epochs(epochs)
        .batch_size(batch)
        .validation(&test)
        .metric(metrics::accuracy())
        .progress(Progress::Silent)
        .fit(&mut Model::<Reader>::new(0), &train)
}

/// The last number of a column.
fn last(history: &History, column: &str) -> f64 {
    history.last(column).unwrap_or(f64::NAN)
}
// ANCHOR_END: reader

// ANCHOR: noise
fn noise() -> formwork_book::Result {
    let (train, _) = load()?;
    let mut model = Model::<Reader>::new(0);
    let loss = CrossEntropy::default();
    let all = model.gradients(&train.all(), &loss)?.parameters;
    let length = ClipNorm::norm(&all);
    println!("{:>6} {:>14}", "batch", "off by");
    for size in [1, 4, 16, 64, 256] {
        let mut squares = 0.0;
        for seed in 0..40 {
            let batch = train.shuffled(size, seed).next().ok_or("no batch")?;
            let gradient = model.gradients(&batch, &loss)?.parameters;
            let error: Vec<f32> = gradient.iter().zip(&all).map(|(a, b)| a - b).collect();
            squares += ClipNorm::norm(&error).powi(2) / 40.0;
        }
        println!("{size:6} {:13.2} ×", squares.sqrt() / length);
    }
    Ok(())
}
// ANCHOR_END: noise

// ANCHOR: batch-size
fn batch_size() -> formwork_book::Result {
    println!("{:>6} {:>6} {:>8} {:>10} {:>10}", "batch", "steps", "loss", "test loss", "accuracy");
    for batch in [8, 32, 128, 512, 1438] {
        let history = train(Sgd::new(0.1), batch, 6)?;
        let steps = 6 * 1438usize.div_ceil(batch);
        let [loss, test, accuracy] = ["loss", "val_loss", "val_accuracy"].map(|column| last(&history, column));
        println!("{batch:6} {steps:6} {loss:8.3} {test:10.3} {accuracy:10.3}");
    }
    Ok(())
}
// ANCHOR_END: batch-size

// ANCHOR: learning-rate
fn learning_rate() -> formwork_book::Result {
    let mut curves = Curves::new("epoch", "training loss").log_scale();
    println!("{:>6} {:>8} {:>10}", "rate", "loss", "accuracy");
    for rate in [0.001, 0.01, 0.1, 0.5, 2.0] {
        let history = train(Sgd::new(rate), 32, 6)?;
        println!("{rate:6} {:8.3} {:10.3}", last(&history, "loss"), last(&history, "val_accuracy"));
        curves = curves.curve(&format!("rate {rate}"), (1..).map(f64::from).zip(history.column("loss")));
    }
    if let Some(file) = picture("gradient-descent-rates.svg") {
        curves.save(file)?;
    }
    Ok(())
}
// ANCHOR_END: learning-rate

// ANCHOR: paths
/// Rosenbrock's valley with 10 in place of 100: `f(x, y) = (1 - x)² + 10 (y - x²)²`, least at `(1, 1)`.
fn banana([x, y]: Point) -> f64 {
    (1.0 - x).powi(2) + 10.0 * (y - x * x).powi(2)
}

fn banana_slope([x, y]: Point) -> Point {
    let off = y - x * x;
    [-2.0 * (1.0 - x) - 40.0 * x * off, 20.0 * off]
}

/// An optimizer, with a rate that suits it here.
fn walkers() -> Vec<(&'static str, Box<dyn Optimizer<f64>>)> {
    vec![
        ("SGD", Box::new(Sgd::new(0.01))),
        ("momentum", Box::new(Sgd::new(0.01).momentum(0.8))),
        ("Nesterov", Box::new(Sgd::new(0.01).momentum(0.8).nesterov())),
        ("AdaGrad", Box::new(Adagrad::new(0.3))),
        ("RMSProp", Box::new(RmsProp::new(0.02).alpha(0.9))),
        ("Adam", Box::new(Adam::new(0.1))),
    ]
}
// ANCHOR_END: paths

fn paths() -> formwork_book::Result {
    const START: Point = [-1.2, 1.8];
    // On a level line `x - 1 = √f cos`, and `√10 (y - x²) = √f sin`. Its far end is left out.
    let level = |f: f64| {
        let point = |angle: f64| (1.0 + f.sqrt() * angle.cos(), (f / 10.0).sqrt() * angle.sin());
        round(point).into_iter().filter(|(x, _)| *x < 1.4).map(|(x, off)| (x, x * x + off))
    };
    let mut curves = Curves::new("x", "y").curve("f = 4", level(4.0)).curve("f = 0.3", level(0.3));
    println!("{:10} {:>9} {:>9} {:>9} {:>22}", "", "f at 10", "at 50", "at 200", "steps to f < 0.001");
    for (name, mut optimizer) in walkers() {
        let points = walk(Borrowed(&mut *optimizer), START, 1000, banana_slope)?;
        let [ten, fifty, last] = [10, 50, 200].map(|step| banana(points[step]));
        let there = points.iter().position(|&point| banana(point) < 1e-3).map_or("more than 1000".to_owned(), |steps| steps.to_string());
        println!("{name:10} {ten:9.4} {fifty:9.4} {last:9.4} {there:>22}");
        if name != "Nesterov" {
            curves = curves.curve(name, pairs(&points[..=60]));
        }
    }
    if let Some(file) = picture("gradient-descent-paths.svg") {
        curves.save(file)?;
    }
    Ok(())
}

/// An optimizer behind a reference, as an optimizer.
struct Borrowed<'a>(&'a mut dyn Optimizer<f64>);

impl Optimizer<f64> for Borrowed<'_> {
    fn update(&mut self, parameters: &mut [f64], gradients: &[f64]) -> Result<(), Error> {
        self.0.update(parameters, gradients)
    }

    fn remember(&mut self, memory: &mut dyn Memory<f64>) {
        self.0.remember(memory);
    }
}

// ANCHOR: powers
/// Gradients of mean 1 that jump between -2 and 4.
fn jumping(step: i32) -> f64 {
    if step % 2 == 0 { -2.0 } else { 4.0 }
}

fn powers() -> formwork_book::Result {
    let beta: f64 = 0.9;
    let (mut mean, mut noted) = (0.0, 0.0);
    println!("{:>4} {:>9} {:>8} {:>10} {:>16}", "step", "gradient", "mean", "corrected", "power in the mean");
    for t in 1..=100 {
        let g = jumping(t);
        mean = beta * mean + (1.0 - beta) * g;
        let corrected = mean / (1.0 - beta.powi(t));
        noted = beta.powi(t) * noted + (1.0 - beta.powi(t)) * g;
        if [1, 2, 3, 10, 11, 50, 51, 99, 100].contains(&t) {
            println!("{t:4} {g:9.1} {mean:8.3} {corrected:10.3} {noted:16.3}");
        }
    }
    println!("\nlargest difference of the crate's Adam to the paper's formulas below 1e-12: {}", off_paper()? < 1e-12);
    Ok(())
}

/// How far the crate's Adam is from the paper's formulas in 100 steps.
fn off_paper() -> Result<f64, Error> {
    let (rate, [beta1, beta2], epsilon) = (0.1, [0.9f64, 0.999f64], 1e-8);
    let mut adam = Adam::new(rate);
    let (mut given, mut p, mut m, mut v, mut off) = ([1.0], 1.0, 0.0, 0.0, 0.0f64);
    for t in 1..=100 {
        let g = jumping(t);
        adam.update(&mut given, &[g])?;
        m = beta1 * m + (1.0 - beta1) * g;
        v = beta2 * v + (1.0 - beta2) * g * g;
        let (m_hat, v_hat) = (m / (1.0 - beta1.powi(t)), v / (1.0 - beta2.powi(t)));
        p -= rate * m_hat / (v_hat.sqrt() + epsilon);
        off = off.max((given[0] - p).abs());
    }
    Ok(off)
}
// ANCHOR_END: powers

// ANCHOR: weight-decay
fn weight_decay() -> formwork_book::Result {
    let decayed = |mut optimizer: Adam<f64>| -> Result<[f64; 3], Error> {
        let mut weights = [1.0; 3];
        for step in 0..1000 {
            // Gradients that pull to neither side: large, middling and small ones.
            let sign = if step % 2 == 0 { 1.0 } else { -1.0 };
            optimizer.update(&mut weights, &[10.0 * sign, sign, 0.1 * sign])?;
        }
        Ok(weights)
    };
    println!("{:32} {:>6} {:>6} {:>6}", "size of the gradients", 10.0, 1.0, 0.1);
    for (name, adam) in [
        ("without decay", Adam::new(0.01)),
        ("decay 0.1 in the gradient", Adam::new(0.01).weight_decay(0.1)),
        ("decay 0.1 decoupled: AdamW", Adam::new(0.01).decoupled_weight_decay(0.1)),
    ] {
        let [large, middling, small] = decayed(adam)?;
        println!("{name:32} {large:6.3} {middling:6.3} {small:6.3}");
    }
    println!("0.999 to the power of 1000: {:.3}", 0.999f64.powi(1000));
    Ok(())
}
// ANCHOR_END: weight-decay

// ANCHOR: optimizers
fn optimizers() -> formwork_book::Result {
    println!("{:10} {:>8} {:>10} {:>10}", "", "loss", "test loss", "accuracy");
    let show = |name: &str, history: Result<History, Error>| -> Result<History, Error> {
        let history = history?;
        let [loss, test, accuracy] = ["loss", "val_loss", "val_accuracy"].map(|column| last(&history, column));
        println!("{name:10} {loss:8.3} {test:10.3} {accuracy:10.3}");
        Ok(history)
    };
    let histories = [
        ("SGD", show("SGD", train(Sgd::new(0.1), 32, 6))?),
        ("momentum", show("momentum", train(Sgd::new(0.02).momentum(0.9), 32, 6))?),
        ("AdaGrad", show("AdaGrad", train(Adagrad::new(0.02), 32, 6))?),
        ("RMSProp", show("RMSProp", train(RmsProp::new(0.002), 32, 6))?),
        ("Adam", show("Adam", train(Adam::new(0.005), 32, 6))?),
        ("AdamW", show("AdamW", train(Adam::new(0.005).decoupled_weight_decay(0.1), 32, 6))?),
    ];
    if let Some(file) = picture("gradient-descent-optimizers.svg") {
        let epochs = |history: &History| (1..).map(f64::from).zip(history.column("loss")).collect::<Vec<_>>();
        let curves = Curves::new("epoch", "training loss").log_scale();
        histories.iter().fold(curves, |curves, (name, history)| curves.curve(name, epochs(history))).save(file)?;
    }
    Ok(())
}
// ANCHOR_END: optimizers

// ANCHOR: schedules
fn schedules() -> formwork_book::Result {
    const EPOCHS: u64 = 6;
    let steps = EPOCHS * 90; // batches of 16
    let all: [(&str, Box<dyn Fn(u64) -> f64>); 5] = [
        ("constant 0.8", Box::new(|_| 0.8)),
        ("tenth after 4 epochs", Box::new(move |step| StepLr::new(0.8, 360, 0.1).rate(step))),
        ("cosine", Box::new(move |step| CosineAnnealingLr::new(0.8, steps).rate(step))),
        ("warm-up, then cosine", Box::new(move |step| WarmUp::new(90, CosineAnnealingLr::new(0.8, steps - 90)).rate(step))),
        ("one cycle", Box::new(move |step| OneCycleLr::new(0.8, steps).rate(step))),
    ];
    let mut curves = Curves::new("step", "learning rate");
    println!("{:22} {:>8} {:>10} {:>10}", "", "loss", "test loss", "accuracy");
    for (name, schedule) in all {
        curves = curves.curve(name, (0..steps).step_by(5).map(|step| (step as f64, schedule(step))));
        let history = train(Sgd::new(0.0).scheduled(schedule), 16, EPOCHS)?;
        let [loss, test, accuracy] = ["loss", "val_loss", "val_accuracy"].map(|column| last(&history, column));
        println!("{name:22} {loss:8.4} {test:10.3} {accuracy:10.3}");
    }
    if let Some(file) = picture("gradient-descent-schedules.svg") {
        curves.save(file)?;
    }
    Ok(())
}
// ANCHOR_END: schedules

// ANCHOR: exercise-1
fn exercise_1() -> formwork_book::Result {
    println!("{:>8} {:>6} {:>12}", "momentum", "rate", "|y| at 60");
    for (momentum, rate) in [(0.0, 0.079), (0.0, 0.081), (0.8, 0.143), (0.8, 0.145)] {
        let points = walk(Sgd::new(rate).momentum(momentum), [10.0, 1.0], 60, valley_slope)?;
        println!("{momentum:8} {rate:6} {:12.3}", points[60][1].abs());
    }
    Ok(())
}
// ANCHOR_END: exercise-1

// ANCHOR: exercise-2
fn exercise_2() -> formwork_book::Result {
    println!("{:>6} {:>6} {:>8} {:>10}", "batch", "rate", "loss", "accuracy");
    for (batch, rate) in [(8, 0.05), (32, 0.2), (128, 0.8), (512, 3.2)] {
        let history = train(Sgd::new(rate), batch, 5)?;
        println!("{batch:6} {rate:6} {:8.3} {:10.3}", last(&history, "loss"), last(&history, "val_accuracy"));
    }
    Ok(())
}
// ANCHOR_END: exercise-2

// ANCHOR: exercise-3
fn exercise_3() -> formwork_book::Result {
    let (train, _) = load()?;
    let train_with = |size: usize, batches: usize, count: usize| -> Result<Vec<f32>, Error> {
        let mut model = Model::<Reader>::new(0);
        let mut optimizer = Adam::new(0.01).accumulated(batches);
        for batch in train.shuffled(size, 0).take(count) {
            model.train(&batch, &CrossEntropy::default(), &mut optimizer)?;
        }
        Ok(model.parameters())
    };
    let (whole, parts) = (train_with(64, 1, 22)?, train_with(16, 4, 88)?);
    let largest = whole.iter().zip(&parts).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
    println!("parameters differ by less than 0.001: {}", largest < 1e-3);
    Ok(())
}
// ANCHOR_END: exercise-3

// ANCHOR: exercise-4
/// Steps of one length, whatever the gradient: `p ← p - η sign(m)`, where `m` is a running mean of the gradient.
struct SignDescent {
    rate: f64,
    mean: Vec<f32>,
}

impl Optimizer<f32> for SignDescent {
    fn update(&mut self, parameters: &mut [f32], gradients: &[f32]) -> Result<(), Error> {
        self.mean.resize(parameters.len(), 0.0);
        for ((p, g), m) in parameters.iter_mut().zip(gradients).zip(&mut self.mean) {
            *m = 0.9 * *m + 0.1 * g;
            *p -= self.rate as f32 * m.signum();
        }
        Ok(())
    }

    fn remember(&mut self, memory: &mut dyn Memory<f32>) {
        memory.numbers("sign.mean", &mut self.mean);
    }
}

impl LearningRate for SignDescent {
    fn learning_rate(&self) -> f64 {
        self.rate
    }

    fn set_learning_rate(&mut self, learning_rate: f64) {
        self.rate = learning_rate;
    }
}

fn exercise_4() -> formwork_book::Result {
    let sign = || SignDescent { rate: 0.005, mean: Vec::new() };
    let constant = train(sign(), 32, 6)?;
    let cosine = train(sign().scheduled(CosineAnnealingLr::new(0.005, 270)), 32, 6)?;
    for (name, history) in [("constant", constant), ("cosine", cosine)] {
        println!("{name:10} loss {:.4}, accuracy {:.3}", last(&history, "loss"), last(&history, "val_accuracy"));
    }
    Ok(())
}
// ANCHOR_END: exercise-4
