//! Expect a test accuracy of about 0.99, and no file but the program itself.
//!
//! A program that has its trained network in it: it reads handwritten digits one by one, in several threads, each with a
//! predictor of its own. The weights in `data/reader.safetensors` were made with `--train data/reader.safetensors`.
//!
//! ```text
//! cargo run --release --example embedded
//! cargo run --release --example embedded -- --help
//! ```

use formwork::Predictor;
use formwork::data::digits::{self, Digits};
use formwork::prelude::*;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

/// Reads a digit. Small, so that the program stays so too: 9802 parameters, in four bytes each.
#[network([1, 8, 8] => [10])]
#[rustfmt::skip]
pub type Reader = (
    Conv2d<1, 8, 3, 1, 1>, Relu,                 // [8, 8, 8]
    Conv2d<8, 16, 3, 1, 1>, Relu, MaxPool2d<2>,  // [16, 4, 4]
    Flatten, Dropout<25>,                        // [256]
    Linear<256, 32>, Relu,                       // [32]
    Linear<32, 10>,                              // [10]
);

/// The trained parameters, which the compiler puts into the program.
static WEIGHTS: &[u8] = include_bytes!("../data/reader.safetensors");

const CLASSES: usize = 10;
const THREADS: usize = 2;

/// The split of the example `digits`: the network has not seen these 360 images.
const TEST_SHARE: f64 = 360.0 / 1797.0;
const SPLIT_SEED: u64 = 0;

fn run() -> Result<(), Box<dyn std::error::Error>> {
    let Some(options) = options()? else {
        println!("{HELP}");
        return Ok(());
    };
    let (train, test) = digits::load()?.split_stratified(TEST_SHARE, SPLIT_SEED);
    if let Some(file) = &options.train {
        return Ok(learn(&train, file)?);
    }
    let predictor = Model::<Reader>::from_bytes(WEIGHTS)?.predictor();
    println!("{} parameters, {} bytes of this program", Reader::SCALARS, WEIGHTS.len());
    let right: usize = std::thread::scope(|scope| {
        let (test, predictor) = (&test, &predictor);
        // Clones share the parameters; all that a thread has for itself is the memory that it computes in.
        let threads: Vec<_> = (0..THREADS).map(|thread| scope.spawn(move || read(predictor.clone(), test, thread))).collect();
        threads.into_iter().map(|thread| thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))).sum::<Result<usize, Error>>()
    })?;
    println!("test accuracy: {:.4}", right as f64 / test.len() as f64);
    Ok(())
}

/// Reads every second image, and counts those that are read right. Nothing is allocated here.
fn read(mut predictor: Predictor<Reader>, digits: &Digits, first: usize) -> Result<usize, Error> {
    let (mut right, mut scores) = (0, [0.0; CLASSES]);
    for i in (first..digits.len()).step_by(THREADS) {
        predictor.run(digits.input(i), &mut scores)?;
        let highest = (0..CLASSES).max_by(|&a, &b| scores[a].total_cmp(&scores[b]));
        right += usize::from(highest == Some(digits.target(i)[0]));
    }
    Ok(right)
}

/// How the weights were made.
fn learn(train: &Digits, file: &Path) -> Result<(), Error> {
    const EPOCHS: u64 = 40;
    let mut model = Model::<Reader>::new(0);
    let mut optimizer = Adam::new(2e-3);
    for epoch in 0..EPOCHS {
        for batch in train.shuffled(32, epoch) {
            model.train(&batch, &CrossEntropy::default(), &mut optimizer)?;
        }
        println!("epoch {}: training loss {:.4}", epoch + 1, model.evaluate(train, &CrossEntropy::default())?);
    }
    model.save(file)
}

struct Options {
    train: Option<PathBuf>,
}

const HELP: &str = "\
Reads handwritten digits with a network that is part of the program.

Usage: embedded [OPTIONS]

  --train FILE  train the network instead, and save it
  --help        print this";

/// The options of the command line; none if it asks for help.
fn options() -> Result<Option<Options>, lexopt::Error> {
    use lexopt::prelude::*;
    let mut options = Options { train: None };
    let mut arguments = lexopt::Parser::from_env();
    while let Some(argument) = arguments.next()? {
        match argument {
            Long("train") => options.train = Some(PathBuf::from(arguments.value()?)),
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
