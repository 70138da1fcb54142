//! Expect all of 1000 new words to be reversed without a mistake: 1.0000 for each of the seeds 0 to 4.
//!
//! Learns to write words backwards. Nothing but attention carries a letter from where it is read to where it is written, so
//! its weights show what was learned: they lie on a diagonal that falls from right to left, and begins where the word ends.
//!
//! ```text
//! cargo run --release --example attention
//! cargo run --release --example attention -- --help
//! ```

use formwork::Noise;
use formwork::plot::HeatMap;
use formwork::prelude::*;
use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

type Problem = Box<dyn std::error::Error>;

/// How many places there are; behind a word they are blank.
const PLACES: usize = 10;

/// How many letters the shortest word has that is learned from.
const SHORTEST: usize = 3;

/// The blank, which is number 0, and the letters of the alphabet.
const LETTERS: usize = 27;

/// The letters of a word backwards. The input is which places to write, and beside it is the word: who asks knows a number and
/// nothing else.
#[network({ x: [ids < PLACES; PLACES], memory: [ids < LETTERS; PLACES] } => [PLACES, LETTERS])]
#[rustfmt::skip]
pub type Reverser = (
    Encode<(
        Embedding<LETTERS, 32>, Transpose,        // [32, 10]
        Parallel<(WithPlaces, ())>, Transpose,    // [10, 64]: for each letter what it is found by, and beside it the letter
    )>,
    Embedding<PLACES, 32>,                        // [10, 32]: the questions
    OneLook,                                      // [10, 32]: the answers, with no skip around
    Linear<32, LETTERS>,                          // [10, 27]
);

/// Letters that know where they are, and have looked at one another, by which they know where the word ends.
type WithPlaces = (Transpose, LearnedPositions<PLACES, 32>, TransformerEncoderLayer<32, 2, 64, PreNorm>, Transpose);

/// Attention in one head. Its keys are made of the first 32 numbers of a place, its values of the other 32, which are the letter
/// alone: what is written can only come from where the weights say.
type OneLook = generic::CrossAttention<Const<32>, Const<1>, Const<32>, Const<32>>;

type Words = Dataset<<Reverser as Network>::Input, Labels<Const<LETTERS>, Rank1<PLACES>>>;

const BATCH: usize = 64;
const LEARNING_RATE: f64 = 4e-3;

fn run() -> Result<(), Problem> {
    let Some(options) = options()? else {
        println!("{HELP}");
        return Ok(());
    };
    let noise = Noise::new(options.seed);
    let mut model = Model::<Reverser>::with_scheme(&formwork::device()?, options.seed, Scheme::Xavier);
    learn(&mut model, noise.split(0), if options.quick { 100 } else { 1500 })?;

    let looks = looks(&model, &options.words)?;
    looks.iter().for_each(print);
    for (look, word) in looks.iter().zip(&options.words) {
        let file = file_of(&options.out, word);
        HeatMap::new(&look.weights, look.written.clone(), look.read.clone())?.save(&file)?;
        println!("the same as a drawing: {}", file.display());
    }
    println!();
    println!("words reversed without a mistake: {:.4}", share_of_exact(&model, &drawn(1000, noise.split(1)))?);
    Ok(())
}

/// Shows the network new words in each update: none is seen twice but by chance.
fn learn(model: &mut Model<Reverser>, noise: Noise, updates: u64) -> Result<(), Error> {
    let mut optimizer = Adam::new(LEARNING_RATE).scheduled(CosineAnnealingLr::new(LEARNING_RATE, updates));
    for update in 1..=updates {
        let words = data(&drawn(BATCH, noise.split(update)))?;
        let loss = model.train(&words.all(), &TokenCrossEntropy::default(), &mut optimizer)?;
        if update % (updates / 5) == 0 {
            println!("{update} updates: loss {loss:.4}");
        }
    }
    println!();
    Ok(())
}

/// Words of any letters, from the shortest to those that leave no place blank.
fn drawn(words: usize, noise: Noise) -> Vec<String> {
    let below = |count: usize, uniform: f64| (uniform * count as f64) as usize;
    let word = |noise: Noise| {
        let length = SHORTEST + below(PLACES - SHORTEST + 1, noise.uniform(0));
        (1..=length).map(|i| letter(1 + below(LETTERS - 1, noise.uniform(i as u64)))).collect()
    };
    (0..words).map(|i| word(noise.split(i as u64))).collect()
}

/// Words with what they are backwards.
fn data(words: &[String]) -> Result<Words, Error> {
    let places = words.iter().flat_map(|_| 0..PLACES).collect();
    let read = words.iter().flat_map(|word| filled(word.chars())).collect();
    let written = words.iter().flat_map(|word| filled(word.chars().rev())).collect();
    Words::new((places, read), written)
}

