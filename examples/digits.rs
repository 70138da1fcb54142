//! Expect a test accuracy of about 0.992: 0.989 to 0.997 for seeds 0 to 4.
//!
//! Learns to read handwritten digits: a network as a type, a training loop, and a look at what was learned.
//!
//! ```text
//! cargo run --release --example digits
//! cargo run --release --example digits -- --help
//! mpirun -n 4 cargo run --release --features mpi --example digits
//! ```

use formwork::data::digits::{self, Digits};
#[cfg(not(feature = "mpi"))]
use formwork::group::Alone;
use formwork::group::Group;
#[cfg(feature = "mpi")]
use formwork::group::Mpi;
use formwork::metrics;
use formwork::plot::{Curves, HeatMap};
use formwork::prelude::*;
use formwork::trainer::{Checkpoints, History, Trainer};
use std::path::{Path, PathBuf};

/// Reads a digit: from an image with one channel of 8 x 8 pixels to a score for each of the ten classes.
///
/// The comments say what shape a sample has behind a line. They may be wrong; the sizes in the types may not, the compiler
/// proves them. Try `Linear<500, 64>`.
#[network([1, 8, 8] => [10])]
#[rustfmt::skip]
pub type Reader = (
    Conv2d<1, 16, 3, 1, 1>, Relu,                 // [16, 8, 8]: kernels of 3 x 3, stride 1, padding 1
    Conv2d<16, 32, 3, 1, 1>, Relu, MaxPool2d<2>,  // [32, 4, 4]
    Flatten, Dropout<50>,                         // [512]: half of them dropped in training, so that none is relied on
    Linear<512, 64>, Relu,                        // [64]
    Linear<64, 10>,                               // [10]
);

const CLASSES: usize = 10;
const BATCH: usize = 32;
const LEARNING_RATE: f64 = 1e-3;

/// One seed for the split, whatever the seed of the model: every run is tested on the same 360 images.
const TEST_SHARE: f64 = 360.0 / 1797.0;
const SPLIT_SEED: u64 = 0;

fn run(group: &dyn Group) -> Result<(), Box<dyn std::error::Error>> {
    let Some(options) = options()? else {
        println!("{HELP}");
        return Ok(());
    };
    let (train, test) = digits::load()?.split_stratified(TEST_SHARE, SPLIT_SEED);

    let mut model = Model::<Reader>::on(&formwork::device()?, options.seed);
    if let Some(file) = &options.load {
        model.load(file)?;
    }
    let history = learn(&mut model, &train, &test, &options, group)?;
    if group.rank() > 0 {
        return Ok(()); // all ranks have the same model, and one of them shows it
    }
    if let Some(file) = &options.save {
        model.save(file)?;
    }
    #[cfg(feature = "onnx")]
    if let Some(file) = &options.onnx {
        model.export_onnx(file)?;
    }

    println!("{}\n", Reader::summary());
    let measured = model.measure(&test, metrics::accuracy())?;
    println!("{}", measured.matrix());
    let read = read(&model, &test)?;
    print_digits(&test, &read);
    if let Some(folder) = &options.draw {
        let pairs = read.iter().enumerate().map(|(i, &read)| (class(&test, i), read));
        draw(&history, pairs, folder)?;
    }
    println!("test accuracy: {:.4}", measured.matrix().accuracy());
    Ok(())
}

/// Shows the network all training images, in another order each epoch, and moves its parameters a little after each batch.
fn learn(model: &mut Model<Reader>, train: &Digits, test: &Digits, options: &Options, group: &dyn Group) -> Result<History, Error> {
    // The test images are only to look at: nothing is chosen by them.
    let mut trainer = Trainer::new(CrossEntropy::default(), Adam::new(LEARNING_RATE)).validation(test).metric(metrics::accuracy());
    trainer = trainer.epochs(options.epochs).batch_size(BATCH).seed(options.seed).stop_on_ctrl_c();
    if let Some(folder) = &options.checkpoints {
        trainer = trainer.checkpoints(Checkpoints::new(folder).keep(3).resume());
    }
    // ANCHOR: group
    trainer = trainer.group(group);
    // ANCHOR_END: group
    trainer.fit(model, train)
}

/// What the network reads in each image: the class with the highest score.
fn read(model: &Model<Reader>, digits: &Digits) -> Result<Vec<usize>, Error> {
    let scores = model.predict(&digits.all())?; // [B * 10]
    let highest = |scores: &[f32]| (0..CLASSES).max_by(|&a, &b| scores[a].total_cmp(&scores[b])).unwrap_or(0);
    Ok(scores.chunks_exact(CLASSES).map(highest).collect())
}

