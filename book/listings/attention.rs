//! The listings of the chapter `attention`: a lookup that can be learned, what it is scaled by, and a transformer that writes.

use formwork::Noise;
use formwork::data::text::{Vocabulary, Windows};
use formwork::layers::transformer::Sight;
use formwork::metrics;
use formwork::plot::HeatMap;
use formwork::prelude::*;
use formwork::trainer::{History, Progress};
use formwork::types::{Memory, With};
use formwork_book::{picture, sections};
use rand::SeedableRng;
use rand::rngs::StdRng;
use rand_distr::{Distribution, StandardNormal};
use std::sync::OnceLock;

fn main() -> std::process::ExitCode {
    sections(&[
        ("lookup", lookup),
        ("scaling", scaling),
        ("causal", causal),
        ("positions", positions),
        ("norms", norms),
        ("rhyme", rhyme),
        ("training", training),
        ("looks", looks),
        ("writing", writing),
        ("exercise-1", exercise_1),
        ("exercise-2", exercise_2),
        ("exercise-3", exercise_3),
    ])
}

// ANCHOR: lookup
#[network({ x: [1, 2], memory: [3, 3] } => [1, 1])]
type Lookup = ScaledDotProductAttention; // [T, d] -> [T, dv]

fn lookup() -> formwork_book::Result {
    #[rustfmt::skip]
    let memory = vec![
         1.0,  0.0, 10.0, // a key of two numbers, and its value
         0.0,  1.0, 20.0,
        -1.0,  0.0, 30.0,
    ];
    let model = Model::<Lookup>::new(0);
    for query in [[0.0, 0.0], [2.0, 0.0], [8.0, 0.0], [8.0, 8.0]] {
        let data = Dataset::<<Lookup as Network>::Input, Class<1>>::new((query.to_vec(), memory.clone()), vec![0])?;
        let (weights, value) = (model.attention(&data.all())?[0].mean(0), model.predict(&data.all())?[0]);
        println!("query {query:?}: weights {:.2} {:.2} {:.2}, value {value:.1}", weights[0], weights[1], weights[2]);
    }
    Ok(())
}
// ANCHOR_END: lookup

// ANCHOR: scaling
/// How many queries there are, and how many keys.
const PLACES: usize = 32;

/// Queries and keys of `D` numbers, with values of one number: a row of the memory has `W = D + 1`.
type Scored<L, const D: usize, const W: usize> = Net<L, With<Rank2<PLACES, D>, (Memory<Rank2<PLACES, W>>,)>, Rank2<PLACES, 1>>;

/// The variance of scores, and the entropy of the weights without and with the scale.
fn spread<const D: usize, const W: usize>() -> formwork_book::Result {
    let mut normal = StandardNormal.sample_iter(StdRng::seed_from_u64(0));
    let queries: Vec<f32> = normal.by_ref().take(PLACES * D).collect();
    let memory: Vec<f32> = normal.take(PLACES * W).collect();
    let dot = |query: &[f32], key: &[f32]| query.iter().zip(key).map(|(q, k)| q * k).sum::<f32>();
    let scores: Vec<f32> = queries.chunks_exact(D).flat_map(|query| memory.chunks_exact(W).map(move |row| dot(query, &row[..D]))).collect();
    let variance = scores.iter().map(|score| score * score).sum::<f32>() / scores.len() as f32;

    let data = Dataset::<With<_, _>, Class<1>>::new((queries, memory), vec![0])?;
    let plain = Model::<Scored<ScaledDotProductAttention<1, 1>, D, W>>::new(0).attention(&data.all())?;
    let scaled = Model::<Scored<ScaledDotProductAttention, D, W>>::new(0).attention(&data.all())?;
    println!("{D:5} {variance:9.1} {:12.2} {:11.2}", entropy(&plain[0].weights), entropy(&scaled[0].weights));
    Ok(())
}

/// The mean of `-Σ p ln p` over queries.
fn entropy(weights: &[f32]) -> f32 {
    let terms = weights.iter().filter(|weight| **weight > 0.0).map(|weight| -weight * weight.ln());
    terms.sum::<f32>() / PLACES as f32
}

fn scaling() -> formwork_book::Result {
    println!("    d  variance  entropy of q·k  of q·k / √d");
    spread::<4, 5>()?;
    spread::<16, 17>()?;
    spread::<64, 65>()?;
    spread::<256, 257>()?;
    println!("the entropy of {PLACES} equal weights is {:.2}", (PLACES as f32).ln());
    Ok(())
}
// ANCHOR_END: scaling

