//! The listings of the chapter `sequences`: what recurrent networks remember, how far back, and by which gates.

use formwork::Noise;
use formwork::metrics;
use formwork::plot::Curves;
use formwork::prelude::*;
use formwork::trainer::Progress;
use formwork::types::{Padding, With};
use formwork_book::{picture, sections};

fn main() -> std::process::ExitCode {
    sections(&[
        ("embedding", embedding),
        ("rnn", rnn),
        ("gradients", gradients),
        ("gates", gates),
        ("recall", recall),
        ("padding", padding),
        ("stream", stream),
        ("state", state),
        ("exercise-1", exercise_1),
        ("exercise-2", exercise_2),
        ("exercise-3", exercise_3),
    ])
}

// ANCHOR: embedding
#[network([ids < 27; 4] => [4, 2])]
type Letters = Embedding<27, 2>; // [T] -> [T, D]

fn embedding() -> formwork_book::Result {
    let word = "abba";
    let ids = word.bytes().map(|letter| usize::from(letter - b'a')).collect();
    let words = Dataset::<<Letters as Network>::Input, Class<1>>::new(ids, vec![0])?;
    let vectors = Model::<Letters>::new(0).predict(&words.all())?;
    for (letter, x) in word.chars().zip(vectors.chunks_exact(2)) {
        println!("{letter}  {:6.3} {:6.3}", x[0], x[1]);
    }
    Ok(())
}
// ANCHOR_END: embedding

// ANCHOR: rnn
#[network([5, 1] => [5, 2])]
type Small = Rnn<1, 2>; // [T, I] -> [T, H]

/// A number at the first step, and nothing behind it.
const PULSE: [f32; 5] = [1.0, 0.0, 0.0, 0.0, 0.0];

fn rnn() -> formwork_book::Result {
    let model = Model::<Small>::new(0);
    let data = Dataset::<Rank2<5, 1>, Class<1>>::new(PULSE.to_vec(), vec![0])?;
    let states = model.predict(&data.all())?;
    let [w_ih, w_hh, b_ih, b_hh] = [0, 1, 2, 3].map(|i| model.parameters()[Small::parameters()[i].range()].to_vec());
    let mut h = [0.0; 2];
    for (t, x) in PULSE.iter().enumerate() {
        h = [0, 1].map(|i| (w_ih[i] * x + b_ih[i] + w_hh[2 * i] * h[0] + w_hh[2 * i + 1] * h[1] + b_hh[i]).tanh());
        println!("step {t}: x = {x}, by hand {:6.3} {:6.3}, by the layer {:6.3} {:6.3}", h[0], h[1], states[2 * t], states[2 * t + 1]);
    }
    Ok(())
}
// ANCHOR_END: rnn

// ANCHOR: far
/// How long the sequences are.
const STEPS: usize = 24;

/// Sequences `[T, I]`, and the last state of a layer, `[H]`.
type Far<L> = Net<Last<L>, Rank2<STEPS, 8>, Rank1<32>>;

/// The norm of the gradient with respect to each input, from the last to the first, divided by that of the last.
fn reach<L: Layer + 'static>(mut model: Model<Far<L>>) -> Result<Vec<f64>, Error> {
    let uniform = |i: u64| 2.0 * Noise::new(0).uniform(i) as f32 - 1.0;
    let inputs = (0..64 * STEPS as u64 * 8).map(uniform).collect();
    let targets = (0..64 * 32).map(|i| uniform(1_000_000 + i)).collect();
    let data = Dataset::<Rank2<STEPS, 8>, Values<Rank1<32>>>::new(inputs, targets)?;

    let gradients = model.gradients(&data.all(), &Mse)?.inputs; // [B, T, I]
    let mut squares = [0.0; STEPS];
    for (i, step) in gradients.chunks_exact(8).enumerate() {
        squares[STEPS - 1 - i % STEPS] += step.iter().map(|&g| f64::from(g).powi(2)).sum::<f64>();
    }
    Ok(squares.iter().map(|square| (square / squares[0]).sqrt()).collect())
}
// ANCHOR_END: far