/// The numbers of some letters, and blanks behind them.
fn filled(letters: impl Iterator<Item = char>) -> impl Iterator<Item = usize> {
    letters.map(id).chain(core::iter::repeat(0)).take(PLACES)
}

fn id(letter: char) -> usize {
    if letter.is_ascii_lowercase() { letter as usize - 'a' as usize + 1 } else { 0 }
}

fn letter(id: usize) -> char {
    if id == 0 { '_' } else { char::from(b'a' + id as u8 - 1) }
}

/// What the network writes for each word: the letters with the highest scores, blanks among them.
fn written(model: &Model<Reverser>, words: &Words) -> Result<Vec<Vec<usize>>, Error> {
    let scores = model.predict(&words.all())?; // [B * 10 * 27]
    let highest = |scores: &[f32]| (0..LETTERS).max_by(|&a, &b| scores[a].total_cmp(&scores[b])).unwrap_or(0);
    Ok(scores.chunks_exact(PLACES * LETTERS).map(|word| word.chunks_exact(LETTERS).map(highest).collect()).collect())
}

/// The share of words of which every place is right.
fn share_of_exact(model: &Model<Reverser>, words: &[String]) -> Result<f64, Error> {
    let words = data(words)?;
    let right = written(model, &words)?.iter().enumerate().filter(|(i, written)| *written == words.target(*i)).count();
    Ok(right as f64 / words.len() as f64)
}

/// Where the network looks while it writes a word.
struct Look {
    read: Vec<char>,
    written: Vec<char>,
    /// `[T, S]`: a row for each place that is written, a column for each that is read.
    weights: Vec<f32>,
}

fn looks(model: &Model<Reverser>, words: &[String]) -> Result<Vec<Look>, Error> {
    let data = data(words)?;
    let (written, maps) = (written(model, &data)?, model.attention(&data.all())?);
    let look = |(i, word): (usize, &String)| Look {
        read: filled(word.chars()).map(letter).collect(),
        written: written[i].iter().map(|&id| letter(id)).collect(),
        // The first map is that of the encoder, in which the letters look at one another.
        weights: maps[1].mean(i),
    };
    Ok(words.iter().enumerate().map(look).collect())
}

/// A row for each letter that is written: how much of it comes from which letter of the word, in percent.
fn print(look: &Look) {
    println!("     {}", look.read.iter().map(|letter| format!("{letter:>5}")).collect::<String>());
    for (letter, row) in look.written.iter().zip(look.weights.chunks_exact(PLACES)) {
        let cell = |weight: &f32| if *weight < 0.01 { "    .".to_owned() } else { format!("{:5.0}", 100.0 * weight) };
        println!("{letter:>5}{}", row.iter().map(cell).collect::<String>());
    }
    println!();
}

/// The file of one of the words: `attention-formwork.svg` for `attention.svg`.
fn file_of(out: &Path, word: &str) -> PathBuf {
    let part = |part: Option<&OsStr>| part.unwrap_or_default().to_string_lossy().into_owned();
    out.with_file_name(format!("{}-{word}.{}", part(out.file_stem()), part(out.extension())))
}

struct Options {
    seed: u64,
    quick: bool,
    out: PathBuf,
    words: Vec<String>,
}

const HELP: &str = "\
Learns to write words backwards, and shows where it looks while it does.

Usage: attention [OPTIONS] [WORD]...

  WORD        what to write backwards, of 3 to 10 letters from a to z [attention formwork]
  --seed N    seed of parameters and words [0]
  --out FILE  where to draw what it looks at, with the word behind the name [target/attention.svg]
  --quick     a few updates, to see that it runs
  --help      print this";

/// The options of the command line; none if it asks for help.
fn options() -> Result<Option<Options>, Problem> {
    use lexopt::prelude::*;
    let mut options = Options { seed: 0, quick: false, out: PathBuf::from("target/attention.svg"), words: Vec::new() };
    let mut arguments = lexopt::Parser::from_env();
    while let Some(argument) = arguments.next()? {
        match argument {
            Long("seed") => options.seed = arguments.value()?.parse()?,
            Long("quick") => options.quick = true,
            Long("out") => options.out = PathBuf::from(arguments.value()?),
            Long("help") | Short('h') => return Ok(None),
            Value(word) => options.words.push(checked(word.string()?)?),
            _ => return Err(argument.unexpected().into()),
        }
    }
    if options.words.is_empty() {
        options.words = ["attention", "formwork"].map(str::to_owned).to_vec();
    }
    Ok(Some(options))
}

/// A word, if it is one that can be learned.
fn checked(word: String) -> Result<String, Problem> {
    if word.chars().all(|letter| letter.is_ascii_lowercase()) && (SHORTEST..=PLACES).contains(&word.len()) {
        return Ok(word);
    }
    Err(format!("expected a word of {SHORTEST} to {PLACES} letters from a to z, given {word:?}").into())
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