// ANCHOR: causal
#[network([ids < 27; 5] => [5, 8])]
type Past = (Embedding<27, 8>, CausalSelfAttention<8, 2>); // [T] -> [T, D]

fn causal() -> formwork_book::Result {
    let word = Dataset::<<Past as Network>::Input, Class<1>>::new(ids("hello"), vec![0])?;
    let map = &Model::<Past>::new(0).attention(&word.all())?[0];
    for (first, second) in map.head(0, 0).chunks_exact(5).zip(map.head(0, 1).chunks_exact(5)) {
        let row = |weights: &[f32]| weights.iter().map(|weight| format!("{weight:5.2}")).collect::<String>();
        println!("{}    {}", row(first), row(second));
    }
    Ok(())
}

/// a is 1.
fn ids(word: &str) -> Vec<usize> {
    word.bytes().map(|letter| usize::from(letter - b'a') + 1).collect()
}
// ANCHOR_END: causal

// ANCHOR: positions
type Bag = (Embedding<27, 8>, SelfAttention<8, 2>, MeanOverTime, Linear<8, 2>);
type Ordered = (Embedding<27, 8>, LearnedPositions<6, 8>, SelfAttention<8, 2>, MeanOverTime, Linear<8, 2>);
type Waves = (Embedding<27, 8>, SinusoidalPositions, SelfAttention<8, 2>, MeanOverTime, Linear<8, 2>);

fn positions() -> formwork_book::Result {
    anagrams::<Bag>("no positions")?;
    anagrams::<Ordered>("learned")?;
    anagrams::<Waves>("sinusoidal")
}

fn anagrams<L: Layer + 'static>(name: &str) -> formwork_book::Result {
    let words = Dataset::<Ids<27, Rank1<6>>, Class<1>>::new(ids("listensilent"), vec![0, 0])?;
    let y = Model::<Net<L, Ids<27, Rank1<6>>, Rank1<2>>>::new(0).predict(&words.all())?;
    println!("{name:12}  listen {:6.3} {:6.3}   silent {:6.3} {:6.3}", y[0], y[1], y[2], y[3]);
    Ok(())
}
// ANCHOR_END: positions

// ANCHOR: norms
type Post = (Repeat<TransformerEncoderLayer<32, 4, 64, PostNorm, Gelu>, 12>, MeanOverTime, Linear<32, 4>);
type Pre = (Repeat<TransformerEncoderLayer<32, 4, 64, PreNorm, Gelu>, 12>, LayerNorm<32>, MeanOverTime, Linear<32, 4>);

/// The norm of the gradient with respect to the weights of `linear1`, layer by layer.
fn slopes<L: Layer + 'static>() -> Result<Vec<f64>, Error> {
    let numbers = StandardNormal.sample_iter(StdRng::seed_from_u64(0)).take(16 * 8 * 32).collect();
    let data = Dataset::<Rank2<8, 32>, Class<4>>::new(numbers, (0..16).map(|i| i % 4).collect())?;
    let statistics = Model::<Net<L, Rank2<8, 32>, Rank1<4>>>::new(0).statistics(&data.all(), &CrossEntropy::default())?;
    let linear1 = statistics.layers.iter().filter(|layer| layer.name.ends_with("linear1"));
    Ok(linear1.filter_map(|layer| layer.weight_gradient).collect())
}

fn norms() -> formwork_book::Result {
    let (post, pre) = (slopes::<Post>()?, slopes::<Pre>()?);
    println!("layer   post    pre");
    for layer in [1, 4, 8, 12] {
        println!("{layer:5} {:6.3} {:6.3}", post[layer - 1], pre[layer - 1]);
    }
    Ok(())
}
// ANCHOR_END: norms

// ANCHOR: rhyme
/// "The house that Jack built", a nursery rhyme printed in 1755: each verse is a line more, and all those before.
const LINES: [&str; 8] = [
    "the house that jack built.\n",
    "the malt that lay in ",
    "the rat that ate ",
    "the cat that killed ",
    "the dog that worried ",
    "the cow with the crumpled horn that tossed ",
    "the maiden all forlorn that milked ",
    "the man all tattered and torn that kissed ",
];

fn verse(number: usize) -> String {
    let lines: String = LINES[..=number].iter().rev().copied().collect();
    format!("this is {lines}")
}

/// How many different characters there are.
const LETTERS: usize = 25;

/// How many of them the model sees at once.
const WINDOW: usize = 16;

type Text = Windows<LETTERS, WINDOW>;

