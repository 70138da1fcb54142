//! Expect a test accuracy of about 0.992: 0.989 to 0.997 for seeds 0 to 4.
//!
//! Learns to read handwritten digits: a network as a type, a training loop, and a look at what was learned.
//!
//! ```text
//! cargo run --release --example digits
//! cargo run --release --example digits -- --help
//! ```

use formwork::data::digits::{self, Digits};
use formwork::prelude::*;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use std::io::IsTerminal;
use std::path::PathBuf;
use std::process::ExitCode;

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

fn run() -> Result<(), Box<dyn std::error::Error>> {
    let Some(options) = options()? else {
        println!("{HELP}");
        return Ok(());
    };
    let (train, test) = digits::load()?.split_stratified(TEST_SHARE, SPLIT_SEED);

    let mut model = Model::<Reader>::new(options.seed);
    if let Some(file) = &options.load {
        model.load(file)?;
    }
    learn(&mut model, &train, &test, &options)?;
    if let Some(file) = &options.save {
        model.save(file)?;
    }

    let read = read(&model, &test)?;
    println!("\n{}\n", Reader::summary());
    print_confusion(&test, &read);
    print_digits(&test, &read);
    println!("test accuracy: {:.4}", accuracy(&test, &read));
    Ok(())
}

/// Shows the network all training images, in another order each epoch, and moves its parameters a little after each batch.
fn learn(model: &mut Model<Reader>, train: &Digits, test: &Digits, options: &Options) -> Result<(), Error> {
    let bar = progress_bar(options.epochs);
    let mut optimizer = Adam::new(LEARNING_RATE);
    for epoch in 0..options.epochs {
        let mut loss = 0.0;
        for batch in train.shuffled(BATCH, options.seed.wrapping_add(epoch)) {
            // The loss of a batch is a mean, and the last batch is smaller than the others.
            loss += model.train(&batch, &CrossEntropy::default(), &mut optimizer)? * batch.len() as f32 / train.len() as f32;
        }
        // Only to look at: nothing is chosen by the accuracy on the test images.
        let message = format!("loss {loss:.4}, test accuracy {:.4}", accuracy(test, &read(model, test)?));
        if bar.is_hidden() {
            println!("epoch {}: {message}", epoch + 1);
        }
        bar.set_message(message);
        bar.inc(1);
    }
    bar.finish();
    Ok(())
}

/// A bar on a terminal; hidden where the output goes to a file or another program, or where there is nothing to wait for.
fn progress_bar(epochs: u64) -> ProgressBar {
    let shown = epochs > 0 && std::io::stdout().is_terminal();
    let target = if shown { ProgressDrawTarget::stdout() } else { ProgressDrawTarget::hidden() };
    let style = ProgressStyle::with_template("epoch {pos}/{len} {bar:30} {elapsed} {msg}").unwrap_or_else(|_| ProgressStyle::default_bar());
    ProgressBar::with_draw_target(Some(epochs), target).with_style(style)
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

fn accuracy(digits: &Digits, read: &[usize]) -> f64 {
    let right = (0..digits.len()).filter(|&i| read[i] == class(digits, i)).count();
    right as f64 / digits.len() as f64
}

/// How often each digit was read as which: the mistakes stand beside the diagonal.
fn print_confusion(digits: &Digits, read: &[usize]) {
    let mut counts = [[0; CLASSES]; CLASSES];
    for i in 0..digits.len() {
        counts[class(digits, i)][read[i]] += 1;
    }
    let cells = |row: &[usize]| row.iter().map(|n| if *n == 0 { "   .".to_owned() } else { format!("{n:4}") }).collect::<String>();
    println!("read as {}", (0..CLASSES).map(|class| format!("{class:4}")).collect::<String>());
    for (class, row) in counts.iter().enumerate() {
        println!("    a {class} {}", cells(row));
    }
    println!();
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

struct Options {
    seed: u64,
    epochs: u64,
    save: Option<PathBuf>,
    load: Option<PathBuf>,
}

const HELP: &str = "\
Learns to read handwritten digits, and shows how well it does.

Usage: digits [OPTIONS]

  --seed N     seed of the parameters and of the training [0]
  --epochs N   how often to go through the training images [30; 0 with --load]
  --save FILE  save the parameters as a safetensors file
  --load FILE  begin with the parameters of a file; trains further only if --epochs is given
  --help       print this";

/// The options of the command line; none if it asks for help.
fn options() -> Result<Option<Options>, lexopt::Error> {
    use lexopt::prelude::*;
    let (mut seed, mut epochs, mut save, mut load) = (0, None, None, None);
    let mut arguments = lexopt::Parser::from_env();
    while let Some(argument) = arguments.next()? {
        match argument {
            Long("seed") => seed = arguments.value()?.parse()?,
            Long("epochs") => epochs = Some(arguments.value()?.parse()?),
            Long("save") => save = Some(PathBuf::from(arguments.value()?)),
            Long("load") => load = Some(PathBuf::from(arguments.value()?)),
            Long("help") | Short('h') => return Ok(None),
            _ => return Err(argument.unexpected()),
        }
    }
    let epochs = epochs.unwrap_or(if load.is_some() { 0 } else { 30 });
    Ok(Some(Options { seed, epochs, save, load }))
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
