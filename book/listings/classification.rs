//! The listings of the chapter `classification`: probabilities of classes, of tumours and of digits.

use formwork::data::{self, Source, StandardScaler, one_hot};
use formwork::learn::Penalty;
use formwork::metrics::{self, ConfusionMatrix};
use formwork::plot::{Curves, HeatMap};
use formwork::prelude::*;
use formwork::regression::{LogisticModel, LogisticRegression};
use formwork::trainer::Progress;
use formwork_book::{picture, sections};

fn main() -> std::process::ExitCode {
    sections(&[
        ("one-hot", one_hot_targets),
        ("softmax", softmax),
        ("entropy", entropy),
        ("likelihood", likelihood),
        ("newton", newton),
        ("network", network),
        ("digits", digits),
        ("thresholds", thresholds),
        ("exercise-1", exercise_1),
        ("exercise-2", exercise_2),
        ("exercise-3", exercise_3),
        ("exercise-4", exercise_4),
    ])
}

// ANCHOR: one-hot
fn one_hot_targets() -> formwork_book::Result {
    // Three classes: [B] becomes [B, 3].
    for row in one_hot::<3, f32>(&[2, 0, 1])?.chunks_exact(3) {
        println!("{row:?}");
    }
    println!("{}", one_hot::<3, f32>(&[3]).err().ok_or("3 is a class below 3")?);
    Ok(())
}
// ANCHOR_END: one-hot

// ANCHOR: softmax
#[network([3] => [3])]
type Probabilities = Softmax;

fn softmax() -> formwork_book::Result {
    let scores = vec![2.0, 1.0, 0.0, 102.0, 101.0, 100.0, 2.0, 0.0, -1000.0];
    let batch = Dataset::<Rank1<3>, Class<3>>::new(scores, vec![0; 3])?.all();
    for (x, p) in batch.inputs().chunks_exact(3).zip(Model::<Probabilities>::new(0).predict(&batch)?.chunks_exact(3)) {
        println!("{x:6.1?} -> {p:.3?}");
    }
    println!("sigmoid of 2 - 0: {:.3}", sigmoid(2.0));
    Ok(())
}

fn sigmoid(z: f64) -> f64 {
    1.0 / (1.0 + (-z).exp())
}
// ANCHOR_END: softmax

// ANCHOR: entropy
#[network([3] => [3])]
type LogProbabilities = LogSoftmax;

/// `Σ p log (1 / p)`, where nothing is added for what never happens.
fn entropy_of(p: &[f64]) -> f64 {
    p.iter().filter(|p| **p > 0.0).map(|p| p * (1.0 / p).ln()).sum()
}

fn entropy() -> formwork_book::Result {
    let model = Model::<LogProbabilities, f64>::on(&formwork::device()?, 0);
    println!("{:>18} {:>8} {:>14} {:>11} {:>5}", "targets p", "entropy", "cross-entropy", "divergence", "sum");
    for p in [[1.0, 0.0, 0.0], [0.7, 0.2, 0.1], [1.0 / 3.0; 3]] {
        // Scores 2, 1 and 0 are the probabilities q = (0.665, 0.245, 0.090).
        let data = Dataset::<Rank1<3>, Values<Rank1<3>>, f64>::new(vec![2.0, 1.0, 0.0], p.to_vec())?;
        let cross_entropy = model.evaluate(&data, &CrossEntropy::default())?;
        let divergence = model.evaluate(&data, &KlDiv::default().batch_mean())?;
        println!("{:>18} {:8.3} {cross_entropy:14.3} {divergence:11.3} {:5.3}", format!("{p:.2?}"), entropy_of(&p), entropy_of(&p) + divergence);
    }
    Ok(())
}
// ANCHOR_END: entropy

// ANCHOR: likelihood
#[network([13] => [3])]
type Grower = Linear<13, 3>;