/// All verses but the last to learn from, the last to test with, and the letters they are written in.
fn text() -> Result<(Text, Text, Vocabulary<LETTERS>), Error> {
    let (train, test) = ((0..7).map(verse).collect::<String>(), verse(7));
    let letters = Vocabulary::of(&format!("{train}{test}"))?;
    Ok((Text::new(letters.encode(&train)?)?, Text::new(letters.encode(&test)?)?, letters))
}

fn rhyme() -> formwork_book::Result {
    let (train, test, _) = text()?;
    print!("{}", verse(2));
    println!("characters to learn from: {}, to test with: {}", train.ids().len(), test.ids().len());
    println!("{}", Vocabulary::<26>::of(&verse(7)).unwrap_err());
    Ok(())
}
// ANCHOR_END: rhyme

// ANCHOR: writer
#[network([ids < LETTERS; WINDOW] => [WINDOW, LETTERS])]
#[rustfmt::skip]
type Writer = (
    Embedding<LETTERS, 16>, LearnedPositions<WINDOW, 16>,                    // [T, D]: what stands there, and where
    Repeat<TransformerEncoderLayer<16, 2, 32, PreNorm, Gelu, Causal>, 2>,    // [T, D]: each place looks back
    LayerNorm<16>, Linear<16, LETTERS>,                                      // [T, V]: scores of what comes next
);
// ANCHOR_END: writer

// ANCHOR: trained
type Next = Labels<Const<LETTERS>, Rank1<WINDOW>>;

/// Learns what character comes behind each.
fn learned() -> Result<(Model<Writer>, History), Error> {
    let (train, test, _) = text()?;
    let mut model = Model::<Writer>::with_scheme(&Cpu::default(), 0, Scheme::Uniform);
    let optimizer = Adam::new(1e-2).clip_norm(1.0);
    let history = Trainer::<Writer, Next, _, _>::new(TokenCrossEntropy::default(), optimizer)
        .epochs(4)
        .batch_size(16)
        .validation(&test)
        .metric(metrics::perplexity(TokenCrossEntropy::default()))
        .progress(Progress::Silent)
        .fit(&mut model, &train)?;
    Ok((model, history))
}
// ANCHOR_END: trained

fn training() -> formwork_book::Result {
    println!("{}\n", Writer::summary());
    // ANCHOR: training
    let (_, history) = once()?;
    println!("epoch   loss  val_loss  val_perplexity");
    for row in history.rows() {
        println!("{:5} {:6.3} {:9.3} {:15.3}", row[0], row[1], row[2], row[3]);
    }
    // ANCHOR_END: training
    if let Some(file) = picture("attention-transformer.svg") {
        std::fs::write(file, Writer::diagram().svg())?;
    }
    Ok(())
}

/// What was learned, which several sections look at: training once is enough.
fn once() -> Result<(Model<Writer>, History), Error> {
    static LEARNED: OnceLock<(Vec<f32>, History)> = OnceLock::new();
    if let Some((parameters, history)) = LEARNED.get() {
        let mut model = Model::<Writer>::new(0);
        model.set_parameters(parameters)?;
        return Ok((model, history.clone()));
    }
    let (model, history) = learned()?;
    let _ = LEARNED.set((model.parameters(), history.clone()));
    Ok((model, history))
}

fn looks() -> formwork_book::Result {
    let (model, _) = once()?;
    // ANCHOR: looks
    let (_, _, letters) = text()?;
    let seen = "that killed the ";
    let data = Dataset::<Ids<LETTERS, Rank1<WINDOW>>, Class<1>>::new(letters.encode(seen)?, vec![0])?;
    let maps = model.attention(&data.all())?; // one for each layer
    for (layer, map) in maps.iter().enumerate() {
        for head in 0..map.heads {
            let last = &map.head(0, head)[(WINDOW - 1) * WINDOW..]; // where the last place looks
            println!("layer {layer}, head {head}: {}", strongest(last, seen));
        }
    }
    // ANCHOR_END: looks
    if let Some(file) = picture("attention-weights.svg") {
        let names: Vec<String> = seen.chars().map(|letter| letter.to_string().replace(' ', "_")).collect();
        HeatMap::new(maps[1].head(0, 0), names.clone(), names)?.save(file)?;
    }
    Ok(())
}

/// The four places with the largest weights.
fn strongest(weights: &[f32], seen: &str) -> String {
    let mut places: Vec<(usize, char)> = seen.chars().enumerate().collect();
    places.sort_by(|a, b| weights[b.0].total_cmp(&weights[a.0]));
    places
        .iter()
        .take(4)
        .map(|(place, letter)| format!("{:.2} to {letter:?} at {place:2}   ", weights[*place]))
        .collect::<String>()
        .trim_end()
        .to_owned()
}