// ANCHOR: remembering
/// A new LSTM with a number added to the biases of its forget gates, which are the second quarter of the four gates.
fn remembering<N: Network>(forget_bias: f32) -> Result<Model<N>, Error> {
    let mut model = Model::<N>::new(0);
    let mut numbers = model.parameters();
    for bias in N::parameters().iter().filter(|param| param.name.ends_with("bias_hh_l0")) {
        let gate = bias.range().len() / 4;
        numbers[bias.range()][gate..2 * gate].iter_mut().for_each(|b| *b += forget_bias);
    }
    model.set_parameters(&numbers)?;
    Ok(model)
}
// ANCHOR_END: remembering

fn gradients() -> formwork_book::Result {
    // ANCHOR: gradients
    let curves = [
        ("RNN", reach(Model::<Far<Rnn<8, 32>>>::new(0))?),
        ("GRU", reach(Model::<Far<Gru<8, 32>>>::new(0))?),
        ("LSTM", reach(Model::<Far<Lstm<8, 32>>>::new(0))?),
        ("LSTM, bias 3", reach(remembering::<Far<Lstm<8, 32>>>(3.0)?)?),
    ];
    println!("{:>8}{}", "distance", curves.iter().map(|(name, _)| format!("{name:>14}")).collect::<String>());
    for distance in [0, 1, 5, 10, 15, 23] {
        println!("{distance:8}{}", curves.iter().map(|(_, norms)| format!("{:14.0e}", norms[distance])).collect::<String>());
    }
    // ANCHOR_END: gradients
    if let Some(file) = picture("sequences-gradients.svg") {
        let points = |norms: &[f64]| norms.iter().enumerate().map(|(t, norm)| (t as f64, *norm)).collect::<Vec<_>>();
        let all = Curves::new("steps before the last", "gradient, relative to the last input").log_scale();
        curves.iter().fold(all, |all, (name, norms)| all.curve(name, points(norms))).save(file)?;
    }
    Ok(())
}

// ANCHOR: gates
#[network([6, 2] => [6, 1])]
type Latch = Lstm<2, 1>;

fn gates() -> formwork_book::Result {
    #[rustfmt::skip]
    let parameters = [
        0.0, 10.0,  // weight_ih_l0, row i: lets in where there is a mark
        0.0, -10.0, // f: forgets there
        1.0, 0.0,   // g: the number
        0.0, 0.0,   // o
        0.0, 0.0, 0.0, 0.0,  // weight_hh_l0: what was given out is not looked at
        -5.0, 5.0, 0.0, 5.0, // bias_ih_l0: i shut, f open, g, o open
        0.0, 0.0, 0.0, 0.0,  // bias_hh_l0
    ];
    show_latch::<Latch>(&parameters)
}

/// Shows numbers, some of them marked, to a network with these parameters.
fn show_latch<N: Network<Input = Rank2<6, 2>>>(parameters: &[f32]) -> formwork_book::Result {
    let mut model = Model::<N>::new(0);
    model.set_parameters(parameters)?;
    let mut stream = model.stream();
    for [number, mark] in [[0.3, 0.0], [0.8, 1.0], [-0.5, 0.0], [0.1, 0.0], [-0.6, 1.0], [0.9, 0.0]] {
        let h = stream.next(vec![number, mark])?;
        println!("number {number:4.1}  mark {mark}  output {:6.3}", h[0]);
    }
    Ok(())
}
// ANCHOR_END: gates

// ANCHOR: marked
/// Letters a to d; one of them is a capital, and which one is asked for behind the last.
type Marked = Dataset<Ids<8, Rank1<STEPS>>, Class<4>>;

/// Sequences whose capital stands as many steps before the last as `distance` says for a number between 0 and 1.
fn marked(samples: u64, noise: Noise, distance: impl Fn(f64) -> usize) -> Result<Marked, Error> {
    let (mut inputs, mut targets) = (Vec::new(), Vec::new());
    for noise in (0..samples).map(|sample| noise.split(sample)) {
        let mut ids: Vec<usize> = (0..STEPS as u64).map(|t| (4.0 * noise.uniform(t)) as usize).collect();
        let place = STEPS - 1 - distance(noise.uniform(STEPS as u64));
        targets.push(ids[place]);
        ids[place] += 4; // A to D are the ids 4 to 7
        inputs.extend(ids);
    }
    Marked::new(inputs, targets)
}