fn likelihood() -> formwork_book::Result {
    let wines = data::wine()?.dataset::<13, 3, f32>()?;
    let mut model = Model::<Grower>::new(0);
    model.set_parameters(&[0.0; Grower::SCALARS])?; // each class with probability 1/3
    let probability = 1.0f32 / 3.0;
    let product = wines.all().targets().iter().fold(1.0, |product, _| product * probability);
    println!("likelihood of {} classes, as a product in f32: {product:e}", wines.len());
    let loss = model.evaluate(&wines, &CrossEntropy::default())?;
    println!("mean cross-entropy: {loss:.4}; the logarithm of 3: {:.4}", 3f32.ln());
    println!("logarithm of the likelihood: {:.1}", -loss * wines.len() as f32);
    let gradients = model.gradients(&wines.all(), &CrossEntropy::default())?;
    println!("gradient of the three biases: {:.3?}", &gradients.parameters[39..]);
    let share = |class: usize| wines.all().targets().iter().filter(|target| **target == class).count() as f32 / wines.len() as f32;
    println!("1/3 less the share of a class: {:.3?}", [0, 1, 2].map(|class| probability - share(class)));
    Ok(())
}
// ANCHOR_END: likelihood

// ANCHOR: tumours
type Tumours = Dataset<Rank1<30>, Class<2>, f64>;

/// Tumours to learn from and others to test with; class 1, which is to be found, is malignant.
fn tumours() -> Result<(Tumours, Tumours), Error> {
    let all = data::breast_cancer()?.dataset::<30, 2, f64>()?.all();
    let is_malignant = all.targets().iter().map(|class| 1 - class).collect();
    let (train, test) = Tumours::new(all.inputs().to_vec(), is_malignant)?.split_stratified(0.25, 0);
    let scaler = StandardScaler::of(&train)?;
    Ok((train.scaled(&scaler).in_memory()?, test.scaled(&scaler).in_memory()?))
}
// ANCHOR_END: tumours

/// What is read where class 1 takes at least this probability.
fn matrix(probabilities: &[f64], classes: &[usize], threshold: f64) -> ConfusionMatrix {
    let mut matrix = ConfusionMatrix::new(2);
    probabilities.iter().zip(classes).for_each(|(p, &class)| matrix.add(class, usize::from(*p >= threshold)));
    matrix
}

// ANCHOR: newton
fn fitted(c: f64, tumours: &Tumours) -> Result<LogisticModel, Error> {
    LogisticRegression::new(c).fit(tumours.all().inputs(), tumours.all().targets())
}

fn newton() -> formwork_book::Result {
    let (train, test) = tumours()?;
    println!("{:>8} {:>15} {:>11} {:>14}", "C", "norm of weights", "train loss", "test accuracy");
    for c in [0.01, 1.0, 100.0, 10_000.0] {
        let model = fitted(c, &train)?;
        let weights = &model.log_odds.coef;
        let norm = weights.iter().map(|w| w * w).sum::<f64>().sqrt();
        let penalty = norm * norm / 2.0;
        let objective = LogisticRegression::new(c).objective(&model, train.all().inputs(), train.all().targets())?;
        let loss = (objective - penalty) / (c * train.len() as f64);
        let accuracy = matrix(&model.probabilities(test.all().inputs())?, test.all().targets(), 0.5).accuracy();
        println!("{c:8} {norm:15.2} {loss:11.4} {accuracy:14.3}");
    }
    Ok(())
}
// ANCHOR_END: newton

// ANCHOR: network
/// The logarithm of the odds that a tumour is malignant: `[B, 30]` becomes `[B, 1]`.
#[network([30] => [1])]
type LogOdds = Linear<30, 1>;

type Odds = Dataset<Rank1<30>, Values<Rank1<1>>, f64>;

/// The classes as numbers, which is what the loss of one logit compares with.
fn as_numbers(tumours: &Tumours) -> Result<Odds, Error> {
    let all = tumours.all();
    Odds::new(all.inputs().to_vec(), all.targets().iter().map(|&class| class as f64).collect())
}

