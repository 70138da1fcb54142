//! The listings of the chapter `regression`: the alcohol of wines, told from twelve other measures.

use formwork::data::{self, StandardScaler};
use formwork::learn::Penalty;
use formwork::metrics;
use formwork::plot::Curves;
use formwork::prelude::*;
use formwork::regression::{Lasso, LinearModel, Ridge};
use formwork::trainer::Progress;
use formwork_book::{picture, sections};

fn main() -> std::process::ExitCode {
    sections(&[
        ("least-squares", least_squares),
        ("ridge", ridge),
        ("which-norm", which_norm),
        ("lasso", lasso),
        ("subgradients", subgradients),
        ("network", network),
        ("training", training),
        ("paths", paths),
        ("exercise-1", exercise_1),
        ("exercise-2", exercise_2),
        ("exercise-3", exercise_3),
    ])
}

/// The columns of the wines behind the first, which is the alcohol.
const FEATURES: [&str; 12] = [
    "malic acid",
    "ash",
    "alcalinity",
    "magnesium",
    "phenols",
    "flavanoids",
    "other phenols",
    "proanthocyanins",
    "colour",
    "hue",
    "OD280/OD315",
    "proline",
];

// ANCHOR: wines
/// Some wines: `[B, 12]` numbers row by row, and `[B]` numbers that are to be told from them.
#[derive(Clone, Default)]
struct Wines {
    samples: Vec<f64>,
    alcohol: Vec<f64>,
}

/// The wines to learn from, and every fourth to test with; features of mean 0 and deviation 1.
fn wines() -> Result<(Wines, Wines), Error> {
    let table = data::wine()?;
    let (mut train, mut test) = (Wines::default(), Wines::default());
    for (i, row) in table.numbers().chunks_exact(table.columns()).enumerate() {
        let part = if i % 4 == 0 { &mut test } else { &mut train };
        part.alcohol.push(row[0]);
        part.samples.extend_from_slice(&row[1..]);
    }
    let scaler = StandardScaler::fit(&train.samples, FEATURES.len())?;
    scaler.transform(&mut train.samples)?;
    scaler.transform(&mut test.samples)?;
    Ok((train, test))
}
// ANCHOR_END: wines

/// The share of the variance of the alcohol that a model explains.
fn r2(model: &LinearModel, wines: &Wines) -> Result<f64, Error> {
    let mut metric = metrics::r2();
    score(&mut metric, &model.predict(&wines.samples)?, &wines.alcohol);
    Ok(metrics::Metric::<Rank1<1>, Values<Rank1<1>>, f64>::value(&metric))
}

fn score(metric: &mut impl metrics::Metric<Rank1<1>, Values<Rank1<1>>, f64>, told: &[f64], targets: &[f64]) {
    metric.add(told, targets);
}

fn largest_difference(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).fold(0.0, |max, (a, b)| f64::max(max, (a - b).abs()))
}

fn norm(numbers: &[f64]) -> f64 {
    numbers.iter().map(|x| x * x).sum::<f64>().sqrt()
}

fn zeros(numbers: &[f64]) -> usize {
    numbers.iter().filter(|x| **x == 0.0).count()
}

// ANCHOR: least-squares
fn least_squares() -> formwork_book::Result {
    let (train, test) = wines()?;
    let model = Ridge::new(0.0).fit(&train.samples, &train.alcohol)?;
    for (name, w) in FEATURES.iter().zip(&model.coef) {
        println!("{name:16} {w:6.3}");
    }
    println!("{:16} {:6.3}", "intercept", model.intercept);
    println!("R² of {} wines to learn from: {:.3}", train.alcohol.len(), r2(&model, &train)?);
    println!("R² of {} wines to test with: {:.3}", test.alcohol.len(), r2(&model, &test)?);
    Ok(())
}
// ANCHOR_END: least-squares

// ANCHOR: ridge
fn ridge() -> formwork_book::Result {
    let (train, test) = wines()?;
    println!("{:>8} {:>8} {:>8} {:>10} {:>8}", "penalty", "norm", "zeros", "train R²", "test R²");
    for alpha in [0.0, 10.0, 100.0, 1000.0, 10_000.0] {
        let model = Ridge::new(alpha).fit(&train.samples, &train.alcohol)?;
        let (train, test) = (r2(&model, &train)?, r2(&model, &test)?);
        println!("{alpha:8} {:8.3} {:8} {train:10.3} {test:8.3}", norm(&model.coef), zeros(&model.coef));
    }
    Ok(())
}
// ANCHOR_END: ridge