fn class(digits: &Digits, i: usize) -> usize {
    digits.target(i)[0]
}

/// Draws four of the images, side by side: up to two that were misread, then others.
fn print_digits(digits: &Digits, read: &[usize]) {
    let (wrong, right): (Vec<usize>, Vec<usize>) = (0..digits.len()).partition(|&i| read[i] != class(digits, i));
    // Every fiftieth, so that they come from all over the data.
    let shown: Vec<usize> = wrong.into_iter().take(2).chain(right.into_iter().step_by(50)).take(4).collect();
    for row in 0..8 {
        let line: Vec<String> = shown.iter().map(|&i| digits.input(i)[row * 8..][..8].iter().map(|&pixel| shade(pixel)).collect()).collect();
        println!("{}", line.join("   ").trim_end());
    }
    let labels: Vec<String> = shown.iter().map(|&i| format!("{:16}", format!("a {}, read as {}", class(digits, i), read[i]))).collect();
    println!("{}\n", labels.join("   ").trim_end());
}

/// A pixel from 0 to 1, twice, because a letter is about twice as high as wide.
fn shade(pixel: f32) -> &'static str {
    ["  ", "░░", "▒▒", "▓▓", "██"][(pixel * 4.0).round() as usize]
}

/// Draws what was taken for which, how the network learned, if it did, and the network itself.
fn draw(history: &History, pairs: impl Iterator<Item = (usize, usize)>, folder: &Path) -> Result<(), Box<dyn std::error::Error>> {
    HeatMap::confusion(pairs, &["0", "1", "2", "3", "4", "5", "6", "7", "8", "9"])?.save(folder.join("confusion.svg"))?;
    if !history.rows().is_empty() {
        let losses = |column: &str| history.column("epoch").into_iter().zip(history.column(column)).collect::<Vec<_>>();
        let curves = Curves::new("epoch", "loss").curve("training", losses("loss")).curve("validation", losses("val_loss"));
        curves.save(folder.join("losses.svg"))?;
    }
    std::fs::write(folder.join("network.svg"), Reader::diagram().svg())?;
    std::fs::write(folder.join("reader.mmd"), Reader::diagram().mermaid())?;
    Ok(())
}

#[derive(Default)]
struct Options {
    seed: u64,
    epochs: u64,
    save: Option<PathBuf>,
    load: Option<PathBuf>,
    draw: Option<PathBuf>,
    #[cfg(feature = "onnx")]
    onnx: Option<PathBuf>,
    checkpoints: Option<PathBuf>,
}

const HELP: &str = "\
Learns to read handwritten digits, and shows how well it does.

Usage: digits [OPTIONS]

  --seed N     seed of the parameters and of the training [0]
  --epochs N   how often to go through the training images [30; 0 with --load]
  --save FILE  save the parameters as a safetensors file
  --load FILE  begin with the parameters of a file; trains further only if --epochs is given
  --onnx FILE  save the network as an ONNX file; only with the feature onnx
  --draw FOLDER
               draw the losses, the confusion matrix and the network
  --checkpoints FOLDER
               save the state of the training after each epoch, and go on from there another time
  --help       print this";

/// The options of the command line; none if it asks for help.
fn options() -> Result<Option<Options>, lexopt::Error> {
    use lexopt::prelude::*;
    let (mut options, mut epochs) = (Options::default(), None);
    let mut arguments = lexopt::Parser::from_env();
    while let Some(argument) = arguments.next()? {
        match argument {
            Long("seed") => options.seed = arguments.value()?.parse()?,
            Long("epochs") => epochs = Some(arguments.value()?.parse()?),
            Long("save") => options.save = Some(PathBuf::from(arguments.value()?)),
            Long("load") => options.load = Some(PathBuf::from(arguments.value()?)),
            Long("draw") => options.draw = Some(PathBuf::from(arguments.value()?)),
            #[cfg(feature = "onnx")]
            Long("onnx") => options.onnx = Some(PathBuf::from(arguments.value()?)),
            Long("checkpoints") => options.checkpoints = Some(PathBuf::from(arguments.value()?)),
            Long("help") | Short('h') => return Ok(None),
            _ => return Err(argument.unexpected()),
        }
    }
    options.epochs = epochs.unwrap_or(if options.load.is_some() { 0 } else { 30 });
    Ok(Some(options))
}

// ANCHOR: main
fn main() {
    #[cfg(feature = "mpi")]
    let group = Mpi::begin(); // all processes that mpirun has started
    #[cfg(not(feature = "mpi"))]
    let group = Alone;
    if let Err(error) = run(&group) {
        group.abort(&error);
    }
}
// ANCHOR_END: main