// ANCHOR: write
/// Goes on from some text: each character is drawn by its score, and shown to the model for the next.
fn write(model: &Model<Writer>, begin: &str, letters: u64, temperature: f64) -> Result<String, Error> {
    let (_, _, vocabulary) = text()?;
    let mut ids = vocabulary.encode(begin)?;
    let (mut stream, mut shown) = (model.stream(), 0);
    for i in 0..letters {
        if stream.is_full() {
            stream.reset(); // the window moves on, and its second half is shown again
            shown = ids.len() - WINDOW / 2;
        }
        let mut scores = Vec::new();
        for &id in &ids[shown..] {
            scores = stream.next(vec![id])?;
        }
        shown = ids.len();
        ids.push(drawn(&scores, temperature, Noise::new(0).uniform(i)));
    }
    Ok(vocabulary.decode(&ids))
}

/// A character, drawn from the softmax of the scores divided by the temperature.
fn drawn(scores: &[f32], temperature: f64, uniform: f64) -> usize {
    let max = scores.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    let weights: Vec<f64> = scores.iter().map(|score| (f64::from(score - max) / temperature).exp()).collect();
    let sums = weights.iter().scan(0.0, |sum, weight| {
        *sum += weight;
        Some(*sum)
    });
    let limit = uniform * weights.iter().sum::<f64>();
    sums.take_while(|sum| *sum <= limit).count().min(LETTERS - 1)
}
// ANCHOR_END: write

fn writing() -> formwork_book::Result {
    let (model, _) = once()?;
    // ANCHOR: writing
    println!("{}", write(&Model::<Writer>::new(0), "this is the ", 40, 0.5)?);
    println!();
    println!("{}", write(&model, "this is the ", 240, 0.5)?);
    // ANCHOR_END: writing
    Ok(())
}

// ANCHOR: exercise-1
type Heads<const H: usize> = Net<SelfAttention<64, H>, Rank2<WINDOW, 64>, Rank2<WINDOW, 64>>;

const _: () = assert!(Heads::<1>::SCALARS == Heads::<8>::SCALARS);

fn exercise_1() -> formwork_book::Result {
    println!("one head: {}, eight heads: {}, 4 (D² + D): {}", Heads::<1>::SCALARS, Heads::<8>::SCALARS, 4 * (64 * 64 + 64));
    Ok(())
}
// ANCHOR_END: exercise-1

fn exercise_2() -> formwork_book::Result {
    let (model, _) = once()?;
    // ANCHOR: exercise-2
    for temperature in [0.1, 1.0, 2.0] {
        println!("{temperature:.1}: {:?}", write(&model, "this is the ", 80, temperature)?);
    }
    // ANCHOR_END: exercise-2
    Ok(())
}

// ANCHOR: exercise-3
/// Says for each of 8 places which of 4 letters comes next.
type Guess<S> = (Embedding<4, 16>, LearnedPositions<8, 16>, TransformerEncoderLayer<16, 2, 32, PreNorm, Gelu, S>, LayerNorm<16>, Linear<16, 4>);
type Letters = Ids<4, Rank1<8>>;

/// The perplexity on letters that are drawn by chance, after training on others.
fn guessed<S: Sight>() -> Result<f64, Error> {
    let random = |seed: u64, samples: usize| {
        let ids: Vec<usize> = (0..9 * samples as u64).map(|i| (4.0 * Noise::new(seed).uniform(i)) as usize).collect();
        let part = |first: usize| ids.chunks_exact(9).flat_map(|ids| &ids[first..first + 8]).copied().collect();
        Dataset::<Letters, Labels<Const<4>, Rank1<8>>>::new(part(0), part(1))
    };
    let mut model = Model::<Net<Guess<S>, Letters, Rank2<8, 4>>>::new(0);
    let mut trainer = Trainer::new(TokenCrossEntropy::default(), Adam::new(1e-2)).epochs(4).batch_size(16).progress(Progress::Silent);
    trainer.fit(&mut model, &random(0, 800)?)?;
    Ok(f64::from(model.evaluate(&random(1, 200)?, &TokenCrossEntropy::default())?).exp())
}

fn exercise_3() -> formwork_book::Result {
    println!("perplexity: causal {:.2}, full {:.2}", guessed::<Causal>()?, guessed::<Full>()?);
    println!("a guess in one place of eight: {:.2}", 4_f64.powf(1.0 / 8.0));
    Ok(())
}
// ANCHOR_END: exercise-3