// ANCHOR: which-norm
/// The largest number of `2 Xᵀ (X w + b - y)` plus the gradient of a penalty.
fn slope(model: &LinearModel, wines: &Wines, penalty: impl Fn(f64) -> f64) -> Result<f64, Error> {
    let told = model.predict(&wines.samples)?;
    let mut gradient: Vec<f64> = model.coef.iter().map(|&w| penalty(w)).collect();
    for ((x, y), t) in wines.samples.chunks_exact(FEATURES.len()).zip(told).zip(&wines.alcohol) {
        gradient.iter_mut().zip(x).for_each(|(g, x)| *g += 2.0 * x * (y - t));
    }
    Ok(largest_difference(&gradient, &[0.0; FEATURES.len()]))
}

fn which_norm() -> formwork_book::Result {
    let (train, _) = wines()?;
    let alpha = 100.0;
    let model = Ridge::new(alpha).fit(&train.samples, &train.alcohol)?;
    let length = norm(&model.coef);
    println!("slope with the squared norm: {:.3}", slope(&model, &train, |w| 2.0 * alpha * w)?);
    println!("slope with the norm:         {:.3}", slope(&model, &train, |w| alpha * w / length)?);
    Ok(())
}
// ANCHOR_END: which-norm

// ANCHOR: lasso
fn lasso() -> formwork_book::Result {
    let (train, test) = wines()?;
    println!("{:>8} {:>8} {:>8} {:>10} {:>8}", "penalty", "norm", "zeros", "train R²", "test R²");
    for alpha in [0.0, 0.01, 0.06, 0.2, 0.5] {
        let model = Lasso::new(alpha).fit(&train.samples, &train.alcohol)?;
        let (train, test) = (r2(&model, &train)?, r2(&model, &test)?);
        println!("{alpha:8} {:8.3} {:8} {train:10.3} {test:8.3}", norm(&model.coef), zeros(&model.coef));
    }
    let few = Lasso::new(0.06).fit(&train.samples, &train.alcohol)?;
    println!("\nleft at 0.06:");
    for (name, w) in FEATURES.iter().zip(&few.coef).filter(|(_, w)| **w != 0.0) {
        println!("{name:16} {w:6.3}");
    }
    Ok(())
}
// ANCHOR_END: lasso

// ANCHOR: subgradients
/// What the lasso makes small: `Σ (y - w x - b)² / 2n + α Σ |w|`.
fn objective(model: &LinearModel, wines: &Wines, alpha: f64) -> Result<f64, Error> {
    let told = model.predict(&wines.samples)?;
    let squares: f64 = told.iter().zip(&wines.alcohol).map(|(y, t)| (y - t) * (y - t)).sum();
    Ok(squares / (2.0 * told.len() as f64) + alpha * model.coef.iter().map(|w| w.abs()).sum::<f64>())
}

fn subgradients() -> formwork_book::Result {
    let (train, _) = wines()?;
    let (alpha, lasso) = (0.06, Lasso::new(0.06));
    let exact = lasso.fit(&train.samples, &train.alcohol)?;
    let least = objective(&exact, &train, alpha)?;
    let rate = lasso.safe_rate(&train.samples, &train.alcohol)?;
    let descend = |steps: u64, first: f64, power: f64| {
        lasso.subgradient_descent(&train.samples, &train.alcohol, steps, move |step: u64| first / ((step + 1) as f64).powf(power))
    };
    println!("{:>8} {:>10} {:>10} {:>10} {:>10}", "steps", "η", "4 η", "η / √", "4 η / √");
    for steps in [10, 100, 1000, 10_000] {
        print!("{steps:8}");
        for (first, power) in [(rate, 0.0), (4.0 * rate, 0.0), (rate, 0.5), (4.0 * rate, 0.5)] {
            print!(" {:10.1e}", objective(&descend(steps, first, power)?, &train, alpha)? - least);
        }
        println!();
    }
    println!("zeros after 10,000 steps of η / √: {}", zeros(&descend(10_000, rate, 0.5)?.coef));
    println!("zeros of the solution: {}", zeros(&exact.coef));
    Ok(())
}
// ANCHOR_END: subgradients

