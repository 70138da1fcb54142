//! Expect a test accuracy of about 0.986: 0.983 to 0.989 for seeds 0 to 4.
//!
//! Learns to read handwritten digits without a convolution over them: a transformer reads an image as a sequence of patches,
//! which look at one another. Shows which patches of some images are looked at most.
//!
//! ```text
//! cargo run --release --example vit
//! cargo run --release --example vit -- --help
//! ```

use formwork::data::digits::{self, Digits};
use formwork::metrics;
use formwork::prelude::*;
use formwork::pytorch::Import;
use formwork::trainer::Trainer;
use std::path::PathBuf;
use std::process::ExitCode;

/// Reads a digit: the image becomes 16 patches of 2 x 2 pixels, each a vector of 48 numbers.
#[network([1, 8, 8] => [10])]
#[rustfmt::skip]
pub type Reader = (
    PatchEmbedding<1, 2, 48>,                     // [16, 48]
    LearnedPositions<16, 48>, Dropout<10>,        // [16, 48]: attention itself does not know where a patch is
    Repeat<Encoder, 2>,                           // [16, 48]
    LayerNorm<48>, MeanOverTime,                  // [48]
    Linear<48, 10>,                               // [10]
);

/// Attention in 4 heads and two linear layers with 96 features between them, each behind a norm.
type Encoder = TransformerEncoderLayer<48, 4, 96, PreNorm, Gelu, Full, Dropout<10>>;

/// Pixels and patches on a side of an image.
const SIDE: usize = 8;
const PATCHES: usize = 4;

const CLASSES: usize = 10;
const BATCH: usize = 32;
const LEARNING_RATE: f64 = 2e-3;
const WEIGHT_DECAY: f64 = 0.05;

/// The split of the example `digits`: every run is tested on the same 360 images.
const TEST_SHARE: f64 = 360.0 / 1797.0;
const SPLIT_SEED: u64 = 0;

fn run() -> Result<(), Box<dyn std::error::Error>> {
    let Some(options) = options()? else {
        println!("{HELP}");
        return Ok(());
    };
    let (train, test) = digits::load()?.split_stratified(TEST_SHARE, SPLIT_SEED);
    let mut model = Model::<Reader>::with_scheme(&formwork::device()?, options.seed, Scheme::Uniform);
    match &options.load {
        Some(file) => println!("{}", model.load_with(file, &names())?),
        None => learn(&mut model, &train, &test, &options)?,
    }
    if let Some(file) = &options.save {
        model.save_with(file, &names())?;
    }

    let read = read(&model, &test)?;
    println!("\n{}\n", Reader::summary());
    print_looks(&model, &test, &read)?;
    println!("test accuracy: {:.4}", model.measure(&test, metrics::accuracy())?.matrix().accuracy());
    Ok(())
}

/// What a vision transformer in PyTorch calls its modules: a `nn.Conv2d`, a `nn.Parameter` `[1, 16, 48]`, a
/// `nn.TransformerEncoder` with a norm, and a `nn.Linear` (`examples/tests/twins`).
pub fn names() -> Import {
    Import::new()
        .renames([("patches", "0"), ("positions", "1.weight"), ("encoder.layers", "3"), ("encoder.norm", "4"), ("head", "6")])
        .shape("positions", &[1, 16, 48])
}

/// Shows the network all training images, in another order each epoch. The rate rises in the first tenth of the updates, when
/// attention still looks anywhere, and then falls to 0.
fn learn(model: &mut Model<Reader>, train: &Digits, test: &Digits, options: &Options) -> Result<(), Error> {
    let epochs = if options.quick { 2 } else { 60 };
    let updates = epochs * train.len().div_ceil(BATCH) as u64;
    let schedule = WarmUp::new(updates / 10, CosineAnnealingLr::new(LEARNING_RATE, updates - updates / 10));
    let optimizer = Adam::new(LEARNING_RATE).decoupled_weight_decay(WEIGHT_DECAY).scheduled(schedule);
    // The test images are only to look at: nothing is chosen by them.
    let trainer = Trainer::new(CrossEntropy::default(), optimizer).validation(test).metric(metrics::accuracy());
    trainer.epochs(epochs).batch_size(BATCH).seed(options.seed).fit(model, train)?;
    Ok(())
}

