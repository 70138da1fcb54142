//! Expect under 1.75 nats a character on the held-out end of tinyshakespeare, in under 10 minutes on 2 cores: 1.56; and then a play.
//!
//! A language model of characters: a small transformer learns what character comes next, and then writes, one character at a
//! time, keeping the keys and values of those before.
//!
//! ```text
//! cargo run --release --example transformer -- --text tinyshakespeare.txt
//! cargo run --release --example transformer -- --help
//! ```
//!
//! The text is [char-rnn's](https://github.com/karpathy/char-rnn) collection of Shakespeare's plays, or any other; without one
//! the model learns from formwork's own README.

use formwork::Noise;
use formwork::data::text::Windows;
use formwork::prelude::*;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Instant;

/// The printable characters of ASCII, and the end of a line; all others are read as blanks.
const LETTERS: usize = 96;

/// How many characters the model sees at once.
const WINDOW: usize = 64;

/// The scores of what comes behind each character of a text.
#[network([ids < LETTERS; WINDOW] => [WINDOW, LETTERS])]
#[rustfmt::skip]
pub type Writer = (
    Embedding<LETTERS, 128>, LearnedPositions<WINDOW, 128>,                    // [T, D]: what a character is, and where
    Repeat<TransformerEncoderLayer<128, 4, 512, PreNorm, Gelu, Causal>, 4>,    // [T, D]: each looks at those before it
    LayerNorm<128>, Linear<128, LETTERS>,                                      // [T, 96]
);

type Text = MiniBatch<Ids<LETTERS, Rank1<WINDOW>>, Labels<Const<LETTERS>, Rank1<WINDOW>>>;

const BATCH: usize = 32;
const LEARNING_RATE: f64 = 2e-3;
const WARM_UP: u64 = 100;

/// This share of the text, its end, is not learned from.
const HELD_OUT: f64 = 0.1;

fn run() -> Result<(), Box<dyn std::error::Error>> {
    let Some(options) = options()? else {
        println!("{HELP}");
        return Ok(());
    };
    let text = match &options.text {
        Some(file) => std::fs::read_to_string(file)?,
        None => include_str!("../README.md").to_owned(),
    };
    let ids: Vec<usize> = text.chars().map(id).collect();
    let (train, test) = ids.split_at(ids.len() - (HELD_OUT * ids.len() as f64) as usize);
    if test.len() <= WINDOW {
        return Err(format!("a text of {} characters is too short: {} are the least", ids.len(), (WINDOW as f64 / HELD_OUT) as usize + 1).into());
    }
    println!("{}\n", Writer::summary());

    let mut model = Model::<Writer>::with_scheme(&formwork::device()?, options.seed, Scheme::Uniform);
    if let Some(file) = &options.load {
        model.load(file)?;
    }
    learn(&mut model, train, test, &options)?;
    if let Some(file) = &options.save {
        model.save(file)?;
    }
    println!("\n{}\n", write(&model, &test[..WINDOW / 4], &options));
    println!("held-out loss: {:.4} nats a character", held_out(&model, test)?);
    Ok(())
}

/// Shows the model windows from all over the text, and moves its parameters a little after each batch.
fn learn(model: &mut Model<Writer>, train: &[usize], test: &[usize], options: &Options) -> Result<(), Error> {
    let schedule = WarmUp::new(WARM_UP, CosineAnnealingLr::new(LEARNING_RATE, options.updates.max(WARM_UP + 1) - WARM_UP));
    let mut optimizer = Adam::new(LEARNING_RATE).betas(0.9, 0.99).decoupled_weight_decay(0.1).clip_norm(1.0).scheduled(schedule);
    let (noise, begun) = (Noise::new(options.seed), Instant::now());
    let windows = Windows::<LETTERS, WINDOW>::new(train.to_vec())?;
    let mut batch = Text::default();
    let mut loss = 0.0;
    let report = (options.updates / 10).max(1);
    for update in 1..=options.updates {
        let begin = |sample: u64| (noise.split(update).uniform(sample) * (train.len() - WINDOW) as f64) as usize;
        batch.read(&windows, &(0..BATCH as u64).map(begin).collect::<Vec<_>>(), noise)?;
        loss += model.train(&batch, &TokenCrossEntropy::default(), &mut optimizer)? / report as f32;
        if update % report == 0 {
            let sample = &test[..test.len().min(64 * WINDOW)];
            println!(
                "{update} updates, {:.0} s: {loss:.3} nats a character, {:.3} held out",
                begun.elapsed().as_secs_f64(),
                held_out(model, sample)?
            );
            loss = 0.0;
        }
    }
    Ok(())
}