// ANCHOR: network
/// The alcohol of a wine: `[B, 12]` becomes `[B, 1]`.
#[network([12] => [1])]
type Alcohol = Linear<12, 1>;

type Data = Dataset<Rank1<12>, Values<Rank1<1>>, f64>;

fn dataset(wines: Wines) -> Result<Data, Error> {
    Dataset::new(wines.samples, wines.alcohol)
}

/// Full steps down the gradient of the mean square error and a penalty; the weights, without the bias.
fn descend(train: &Data, penalty: Penalty) -> Result<Vec<f64>, Error> {
    let weights = penalty.only::<Alcohol>(|param| param.name.ends_with("weight"));
    let mut optimizer = Sgd::new(0.0).adjusted(weights).scheduled(ExponentialLr::new(0.1, 0.997));
    let mut model = Model::<Alcohol, f64>::on(&formwork::device()?, 0);
    let all = train.all();
    for _ in 0..2000 {
        model.train(&all, &Mse, &mut optimizer)?;
    }
    Ok(model.parameters()[..FEATURES.len()].to_vec())
}

fn network() -> formwork_book::Result {
    let (train, _) = wines()?;
    let n = train.alcohol.len() as f64;
    let ridge = Ridge::new(10.0).fit(&train.samples, &train.alcohol)?;
    let lasso = Lasso::new(0.06).fit(&train.samples, &train.alcohol)?;
    let data = dataset(train)?;
    // The mean of n squares, where ridge has their sum and the lasso half their mean.
    let by_l2 = descend(&data, Penalty::l2(10.0 / n))?;
    let by_l1 = descend(&data, Penalty::l1(2.0 * 0.06))?;
    println!("largest difference of a weight to ridge: {:.4}", largest_difference(&by_l2, &ridge.coef));
    println!("largest difference of a weight to the lasso: {:.4}", largest_difference(&by_l1, &lasso.coef));
    println!("weights that are 0: {} of the lasso, {} of the network", zeros(&lasso.coef), zeros(&by_l1));
    println!("weights below 0.01: {} of the lasso, {} of the network", small(&lasso.coef), small(&by_l1));
    Ok(())
}

fn small(weights: &[f64]) -> usize {
    weights.iter().filter(|w| w.abs() < 0.01).count()
}
// ANCHOR_END: network

// ANCHOR: training
fn training() -> formwork_book::Result {
    let (train, test) = wines()?;
    let penalty = Penalty::l2(10.0 / train.alcohol.len() as f64).only::<Alcohol>(|param| param.name.ends_with("weight"));
    let (train, test) = (dataset(train)?, dataset(test)?);
    let mut model = Model::<Alcohol, f64>::on(&formwork::device()?, 0);
    println!("{}", Alcohol::summary());
    let history = Trainer::new(Mse, Sgd::new(0.02).adjusted(penalty))
        .epochs(60)
        .batch_size(16)
        .validation(&test)
        .metric(metrics::r2())
        .progress(Progress::Silent)
        .fit(&mut model, &train)?;
    for epoch in [1, 5, 20, 60] {
        let at = |column: &str| history.column(column)[epoch - 1];
        println!("epoch {epoch:2}: loss {:8.3}, test loss {:8.3}, test R² {:8.3}", at("loss"), at("val_loss"), at("val_r2"));
    }
    Ok(())
}
// ANCHOR_END: training

/// So many numbers between two, each the same multiple of the one before.
fn powers(from: f64, to: f64, count: usize) -> Vec<f64> {
    (0..count).map(|i| from * (to / from).powf(i as f64 / (count - 1) as f64)).collect()
}

