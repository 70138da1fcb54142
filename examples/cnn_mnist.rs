//! Expect a test accuracy of about 0.985: 0.980 to 0.992 for seeds 0 to 2.
//!
//! Learns to read the digits of MNIST with a small convolutional network: from 9,000 of the 10,000 images that MNIST calls
//! its test set, tested on the other 1,000.
//!
//! ```text
//! cargo run --release --example cnn_mnist -- --data FOLDER
//! cargo run --release --example cnn_mnist -- --help
//! ```

use formwork::data::idx::{self, Images};
use formwork::prelude::*;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

/// Reads a digit: from an image with one channel of 28 x 28 pixels to a score for each of the ten classes.
#[network([1, 28, 28] => [10])]
#[rustfmt::skip]
type Reader = (
    Conv2d<1, 16, 3, 1, 1>, Relu, MaxPool2d<2>,   // [16, 14, 14]
    Conv2d<16, 32, 3, 1, 1>, Relu, MaxPool2d<2>,  // [32, 7, 7]
    Flatten, Dropout<50>,                         // [1568]
    Linear<1568, 64>, Relu,                       // [64]
    Linear<64, 10>,                               // [10]
);

type Digits = Images<28, 28, CLASSES>;

const CLASSES: usize = 10;
const BATCH: usize = 32;
const LEARNING_RATE: f64 = 1e-3;

/// One seed for the split, whatever the seed of the model: every run is tested on the same 1,000 images.
const TEST_SHARE: f64 = 0.1;
const SPLIT_SEED: u64 = 0;

fn run() -> Result<(), Box<dyn std::error::Error>> {
    let Some(options) = options()? else {
        println!("{HELP}");
        return Ok(());
    };
    let (train, test) = load(&options.data)?.split_stratified(TEST_SHARE, SPLIT_SEED);
    println!("{}\n", Reader::summary());

    let mut model = Model::<Reader>::new(options.seed);
    let mut optimizer = Adam::new(LEARNING_RATE);
    for epoch in 0..options.epochs {
        let mut loss = 0.0;
        for batch in train.shuffled(BATCH, options.seed.wrapping_add(epoch)) {
            // The loss of a batch is a mean, and the last batch is smaller than the others.
            loss += model.train(&batch, &CrossEntropy::default(), &mut optimizer)? * batch.len() as f32 / train.len() as f32;
        }
        println!("epoch {}: loss {loss:.4}", epoch + 1);
    }
    println!("test accuracy: {:.4}", accuracy(&model, &test)?);
    Ok(())
}

/// MNIST's test set, gzipped as it comes or unpacked.
fn load(folder: &Path) -> Result<Digits, Box<dyn std::error::Error>> {
    let find = |name: &str| {
        let paths = [folder.join(name), folder.join(format!("{name}.gz"))];
        paths
            .into_iter()
            .find(|path| path.exists())
            .ok_or(format!("{}: expected {name} or {name}.gz there, given neither\n{WHERE}", folder.display()))
    };
    Ok(idx::load(find("t10k-images-idx3-ubyte")?, find("t10k-labels-idx1-ubyte")?)?)
}

/// The share of the images whose class has the highest score.
fn accuracy(model: &Model<Reader>, digits: &Digits) -> Result<f64, Error> {
    let mut right = 0;
    for batch in digits.batches(250) {
        let scores = model.predict(&batch)?; // [B * 10]
        let highest = |scores: &[f32]| (0..CLASSES).max_by(|&a, &b| scores[a].total_cmp(&scores[b])).unwrap_or(0);
        right += scores.chunks_exact(CLASSES).zip(batch.targets()).filter(|&(scores, &class)| highest(scores) == class).count();
    }
    Ok(right as f64 / digits.len() as f64)
}

struct Options {
    data: PathBuf,
    seed: u64,
    epochs: u64,
}

const WHERE: &str = "\
MNIST is not part of formwork. Put these two files into a folder, and name it with --data:
  https://ossci-datasets.s3.amazonaws.com/mnist/t10k-images-idx3-ubyte.gz
  https://ossci-datasets.s3.amazonaws.com/mnist/t10k-labels-idx1-ubyte.gz";

const HELP: &str = "\
Learns to read the digits of MNIST, and shows how well it does.

Usage: cnn_mnist [OPTIONS]

  --data FOLDER  where t10k-images-idx3-ubyte and t10k-labels-idx1-ubyte are, gzipped or not [mnist]
  --seed N       seed of the parameters and of the training [0]
  --epochs N     how often to go through the training images [8]
  --quick        once is enough
  --help         print this";

/// The options of the command line; none if it asks for help.
fn options() -> Result<Option<Options>, lexopt::Error> {
    use lexopt::prelude::*;
    let mut options = Options { data: PathBuf::from("mnist"), seed: 0, epochs: 8 };
    let mut arguments = lexopt::Parser::from_env();
    while let Some(argument) = arguments.next()? {
        match argument {
            Long("data") => options.data = PathBuf::from(arguments.value()?),
            Long("seed") => options.seed = arguments.value()?.parse()?,
            Long("epochs") => options.epochs = arguments.value()?.parse()?,
            Long("quick") => options.epochs = 1,
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