/// What the network reads in each image: the class with the highest score.
fn read(model: &Model<Reader>, digits: &Digits) -> Result<Vec<usize>, Error> {
    let scores = model.predict(&digits.all())?; // [B * 10]
    let highest = |scores: &[f32]| (0..CLASSES).max_by(|&a, &b| scores[a].total_cmp(&scores[b])).unwrap_or(0);
    Ok(scores.chunks_exact(CLASSES).map(highest).collect())
}

/// Draws four images, and below each how much its patches are looked at.
fn print_looks(model: &Model<Reader>, digits: &Digits, read: &[usize]) -> Result<(), Error> {
    // Every ninetieth, so that they come from all over the data.
    let shown: Vec<usize> = (0..digits.len()).step_by(90).collect();
    let looks = looks(model, digits, &shown)?;
    for row in 0..SIDE {
        print_row(shown.iter().map(|&i| (0..SIDE).map(|column| digits.input(i)[row * SIDE + column]).collect()));
    }
    let labels: Vec<String> = shown.iter().map(|&i| format!("{:16}", format!("a {}, read as {}", digits.target(i)[0], read[i]))).collect();
    println!("{}\n", labels.join("   ").trim_end());
    for row in 0..SIDE {
        print_row(looks.iter().map(|looks| (0..SIDE).map(|column| looks[row / 2 * PATCHES + column / 2]).collect()));
    }
    println!("how much each patch is looked at, in both layers\n");
    Ok(())
}

/// For each patch of some images the mean weight that all patches give it, in all heads of all layers; the largest of an image
/// is made 1.
fn looks(model: &Model<Reader>, digits: &Digits, shown: &[usize]) -> Result<Vec<Vec<f32>>, Error> {
    let maps = model.attention(&digits.select(shown))?;
    let looks = |sample: usize| {
        let mut sums = [0.0; PATCHES * PATCHES];
        for row in maps.iter().flat_map(|map| map.mean(sample)).collect::<Vec<f32>>().chunks_exact(PATCHES * PATCHES) {
            sums.iter_mut().zip(row).for_each(|(sum, weight)| *sum += weight);
        }
        let largest = sums.iter().copied().fold(0.0, f32::max);
        sums.iter().map(|sum| sum / largest).collect()
    };
    Ok((0..shown.len()).map(looks).collect())
}

/// One row of pixels of each image, side by side.
fn print_row(images: impl Iterator<Item = Vec<f32>>) {
    let rows: Vec<String> = images.map(|pixels| pixels.into_iter().map(shade).collect()).collect();
    println!("{}", rows.join("   ").trim_end());
}

/// A number from 0 to 1, twice, because a letter is about twice as high as wide.
fn shade(number: f32) -> &'static str {
    ["  ", "░░", "▒▒", "▓▓", "██"][(number * 4.0).round() as usize]
}

struct Options {
    seed: u64,
    quick: bool,
    load: Option<PathBuf>,
    save: Option<PathBuf>,
}

const HELP: &str = "\
Learns to read handwritten digits with a vision transformer, and shows where it looks.

Usage: vit [OPTIONS]

  --seed N     seed of the parameters and of the training [0]
  --quick      a few updates, to see that it runs
  --load FILE  take the weights of a twin in PyTorch from a safetensors file, and train no further
  --save FILE  save the weights as the twin in PyTorch loads them
  --help       print this";

/// The options of the command line; none if it asks for help.
fn options() -> Result<Option<Options>, lexopt::Error> {
    use lexopt::prelude::*;
    let mut options = Options { seed: 0, quick: false, load: None, save: None };
    let mut arguments = lexopt::Parser::from_env();
    while let Some(argument) = arguments.next()? {
        match argument {
            Long("seed") => options.seed = arguments.value()?.parse()?,
            Long("quick") => options.quick = true,
            Long("load") => options.load = Some(PathBuf::from(arguments.value()?)),
            Long("save") => options.save = Some(PathBuf::from(arguments.value()?)),
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