// ANCHOR: paths
/// The coefficients over the penalty, one curve for each feature.
fn path(alphas: &[f64], fit: impl Fn(f64) -> Result<LinearModel, Error>) -> Result<Curves, Error> {
    let models: Vec<LinearModel> = alphas.iter().map(|&alpha| fit(alpha)).collect::<Result<_, _>>()?;
    let curve = |j: usize| alphas.iter().zip(&models).map(move |(alpha, model)| (alpha.log10(), model.coef[j])).collect::<Vec<_>>();
    let curves = Curves::new("logarithm of the penalty, base 10", "coefficient");
    Ok(FEATURES.iter().enumerate().fold(curves, |curves, (j, name)| curves.curve(name, curve(j))))
}

fn paths() -> formwork_book::Result {
    let (train, _) = wines()?;
    let (ridges, lassos) = (powers(1.0, 1e5, 61), powers(1e-3, 10f64.sqrt(), 71));
    let ridge = path(&ridges, |alpha| Ridge::new(alpha).fit(&train.samples, &train.alcohol))?;
    let lasso = path(&lassos, |alpha| Lasso::new(alpha).fit(&train.samples, &train.alcohol))?;
    for (curves, name) in [(ridge, "regression-ridge.svg"), (lasso, "regression-lasso.svg")] {
        if let Some(file) = picture(name) {
            curves.save(file)?;
        }
    }
    let empty = lassos.iter().find(|&&alpha| Lasso::new(alpha).fit(&train.samples, &train.alcohol).is_ok_and(|model| zeros(&model.coef) == 12));
    println!("smallest of the {} penalties that leaves no feature: {:.2}", lassos.len(), empty.ok_or("each leaves one")?);
    Ok(())
}
// ANCHOR_END: paths

// ANCHOR: exercise-1
fn exercise_1() -> formwork_book::Result {
    let (train, _) = wines()?;
    let n = train.alcohol.len() as f64;
    let proline: Vec<f64> = train.samples.iter().skip(11).step_by(FEATURES.len()).copied().collect();
    let w = Ridge::new(0.0).fit(&proline, &train.alcohol)?.coef[0];
    let (ridge, lasso) = (Ridge::new(100.0).fit(&proline, &train.alcohol)?, Lasso::new(0.2).fit(&proline, &train.alcohol)?);
    println!("least squares: {w:.4}");
    println!("ridge: {:.4}, by the formula {:.4}", ridge.coef[0], w * n / (n + 100.0));
    println!("lasso: {:.4}, by the formula {:.4}", lasso.coef[0], w.signum() * (w.abs() - 0.2).max(0.0));
    Ok(())
}
// ANCHOR_END: exercise-1

// ANCHOR: exercise-2
fn exercise_2() -> formwork_book::Result {
    let (train, _) = wines()?;
    let proline = train.samples.iter().skip(11).step_by(FEATURES.len());
    let twice: Vec<f64> = proline.flat_map(|&x| [x, x]).collect();
    match Ridge::new(0.0).fit(&twice, &train.alcohol) {
        Ok(model) => println!("least squares: {:.4?}", model.coef),
        Err(error) => println!("least squares: {error}"),
    }
    println!("ridge: {:.4?}", Ridge::new(100.0).fit(&twice, &train.alcohol)?.coef);
    println!("lasso: {:.4?}", Lasso::new(0.2).fit(&twice, &train.alcohol)?.coef);
    Ok(())
}
// ANCHOR_END: exercise-2

// ANCHOR: exercise-3
/// The samples with proline in thousandths of its unit.
fn in_thousandths(wines: &Wines) -> Vec<f64> {
    let per_unit = |j: usize| if j == 11 { 1000.0 } else { 1.0 };
    wines.samples.iter().enumerate().map(|(i, x)| x * per_unit(i % FEATURES.len())).collect()
}

fn exercise_3() -> formwork_book::Result {
    let (train, test) = wines()?;
    let (train_2, test_2) = (in_thousandths(&train), in_thousandths(&test));
    for alpha in [0.0, 1000.0] {
        let ridge = Ridge::new(alpha);
        let told = ridge.fit(&train.samples, &train.alcohol)?.predict(&test.samples)?;
        let told_2 = ridge.fit(&train_2, &train.alcohol)?.predict(&test_2)?;
        println!("penalty {alpha:4}: a prediction changes by up to {:.3}", largest_difference(&told, &told_2));
    }
    Ok(())
}
// ANCHOR_END: exercise-3
