//! Expect a mean square error under 0.01 from the LSTM and of about 0.167 from the plain RNN, and then a poem.
//!
//! Two things that need a memory. First the adding problem: of 100 numbers two are marked, and their sum is asked for. Gradients
//! have to come all the way back to a mark, which they do along the cell state of an LSTM and do not through a plain RNN. Then
//! text, letter by letter: a network learns what letter comes next, and another one with the same parameters writes, one
//! letter at a time, with its state kept from letter to letter.
//!
//! ```text
//! cargo run --release --example lstm
//! cargo run --release --example lstm -- --help
//! ```

use formwork::Noise;
use formwork::prelude::*;
use std::path::PathBuf;
use std::process::ExitCode;

/// How long the sequences of the adding problem are.
const STEPS: usize = 100;

/// The sum of the two marked numbers: a step is a number, and a mark that is 1 or 0.
#[network([STEPS, 2] => [1])]
pub type AddingLstm = (Last<Lstm<2, 32>>, Linear<32, 1>);

/// The same with a plain recurrent layer.
#[network([STEPS, 2] => [1])]
pub type AddingRnn = (Last<Rnn<2, 32>>, Linear<32, 1>);

/// The printable characters of ASCII, and the end of a line.
const LETTERS: usize = 96;

/// How many letters the network sees at a time while it learns.
const WINDOW: usize = 64;

/// The scores of what comes behind each letter of a text.
#[network([ids < LETTERS; WINDOW] => [WINDOW, LETTERS])]
pub type Reader = (Embedding<LETTERS, 16>, Lstm<16, 96>, Linear<96, LETTERS>);

/// The same network for one letter, which is told what it knows of those before.
#[network({ x: [ids < LETTERS; 1], hidden: [1, 96], cell: [1, 96] } => { x: [1, LETTERS], hidden: [1, 96], cell: [1, 96] })]
pub type Writer = (Embedding<LETTERS, 16>, WithState<Lstm<16, 96>>, Linear<96, LETTERS>);

type Sums = Dataset<Rank2<STEPS, 2>, Values<Rank1<1>>>;
type Text = Dataset<Ids<LETTERS, Rank1<WINDOW>>, Labels<Const<LETTERS>, Rank1<WINDOW>>>;

fn run() -> Result<(), Box<dyn std::error::Error>> {
    let Some(options) = options()? else {
        println!("{HELP}");
        return Ok(());
    };
    println!("the adding problem: whoever always says 1 has a mean square error of 0.167");
    let lstm = add::<AddingLstm>("LSTM", &options)?;
    let rnn = add::<AddingRnn>("RNN", &options)?;
    println!("mean square error: LSTM {lstm:.4}, RNN {rnn:.4}\n");

    let text = match &options.text {
        Some(file) => std::fs::read_to_string(file)?,
        None => JABBERWOCKY.to_owned(),
    };
    let ids: Vec<usize> = text.chars().map(id).collect();
    if ids.len() <= WINDOW {
        return Err(format!("a text of {} letters is too short: {} are the least", ids.len(), WINDOW + 1).into());
    }
    let reader = read(&ids, &options)?;
    println!("\n{}", write(&reader, &ids[..8], options.letters, options.seed)?);
    Ok(())
}

/// Learns to add, and returns the mean square error on sequences that were not learned from.
fn add<N: Network<Input = Rank2<STEPS, 2>, Output = Rank1<1>>>(name: &str, options: &Options) -> Result<f32, Error> {
    let noise = Noise::new(options.seed);
    let (train, test) = (sums(if options.quick { 320 } else { 8000 }, noise.split(0))?, sums(1000, noise.split(1))?);
    let mut model = Model::<N>::new(options.seed);
    let mut optimizer = Adam::new(5e-3).clip_norm(1.0);
    for epoch in 0..if options.quick { 1 } else { 10 } {
        for batch in train.shuffled(32, epoch) {
            model.train(&batch, &Mse, &mut optimizer)?;
        }
        println!("{name}, epoch {}: mean square error {:.4}", epoch + 1, model.evaluate(&test, &Mse)?);
    }
    model.evaluate(&test, &Mse)
}

/// Sequences of numbers between 0 and 1, one marked in each half, and the sums of those that are.
fn sums(samples: usize, noise: Noise) -> Result<Sums, Error> {
    let (mut inputs, mut targets) = (Vec::with_capacity(samples * STEPS * 2), Vec::with_capacity(samples));
    for noise in (0..samples).map(|sample| noise.split(sample as u64)) {
        let place = |half: usize| (half * STEPS / 2) + (noise.uniform((STEPS + half) as u64) * (STEPS / 2) as f64) as usize;
        let marked = [place(0), place(1)];
        inputs.extend((0..STEPS).flat_map(|t| [noise.uniform(t as u64) as f32, f32::from(u8::from(marked.contains(&t)))]));
        targets.push(marked.iter().map(|&t| noise.uniform(t as u64) as f32).sum());
    }
    Sums::new(inputs, targets)
}

