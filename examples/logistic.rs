//! Expect a test accuracy of about 0.97: 0.97 to 1.00 for splits 0 to 4.
//!
//! Tells malignant tumours from benign ones by logistic regression: by Newton's method, and as a network of one layer that
//! comes to the same by gradient descent.
//!
//! ```text
//! cargo run --release --example logistic
//! cargo run --release --example logistic -- --help
//! ```

use formwork::data::{self, Source, StandardScaler};
use formwork::learn::Penalty;
use formwork::prelude::*;
use formwork::regression::{LogisticModel, LogisticRegression};
use std::process::ExitCode;

/// The logarithm of the odds that a tumour with these 30 measures is benign.
#[network([30] => [1])]
pub type LogOdds = Linear<30, 1>;

type Tumours = Dataset<Rank1<30>, Class<2>, f64>;

/// The weight of the data against the penalty.
const C: f64 = 1.0;
const TEST_SHARE: f64 = 0.25;

fn run() -> Result<(), Box<dyn std::error::Error>> {
    let Some(options) = options()? else {
        println!("{HELP}");
        return Ok(());
    };
    let table = data::breast_cancer()?;
    let (train, test) = scaled(table.dataset()?.split_stratified(TEST_SHARE, options.seed))?;
    let (samples, classes) = (train.all(), test.all());

    let model = LogisticRegression::new(C).fit(samples.inputs(), samples.targets())?;
    let network = descend(&train, if options.quick { 100 } else { 2000 })?;
    let off = off_by(&model, &network, &test)?;
    println!("largest difference of a probability between Newton's method and descent: {off:.1e}\n");

    let read = model.classes(classes.inputs())?;
    let names = table.class_names();
    println!("{:20} {:>9} {:>9}", "read as", names[0], names[1]);
    for (class, name) in names.iter().enumerate() {
        let count = |as_class: usize| read.iter().zip(classes.targets()).filter(|(read, is)| (**read, **is) == (as_class, class)).count();
        println!("{name:>20} {:9} {:9}", count(0), count(1));
    }
    let right = read.iter().zip(classes.targets()).filter(|(read, is)| read == is).count();
    println!("\ntest accuracy: {:.4}", right as f64 / test.len() as f64);
    Ok(())
}

/// The parts of a split with measures of mean 0 and deviation 1, as they are in the first.
fn scaled((train, test): (Tumours, Tumours)) -> Result<(Tumours, Tumours), Error> {
    let scaler = StandardScaler::of(&train)?;
    Ok((train.scaled(&scaler).in_memory()?, test.scaled(&scaler).in_memory()?))
}

/// Learns the same as a network: the mean loss of all samples, with the penalty divided as the mean is.
fn descend(train: &Tumours, steps: u64) -> Result<Model<LogOdds, f64>, Error> {
    let batch = train.all();
    let targets = batch.targets().iter().map(|&class| class as f64).collect();
    let data = Dataset::<Rank1<30>, Values<Rank1<1>>, f64>::new(batch.inputs().to_vec(), targets)?.all();
    let penalty = Penalty::l2(1.0 / (2.0 * C * train.len() as f64)).only::<LogOdds>(|param| param.name.ends_with("weight"));
    let mut optimizer = Sgd::new(0.3).momentum(0.95).nesterov().adjusted(penalty);
    let mut model = Model::on(&formwork::device()?, 0);
    for _ in 0..steps {
        model.train(&data, &BceWithLogits, &mut optimizer)?;
    }
    Ok(model)
}

/// By how much two models differ at most in a probability.
fn off_by(model: &LogisticModel, network: &Model<LogOdds, f64>, tumours: &Tumours) -> Result<f64, Error> {
    let sigmoid = |z: f64| 1.0 / (1.0 + (-z).exp());
    let by_newton = model.probabilities(tumours.all().inputs())?;
    let by_descent = network.predict(&tumours.all())?;
    Ok(by_newton.iter().zip(by_descent).fold(0.0, |max: f64, (p, z)| max.max((p - sigmoid(z)).abs())))
}

struct Options {
    seed: u64,
    quick: bool,
}

const HELP: &str = "\
Tells malignant tumours from benign ones by logistic regression.

Usage: logistic [OPTIONS]

  --seed N  seed of the split into tumours to learn from and to test with [0]
  --quick   with fewer steps of descent
  --help    print this";

/// The options of the command line; none if it asks for help.
fn options() -> Result<Option<Options>, lexopt::Error> {
    use lexopt::prelude::*;
    let mut options = Options { seed: 0, quick: false };
    let mut arguments = lexopt::Parser::from_env();
    while let Some(argument) = arguments.next()? {
        match argument {
            Long("seed") => options.seed = arguments.value()?.parse()?,
            Long("quick") => options.quick = true,
            Long("help") | Short('h') => return Ok(None),
            _ => return Err(argument.unexpected()),
        }
    }
    Ok(Some(options))
}

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}