/// The mean loss over a text: of the second half of overlapping windows, so that each character but the first few is guessed
/// from at least half a window.
fn held_out(model: &Model<Writer>, text: &[usize]) -> Result<f64, Error> {
    let windows = Windows::<LETTERS, WINDOW>::new(text.to_vec())?;
    let begins: Vec<usize> = (0..text.len() - WINDOW).step_by(WINDOW / 2).collect();
    let mut batch = Text::default();
    let (mut sum, mut count) = (0.0, 0);
    for begins in begins.chunks(256) {
        batch.read(&windows, begins, Noise::new(0))?;
        let scores = model.predict(&batch)?; // [B * T * 96]
        for (begin, scores) in begins.iter().zip(scores.chunks_exact(WINDOW * LETTERS)) {
            let first = if *begin == 0 { 0 } else { WINDOW / 2 };
            for (place, scores) in scores.chunks_exact(LETTERS).enumerate().skip(first) {
                sum += surprise(scores, text[begin + place + 1]);
                count += 1;
            }
        }
    }
    Ok(sum / f64::from(count))
}

/// `-log softmax(scores)[id]`
fn surprise(scores: &[f32], id: usize) -> f64 {
    let max = scores.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    let sum: f64 = scores.iter().map(|score| f64::from(score - max).exp()).sum();
    sum.ln() - f64::from(scores[id] - max)
}

/// Goes on from some characters: each is drawn by its score, and shown to the model for the next.
fn write(model: &Model<Writer>, begin: &[usize], options: &Options) -> String {
    let noise = Noise::new(options.seed);
    let mut text = begin.to_vec();
    let mut stream = model.stream();
    let mut next = 0;
    for i in 0..options.letters {
        if stream.is_full() {
            // The window has moved on: half of it is shown again.
            stream.reset();
            next = text.len() - WINDOW / 2;
        }
        let mut scores = Vec::new();
        while next < text.len() {
            scores = stream.next(vec![text[next]]).unwrap_or_else(|error| unreachable!("{error}"));
            next += 1;
        }
        text.push(drawn(&scores, noise.uniform(i)));
    }
    text.into_iter().map(letter).collect()
}

/// A character, with the probabilities that are the softmax of the scores at a temperature of 0.8.
fn drawn(scores: &[f32], uniform: f64) -> usize {
    let max = scores.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    let weights: Vec<f64> = scores.iter().map(|score| (f64::from(score - max) / 0.8).exp()).collect();
    let mut left = uniform * weights.iter().sum::<f64>();
    let place = weights.iter().position(|weight| {
        left -= weight;
        left < 0.0
    });
    place.unwrap_or(LETTERS - 1)
}

fn id(letter: char) -> usize {
    match letter {
        '\n' => LETTERS - 1,
        ' '..='~' => letter as usize - ' ' as usize,
        _ => 0,
    }
}

fn letter(id: usize) -> char {
    if id == LETTERS - 1 { '\n' } else { char::from(b' ' + id as u8) }
}

struct Options {
    text: Option<PathBuf>,
    seed: u64,
    updates: u64,
    letters: u64,
    save: Option<PathBuf>,
    load: Option<PathBuf>,
}

const HELP: &str = "\
Learns to write text, character by character, and writes some.

Usage: transformer [OPTIONS]

  --text FILE   the text to learn from [formwork's README]
  --seed N      seed of the parameters, of the training and of the writing [0]
  --updates N   how many batches of 32 windows to learn from [2500; 0 with --load]
  --letters N   how many characters to write [400]
  --quick       learn from 60 batches only
  --save FILE   save the parameters as a safetensors file
  --load FILE   begin with the parameters of a file
  --help        print this";

/// The options of the command line; none if it asks for help.
fn options() -> Result<Option<Options>, lexopt::Error> {
    use lexopt::prelude::*;
    let (mut text, mut seed, mut updates, mut letters, mut save, mut load) = (None, 0, None, 400, None, None);
    let mut arguments = lexopt::Parser::from_env();
    while let Some(argument) = arguments.next()? {
        match argument {
            Long("text") => text = Some(PathBuf::from(arguments.value()?)),
            Long("seed") => seed = arguments.value()?.parse()?,
            Long("updates") => updates = Some(arguments.value()?.parse()?),
            Long("letters") => letters = arguments.value()?.parse()?,
            Long("quick") => updates = Some(60),
            Long("save") => save = Some(PathBuf::from(arguments.value()?)),
            Long("load") => load = Some(PathBuf::from(arguments.value()?)),
            Long("help") | Short('h') => return Ok(None),
            _ => return Err(argument.unexpected()),
        }
    }
    let updates = updates.unwrap_or(if load.is_some() { 0 } else { 2500 });
    Ok(Some(Options { text, seed, updates, letters, save, load }))
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