/// A model learned by gradient descent, and how far its probabilities are from those of another after some of the steps.
fn descend(train: &Tumours, exact: &LogisticModel) -> Result<Model<LogOdds, f64>, Error> {
    let (train, expected) = (as_numbers(train)?.all(), exact.probabilities(train.all().inputs())?);
    // C = 1: the mean loss of n samples, with the penalty divided by n too.
    let penalty = Penalty::l2(1.0 / (2.0 * train.len() as f64)).only::<LogOdds>(|param| param.name.ends_with("weight"));
    let mut optimizer = Sgd::new(0.3).momentum(0.95).nesterov().adjusted(penalty);
    let mut model = Model::<LogOdds, f64>::on(&formwork::device()?, 0);
    for step in 1..=500 {
        model.train(&train, &BceWithLogits, &mut optimizer)?;
        if [10, 50, 100, 500].contains(&step) {
            let off = model.predict(&train)?.iter().zip(&expected).fold(0.0, |max, (z, p)| f64::max(max, (sigmoid(*z) - p).abs()));
            println!("{step:3} steps: a probability is off by up to {off:.4}");
        }
    }
    Ok(model)
}

fn network() -> formwork_book::Result {
    let (train, test) = tumours()?;
    let model = descend(&train, &fitted(1.0, &train)?)?;
    let measured = model.measure(&as_numbers(&test)?, metrics::accuracy())?;
    println!("test accuracy: {:.3}", measured.matrix().accuracy());
    Ok(())
}
// ANCHOR_END: network

// ANCHOR: digits
/// A score for each of ten digits: `[B, 1, 8, 8]` becomes `[B, 64]`, then `[B, 10]`.
#[network([1, 8, 8] => [10])]
type Reader = (Flatten, Linear<64, 10>);

fn digits() -> formwork_book::Result {
    let (train, test) = data::digits::load()?.split_stratified(0.2, 0);
    let mut model = Model::<Reader>::new(0);
    let history = Trainer::new(CrossEntropy::default(), Adam::new(0.01))
        .epochs(20)
        .validation(&test)
        .metric(metrics::accuracy())
        .metric(metrics::f1())
        .progress(Progress::Silent)
        .fit(&mut model, &train)?;
    for epoch in [1, 5, 20] {
        let at = |column: &str| history.column(column)[epoch - 1];
        println!(
            "epoch {epoch:2}: loss {:.3}, test loss {:.3}, accuracy {:.3}, F1 {:.3}",
            at("loss"),
            at("val_loss"),
            at("val_accuracy"),
            at("val_f1")
        );
    }
    let measured = model.measure(&test, metrics::accuracy())?;
    let matrix = measured.matrix();
    println!("\n{matrix}");
    println!("digit 8: precision {:.3}, recall {:.3}, F1 {:.3}", matrix.precision(8), matrix.recall(8), matrix.f1(8));
    draw_confusion(matrix)?;
    Ok(())
}

fn draw_confusion(matrix: &ConfusionMatrix) -> formwork_book::Result {
    let Some(file) = picture("classification-confusion.svg") else { return Ok(()) };
    let classes = matrix.classes();
    let names: Vec<String> = (0..classes).map(|class| class.to_string()).collect();
    let cells = (0..classes).flat_map(|is| (0..classes).map(move |read| (is, read)));
    let pairs = cells.flat_map(|(is, read)| std::iter::repeat_n((is, read), matrix.count(is, read) as usize));
    Ok(HeatMap::confusion(pairs, &names)?.save(file)?)
}
// ANCHOR_END: digits

// ANCHOR: thresholds
fn thresholds() -> formwork_book::Result {
    let (train, test) = tumours()?;
    let model = fitted(1.0, &train)?;
    let all = test.all();
    let (probabilities, classes) = (model.probabilities(all.inputs())?, all.targets());
    println!("{}", matrix(&probabilities, classes, 0.5));
    println!("{:>9} {:>9} {:>9} {:>9} {:>9}", "threshold", "precision", "recall", "F1", "accuracy");
    for threshold in [0.02, 0.1, 0.3, 0.5, 0.7, 0.9] {
        let matrix = matrix(&probabilities, classes, threshold);
        println!("{threshold:9} {:9.3} {:9.3} {:9.3} {:9.3}", matrix.precision(1), matrix.recall(1), matrix.f1(1), matrix.accuracy());
    }
    if let Some(file) = picture("classification-threshold.svg") {
        let errors = |is: usize, read: usize| {
            let at = |threshold: f64| (threshold, matrix(&probabilities, classes, threshold).count(is, read) as f64);
            (1..200).map(|i| at(f64::from(i) / 200.0)).collect::<Vec<_>>()
        };
        let curves = Curves::new("threshold of the probability", "mistakes among the test tumours");
        let curves = curves.curve("benign, read as malignant", errors(0, 1)).curve("malignant, read as benign", errors(1, 0));
        curves.save(file)?;
    }
    Ok(())
}
// ANCHOR_END: thresholds