/// Reads the letters with a layer whose state is 16 numbers.
type Recaller<L> = Net<(Embedding<8, 8>, Last<L>, Linear<16, 4>), Ids<8, Rank1<STEPS>>, Rank1<4>>;
// ANCHOR_END: marked

// ANCHOR: learned
const DISTANCES: [usize; 6] = [0, 1, 5, 10, 15, 23];

/// The accuracy over distance, after training on capitals at some distances.
fn learned<L: Layer + 'static>(mut model: Model<Recaller<L>>, distance: impl Fn(f64) -> usize) -> Result<String, Error> {
    let train = marked(600, Noise::new(0), distance)?;
    let optimizer = Adam::new(1e-2).clip_norm(1.0);
    Trainer::new(CrossEntropy::default(), optimizer).epochs(5).batch_size(16).progress(Progress::Silent).fit(&mut model, &train)?;
    let at = |distance: usize| {
        let test = marked(100, Noise::new(1), |_| distance)?;
        Ok(format!("{:6.2}", model.measure(&test, metrics::accuracy())?.matrix().accuracy()))
    };
    DISTANCES.into_iter().map(at).collect()
}
// ANCHOR_END: learned

fn recall() -> formwork_book::Result {
    // ANCHOR: recall
    let anywhere = |uniform: f64| (uniform * STEPS as f64) as usize;
    println!("distance {}", DISTANCES.map(|distance| format!("{distance:6}")).concat());
    println!("RNN      {}", learned(Model::<Recaller<Rnn<8, 16>>>::new(0), anywhere)?);
    println!("GRU      {}", learned(Model::<Recaller<Gru<8, 16>>>::new(0), anywhere)?);
    println!("LSTM     {}", learned(Model::<Recaller<Lstm<8, 16>>>::new(0), anywhere)?);
    // ANCHOR_END: recall
    Ok(())
}

// ANCHOR: padding
/// Words of up to six letters, read in both directions, and scores of three classes.
type Words<I> = Net<(Embedding<27, 4>, Last<Bidirectional<Gru<4, 5>>>, Linear<10, 3>), I, Rank1<3>>;

type Exact = Words<Ids<27, Rank1<3>>>; // [3]
type Blanks = Words<Ids<27, Rank1<6>>>; // [6]
type Padded = Words<With<Ids<27, Rank1<6>>, (Padding<Rank1<6>>,)>>; // [6], padding: [6]

fn padding() -> formwork_book::Result {
    println!("exact     {}", scores::<Exact>(vec![3, 1, 20])?);
    println!("blanks    {}", scores::<Blanks>(vec![3, 1, 20, 0, 0, 0])?);
    println!("padding   {}", scores::<Padded>((vec![3, 1, 20, 0, 0, 0], vec![0.0, 0.0, 0.0, 1.0, 1.0, 1.0]))?);
    Ok(())
}

fn scores<N: Network>(word: <N::Input as Sample>::Numbers<f32>) -> Result<String, Error> {
    let word = Dataset::<N::Input, Class<3>>::new(word, vec![0])?;
    let scores = Model::<N>::new(0).predict(&word.all())?;
    Ok(scores.iter().map(|score| format!("{score:8.3}")).collect())
}
// ANCHOR_END: padding

// ANCHOR: stream
#[network([ids < 27; 8] => [8, 27])]
type Speller = (Embedding<27, 8>, Lstm<8, 16, 2>, Linear<16, 27>); // [T] -> [T, V], two layers of LSTM

const WORD: [usize; 8] = [6, 15, 18, 13, 23, 15, 18, 11]; // formwork

