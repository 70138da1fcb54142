//! Expect a test accuracy of about 0.985: 0.980 to 0.992 for seeds 0 to 2.
//!
//! Learns to read the digits of MNIST with a small convolutional network: from 9,000 of the 10,000 images that MNIST calls
//! its test set, tested on the other 1,000.
//!
//! ```text
//! cargo run --release --example cnn_mnist -- --data FOLDER
//! cargo run --release --example cnn_mnist -- --help
//! ```

use formwork::data::idx::{self, Images, MappedImages};
use formwork::data::{GaussianNoise, Shift, Source};
use formwork::metrics;
use formwork::prelude::*;
use formwork::trainer::Trainer;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

/// Reads a digit: from an image with one channel of 28 x 28 pixels to a score for each of the ten classes.
#[network([1, 28, 28] => [10])]
#[rustfmt::skip]
pub type Reader = (
    Conv2d<1, 16, 3, 1, 1>, Relu, MaxPool2d<2>,   // [16, 14, 14]
    Conv2d<16, 32, 3, 1, 1>, Relu, MaxPool2d<2>,  // [32, 7, 7]
    Flatten, Dropout<50>,                         // [1568]
    Linear<1568, 64>, Relu,                       // [64]
    Linear<64, 10>,                               // [10]
);

/// Digits in memory or on the disk.
type Digits<'a> = &'a dyn Source<f32, Input = Rank3<1, 28, 28>, Target = Class<CLASSES>>;

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
    let folder = match &options.data {
        None if options.quick => stand_in()?,
        data => data.clone().unwrap_or_else(|| PathBuf::from("mnist")),
    };
    let (images, labels) = (find(&folder, IMAGES)?, find(&folder, LABELS)?);
    println!("{}\n", Reader::summary());
    // Either way every sample is the same; what differs is whether all of them have to fit into memory.
    if options.mapped {
        let digits: MappedImages<28, 28, CLASSES> = idx::map(images, labels)?;
        let (train, test) = digits.split_by_class(TEST_SHARE, SPLIT_SEED)?;
        learn(&train, &test, &options)
    } else {
        let digits: Images<28, 28, CLASSES> = idx::load(images, labels)?;
        let (train, test) = digits.split_stratified(TEST_SHARE, SPLIT_SEED);
        learn(&train, &test, &options)
    }
}

/// Trains the network, and says how well it reads digits that it has not seen.
fn learn(train: Digits<'_>, test: Digits<'_>, options: &Options) -> Result<(), Box<dyn std::error::Error>> {
    let mut model = Model::<Reader>::on(&formwork::device()?, options.seed);
    let epochs = options.epochs.unwrap_or(if options.quick { 2 } else { 8 });
    let mut trainer = Trainer::new(CrossEntropy::default(), Adam::new(LEARNING_RATE)).epochs(epochs).batch_size(BATCH).seed(options.seed);
    if let Some(folder) = &options.log {
        std::fs::create_dir_all(folder)?;
        trainer = trainer.csv(folder.join("history.csv"));
        #[cfg(feature = "tensorboard")]
        {
            trainer = trainer.tensorboard(folder);
        }
    }
    // Each epoch sees the same digits, or each of them a little moved.
    let augmented = train.augmented((Shift::up_to(2), GaussianNoise::new(0.05)));
    let source: Digits<'_> = if options.augment { &augmented } else { train };
    let history = trainer.fit(&mut model, source)?;
    println!("waited for data: {:.2} % of the time", 100.0 * history.waiting());
    println!("test accuracy: {:.4}", model.measure(test, metrics::accuracy())?.matrix().accuracy());
    Ok(())
}

const IMAGES: &str = "t10k-images-idx3-ubyte";
const LABELS: &str = "t10k-labels-idx1-ubyte";

/// The digits that come with formwork, enlarged, in files like MNIST's: a quick run needs no others.
fn stand_in() -> Result<PathBuf, Box<dyn std::error::Error>> {
    let (folder, digits) = (std::env::temp_dir().join("formwork-stand-in-for-mnist"), formwork::data::digits::load::<f32>()?);
    let header = |kind: u8, sizes: Vec<usize>| [0, 0, 8, kind].into_iter().chain(sizes.into_iter().flat_map(|size| (size as u32).to_be_bytes()));
    let image = |i: usize| (0..28 * 28).map(move |place| (i, place / 28 * 8 / 28 * 8 + place % 28 * 8 / 28));
    let pixels = (0..digits.len()).flat_map(image).map(|(i, pixel)| (255.0 * digits.input(i)[pixel]) as u8);
    let classes = (0..digits.len()).map(|i| digits.target(i)[0] as u8);
    std::fs::create_dir_all(&folder)?;
    std::fs::write(folder.join(IMAGES), header(3, vec![digits.len(), 28, 28]).chain(pixels).collect::<Vec<u8>>())?;
    std::fs::write(folder.join(LABELS), header(1, vec![digits.len()]).chain(classes).collect::<Vec<u8>>())?;
    Ok(folder)
}

/// A file of MNIST's test set, unpacked or gzipped as it comes.
fn find(folder: &Path, name: &str) -> Result<PathBuf, String> {
    let paths = [folder.join(name), folder.join(format!("{name}.gz"))];
    let found = paths.into_iter().find(|path| path.exists());
    found.ok_or(format!("{}: expected {name} or {name}.gz there, given neither\n{WHERE}", folder.display()))
}

#[derive(Default)]
struct Options {
    data: Option<PathBuf>,
    seed: u64,
    epochs: Option<u64>,
    augment: bool,
    mapped: bool,
    quick: bool,
    log: Option<PathBuf>,
}

const WHERE: &str = "\
MNIST is not part of formwork. Put the two files of its test set, gzipped or not, into a folder, and name it with --data.";

const HELP: &str = "\
Learns to read the digits of MNIST, and shows how well it does.

Usage: cnn_mnist [OPTIONS]

  --data FOLDER  where t10k-images-idx3-ubyte and t10k-labels-idx1-ubyte are, gzipped or not [mnist]
  --seed N       seed of the parameters and of the training [0]
  --epochs N     how often to go through the training images [8]
  --augment      learn from digits that are moved by up to two pixels and have some noise on them
  --mapped       read the images from the disk while it learns, as if they did not fit into memory; their file is not to be gzipped
  --log FOLDER   write the history there as a table, and with the feature tensorboard for TensorBoard
  --quick        twice is enough; without --data, for the digits that come with formwork
  --help         print this";

/// The options of the command line; none if it asks for help.
fn options() -> Result<Option<Options>, lexopt::Error> {
    use lexopt::prelude::*;
    let mut options = Options::default();
    let mut arguments = lexopt::Parser::from_env();
    while let Some(argument) = arguments.next()? {
        match argument {
            Long("data") => options.data = Some(PathBuf::from(arguments.value()?)),
            Long("seed") => options.seed = arguments.value()?.parse()?,
            Long("epochs") => options.epochs = Some(arguments.value()?.parse()?),
            Long("augment") => options.augment = true,
            Long("mapped") => options.mapped = true,
            Long("log") => options.log = Some(PathBuf::from(arguments.value()?)),
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