// ANCHOR: exercise-1
fn exercise_1() -> formwork_book::Result {
    let (_, test) = tumours()?;
    let never = matrix(&vec![0.0; test.len()], test.all().targets(), 0.5);
    println!("accuracy {:.3}, recall {:.3}, F1 {:.3}", never.accuracy(), never.recall(1), never.f1(1));
    Ok(())
}
// ANCHOR_END: exercise-1

// ANCHOR: exercise-2
#[network([30] => [2])]
type TwoScores = (Linear<30, 2>, Softmax);

fn exercise_2() -> formwork_book::Result {
    let (train, test) = tumours()?;
    let two = Model::<TwoScores, f64>::on(&formwork::device()?, 0);
    let parameters = two.parameters(); // weights [2, 30], then biases [2]
    let (weights, biases) = parameters.split_at(60);
    let mut odds: Vec<f64> = weights[30..].iter().zip(&weights[..30]).map(|(w_1, w_0)| w_1 - w_0).collect();
    odds.push(biases[1] - biases[0]);
    let mut one = Model::<LogOdds, f64>::on(&formwork::device()?, 0);
    one.set_parameters(&odds)?;
    let by_two = two.predict(&test.all())?;
    let by_one = one.predict(&test.all())?;
    let off = by_two.chunks_exact(2).zip(by_one).fold(0.0, |max, (p, z)| f64::max(max, (p[1] - sigmoid(z)).abs()));
    println!("{} and {} parameters, {} tumours: largest difference {off:.3}", TwoScores::SCALARS, LogOdds::SCALARS, train.len() + test.len());
    Ok(())
}
// ANCHOR_END: exercise-2

// ANCHOR: exercise-3
fn exercise_3() -> formwork_book::Result {
    let (train, test) = tumours()?;
    let model = fitted(1.0, &train)?;
    let probabilities = |tumours: &Tumours| model.probabilities(tumours.all().inputs());
    let told = probabilities(&train)?;
    let finds_most = |threshold: &f64| matrix(&told, train.all().targets(), *threshold).recall(1) >= 0.99;
    let threshold = (1..100).rev().map(|i| f64::from(i) / 100.0).find(finds_most).ok_or("no threshold finds 99 of 100")?;
    let matrix = matrix(&probabilities(&test)?, test.all().targets(), threshold);
    println!("threshold {threshold:.2}: test recall {:.3}, precision {:.3}", matrix.recall(1), matrix.precision(1));
    Ok(())
}
// ANCHOR_END: exercise-3

// ANCHOR: exercise-4
#[network([10] => [10])]
type Scores = LogSoftmax;

fn exercise_4() -> formwork_book::Result {
    let model = Model::<Scores, f64>::on(&formwork::device()?, 0);
    let loss = CrossEntropy::default().label_smoothing(0.1);
    let target: Vec<f64> = (0..10).map(|class| if class == 0 { 0.91 } else { 0.01 }).collect();
    println!("entropy of the smoothed target: {:.4}", entropy_of(&target));
    for lead in [2.0, (0.91f64 / 0.01).ln(), 20.0] {
        let scores = (0..10).map(|class| if class == 0 { lead } else { 0.0 }).collect();
        let data = Dataset::<Rank1<10>, Class<10>, f64>::new(scores, vec![0])?;
        println!("lead of {lead:5.2}: loss {:.4}", model.evaluate(&data, &loss)?);
    }
    Ok(())
}
// ANCHOR_END: exercise-4