fn stream() -> formwork_book::Result {
    let model = Model::<Speller>::new(0);
    let word = Dataset::<Ids<27, Rank1<8>>, Class<1>>::new(WORD.to_vec(), vec![0])?;
    let whole = model.predict(&word.all())?; // [T * V]
    let mut stream = model.stream();
    let mut largest: f32 = 0.0;
    for (letter, expected) in WORD.into_iter().zip(whole.chunks_exact(27)) {
        let scores = stream.next(vec![letter])?; // [V]
        largest = scores.iter().zip(expected).fold(largest, |largest, (a, b)| largest.max((a - b).abs()));
    }
    println!("largest difference below a millionth: {}", largest < 1e-6);
    println!("behind the last: {}", stream.next(vec![0]).unwrap_err());
    Ok(())
}
// ANCHOR_END: stream

// ANCHOR: state
#[network({ x: [ids < 27; 4], hidden: [2, 16], cell: [2, 16] } => { x: [4, 27], hidden: [2, 16], cell: [2, 16] })]
type Half = (Embedding<27, 8>, WithState<Lstm<8, 16, 2>>, Linear<16, 27>);

fn state() -> formwork_book::Result {
    let model = Model::<Half>::new(0); // the parameters of the `Speller`, since seed and layers are the same
    let device = model.device();
    let (first, second) = (device.tensor([[6, 15, 18, 13]]), device.tensor([[23, 15, 18, 11]])); // [B, T]
    let (_, hidden, cell) = model.try_forward::<Const<1>>((first, device.zeros(), device.zeros()))?;
    let (goes_on, _, _) = model.try_forward::<Const<1>>((second.clone(), hidden, cell))?;
    let (begins, _, _) = model.try_forward::<Const<1>>((second, device.zeros(), device.zeros()))?;

    let word = Dataset::<Ids<27, Rank1<8>>, Class<1>>::new(WORD.to_vec(), vec![0])?;
    let whole = Model::<Speller>::new(0).predict(&word.all())?;
    println!("score of k behind formwor, in one go: {:.4}", whole[6 * 27 + 11]);
    println!("in two halves, with the state:        {:.4}", goes_on.array()[0][2][11]);
    println!("of the second half alone:             {:.4}", begins.array()[0][2][11]);
    Ok(())
}
// ANCHOR_END: state

// ANCHOR: exercise-1
type Wide = Net<Lstm<8, 32>, Rank2<STEPS, 8>, Rank2<STEPS, 32>>;
type Fits = Net<Gru<8, 37>, Rank2<STEPS, 8>, Rank2<STEPS, 37>>;
type Exceeds = Net<Gru<8, 38>, Rank2<STEPS, 8>, Rank2<STEPS, 38>>;

const _: () = assert!(Fits::SCALARS <= Wide::SCALARS && Wide::SCALARS < Exceeds::SCALARS);

fn exercise_1() -> formwork_book::Result {
    println!("Lstm<8, 32>: {}, Gru<8, 37>: {}, Gru<8, 38>: {}", Wide::SCALARS, Fits::SCALARS, Exceeds::SCALARS);
    Ok(())
}
// ANCHOR_END: exercise-1

fn exercise_2() -> formwork_book::Result {
    // ANCHOR: exercise-2
    let far = |_| STEPS - 1;
    println!("distance        {}", DISTANCES.map(|distance| format!("{distance:6}")).concat());
    println!("LSTM            {}", learned(Model::<Recaller<Lstm<8, 16>>>::new(0), far)?);
    println!("LSTM with bias 3{}", learned(remembering::<Recaller<Lstm<8, 16>>>(3.0)?, far)?);
    // ANCHOR_END: exercise-2
    Ok(())
}

// ANCHOR: exercise-3
#[network([6, 2] => [6, 1])]
type GruLatch = Gru<2, 1>;

fn exercise_3() -> formwork_book::Result {
    #[rustfmt::skip]
    let parameters = [
        0.0, 0.0,   // weight_ih_l0, row r: the state is not looked at, so it does not matter
        0.0, -10.0, // z: renews where there is a mark
        1.0, 0.0,   // n: the number
        0.0, 0.0, 0.0, // weight_hh_l0
        0.0, 5.0, 0.0, // bias_ih_l0: r, z, n
        0.0, 0.0, 0.0, // bias_hh_l0
    ];
    show_latch::<GruLatch>(&parameters)
}
// ANCHOR_END: exercise-3