/// Learns what letter comes next.
fn read(ids: &[usize], options: &Options) -> Result<Model<Reader>, Error> {
    let mut model = Model::<Reader>::new(options.seed);
    let mut optimizer = Adam::new(5e-3).clip_norm(1.0);
    let noise = Noise::new(options.seed);
    let updates: u64 = if options.quick { 50 } else { 500 };
    for update in 1..=updates {
        let begin = |sample: u64| (noise.split(update).uniform(sample) * (ids.len() - WINDOW) as f64) as usize;
        let windows = |shift: usize| (0..16).flat_map(|sample| &ids[begin(sample) + shift..][..WINDOW]).copied().collect::<Vec<_>>();
        let text = Text::new(windows(0), windows(1))?;
        let loss = model.train(&text.all(), &TokenCrossEntropy::default(), &mut optimizer)?;
        if update % (updates / 5) == 0 {
            println!("{update} updates: {:.3} bits for a letter", loss / std::f32::consts::LN_2);
        }
    }
    Ok(model)
}

/// Goes on from some letters: each letter is drawn by its score, and shown to the network for the next.
fn write(reader: &Model<Reader>, begin: &[usize], letters: usize, seed: u64) -> Result<String, Error> {
    let mut writer = Model::<Writer>::new(0);
    writer.set_parameters(&reader.parameters())?;
    let (device, noise) = (writer.device().clone(), Noise::new(seed));
    let (mut hidden, mut cell): (Tensor<Rank3<1, 1, 96>, f32, _>, Tensor<Rank3<1, 1, 96>, f32, _>) = (device.zeros(), device.zeros());
    let mut text = begin.to_vec();
    for i in 0..letters {
        let id = device.tensor([[text[i]]]); // [B, T]
        let scores;
        (scores, hidden, cell) = writer.try_forward::<Const<1>>((id, hidden, cell))?;
        if text.len() == i + 1 {
            text.push(drawn(&scores.as_vec(), noise.uniform(i as u64)));
        }
    }
    Ok(text.into_iter().map(letter).collect())
}

/// A letter, with the probabilities that are the softmax of twice the scores: what is likely becomes likelier.
fn drawn(scores: &[f32], uniform: f64) -> usize {
    let max = scores.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    let weights: Vec<f64> = scores.iter().map(|score| f64::from(2.0 * (score - max)).exp()).collect();
    let mut left = uniform * weights.iter().sum::<f64>();
    let place = weights.iter().position(|weight| {
        left -= weight;
        left < 0.0
    });
    place.unwrap_or(0)
}

/// What is not in the alphabet is a blank.
fn id(letter: char) -> usize {
    match letter {
        '\n' => 0,
        ' '..='~' => letter as usize - 31,
        _ => 1,
    }
}

fn letter(id: usize) -> char {
    if id == 0 { '\n' } else { char::from(id as u8 + 31) }
}

struct Options {
    seed: u64,
    quick: bool,
    letters: usize,
    text: Option<PathBuf>,
}

const HELP: &str = "\
Learns to add two of a hundred numbers, and to write text letter by letter.

Usage: lstm [OPTIONS]

  --seed N     seed of parameters and data [0]
  --quick      a few updates of each, to see that it runs
  --text FILE  learn the text of a file, of which the printable characters of ASCII count [a poem]
  --letters N  how many letters to write [600]
  --help       print this";

/// The options of the command line; none if it asks for help.
fn options() -> Result<Option<Options>, lexopt::Error> {
    use lexopt::prelude::*;
    let mut options = Options { seed: 0, quick: false, letters: 600, text: None };
    let mut arguments = lexopt::Parser::from_env();
    while let Some(argument) = arguments.next()? {
        match argument {
            Long("seed") => options.seed = arguments.value()?.parse()?,
            Long("quick") => options.quick = true,
            Long("text") => options.text = Some(PathBuf::from(arguments.value()?)),
            Long("letters") => options.letters = arguments.value()?.parse()?,
            Long("help") | Short('h') => return Ok(None),
            _ => return Err(argument.unexpected()),
        }
    }
    Ok(Some(options))
}

/// Lewis Carroll, "Jabberwocky", 1871.
const JABBERWOCKY: &str = "\
'Twas brillig, and the slithy toves
Did gyre and gimble in the wabe:
All mimsy were the borogoves,
And the mome raths outgrabe.

\"Beware the Jabberwock, my son!
The jaws that bite, the claws that catch!
Beware the Jubjub bird, and shun
The frumious Bandersnatch!\"

He took his vorpal sword in hand;
Long time the manxome foe he sought-
So rested he by the Tumtum tree
And stood awhile in thought.

And, as in uffish thought he stood,
The Jabberwock, with eyes of flame,
Came whiffling through the tulgey wood,
And burbled as it came!

One, two! One, two! And through and through
The vorpal blade went snicker-snack!
He left it dead, and with its head
He went galumphing back.
";

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}
