//! The listings of the chapter `types`: what networks are as data, and what is known of them before they run.

use formwork::metrics;
use formwork::plot::Curves;
use formwork::prelude::*;
use formwork::trainer::Progress;
use formwork::types::{Dims, Parts, Times, infer};
use formwork_book::{Result, picture};
use std::process::ExitCode;

fn main() -> ExitCode {
    formwork_book::sections(&[
        ("data", data),
        ("rule", rule),
        ("constants", constants),
        ("summary", summary),
        ("diagram", diagram),
        ("blocks", blocks),
        ("widths", widths),
        ("exercise-1", exercise_1),
        ("exercise-2", exercise_2),
        ("exercise-3", exercise_3),
    ])
}

// ANCHOR: reader
#[network([1, 8, 8] => [10])]
#[rustfmt::skip]
pub type Reader = (
    Conv2d<1, 8, 3, 1, 1>, Relu, MaxPool2d<2>, // [8, 4, 4]
    Residual<(Conv2d<8, 8, 3, 1, 1>, Relu)>,   // [8, 4, 4]
    Flatten,                                   // [128]
    Linear<128, 10>,                           // [10]
);
// ANCHOR_END: reader

// ANCHOR: walk
/// Prints a layer and what is inside it, from its data alone.
fn walk(spec: &Spec, depth: usize) {
    let indent = "  ".repeat(depth);
    match spec {
        Spec::Leaf(leaf) => println!("{indent}leaf {}", leaf.label()),
        Spec::Named { name, body, .. } => {
            println!("{indent}named {name}");
            walk(body, depth + 1);
        }
        Spec::Chain(chain) => {
            println!("{indent}chain of {}", chain.fields.len());
            chain.fields.iter().for_each(|field| walk(field.spec, depth + 1));
        }
        Spec::Branch(branch) => {
            println!("{indent}branches, {:?}", branch.join);
            branch.fields.iter().for_each(|field| walk(field.spec, depth + 1));
        }
        _ => println!("{indent}something else"),
    }
}
// ANCHOR_END: walk

fn data() -> Result {
    walk(Reader::SPEC, 0);
    println!("a value of the type takes {} bytes", size_of::<Reader>());
    Ok(())
}

// ANCHOR: rule
/// What becomes of one sample, in a constant: how many numbers come out, or none if the layers do not fit.
const fn made(spec: &Spec, sample: &[usize]) -> Option<usize> {
    match infer(spec, Parts::alone(Dims::new(sample))) {
        Ok(output) => Some(output.numel()),
        Err(_) => None,
    }
}

const OF_AN_IMAGE: Option<usize> = made(Reader::SPEC, &[1, 8, 8]);
const OF_TWO_CHANNELS: Option<usize> = made(Reader::SPEC, &[2, 8, 8]);
const OF_A_LARGER_ONE: Option<usize> = made(Reader::SPEC, &[1, 28, 28]);
// ANCHOR_END: rule

fn rule() -> Result {
    println!("[1, 8, 8]:   {OF_AN_IMAGE:?}");
    println!("[2, 8, 8]:   {OF_TWO_CHANNELS:?}");
    println!("[1, 28, 28]: {OF_A_LARGER_ONE:?}");
    Ok(())
}

// ANCHOR: constants
const _: () = assert!(Reader::SCALARS < 2_000, "the weights must fit into 8 kB");
const _: () = assert!(Reader::FLOPS < 100_000, "a sample must take less than a millisecond at 100 MFLOP/s");

fn constants() -> Result {
    println!("parameters:      {}", Reader::SCALARS);
    println!("FLOPs:           {}", Reader::FLOPS);
    println!("activations:     {}", Reader::ACTIVATIONS);
    println!("receptive field: {:?}", Reader::RECEPTIVE_FIELD);
    // An array whose length is the number of parameters: only a constant can be one.
    let gradients = [0.0f32; Reader::SCALARS];
    println!("bytes:           {}", size_of_val(&gradients));
    for parameter in Reader::parameters() {
        println!("{:15}  {}", parameter.name, parameter.dims);
    }
    Ok(())
}
// ANCHOR_END: constants

fn summary() -> Result {
    println!("{}", Reader::summary());
    Ok(())
}

// ANCHOR: diagram
fn diagram() -> Result {
    println!("{}", Reader::diagram().mermaid());
    if let Some(file) = picture("types-reader.svg") {
        std::fs::write(file, Reader::diagram().svg())?;
    }
    Ok(())
}
// ANCHOR_END: diagram

// ANCHOR: blocks
/// With arithmetic on numbers.
#[block]
type FeedForward<const D: usize> = Residual<(LayerNorm<D>, Linear<D, { 4 * D }>, Gelu, Linear<{ 4 * D }, D>)>;

/// With arithmetic on types.
type FeedForwardOf<D> = Residual<(generic::LayerNorm<D>, generic::Linear<D, Times<Const<4>, D>>, Gelu, generic::Linear<Times<Const<4>, D>, D>)>;

/// A stack of blocks, each with parameters of its own.
#[network([16, 32] => [16, 32])]
type Stack = Repeat<FeedForward<32>, 6>;

/// The parameters of a block as a function of its size.
fn scalars<D: Size>() -> usize {
    formwork::types::scalars(<FeedForwardOf<D> as Layer>::SPEC)
}
// ANCHOR_END: blocks

fn blocks() -> Result {
    println!("D = 32: {} and {}", formwork::types::scalars(<FeedForward<32> as Layer>::SPEC), scalars::<Const<32>>());
    println!("D = 64: {}", scalars::<Const<64>>());
    println!("six of them: {}", Stack::SCALARS);
    println!("the last parameter: {}", Stack::parameters().last().map_or("none", |parameter| &parameter.name));
    Ok(())
}

// ANCHOR: widths
/// A network for each width `W`: a generic alias of `Net`, which carries the shapes as types.
type Mlp<const W: usize> = Net<(Flatten, Linear<64, W>, Relu, Linear<W, 10>), Rank3<1, 8, 8>, Rank1<10>>;

// Proved at `cargo check` for one width, and so for all: no rule here depends on `W` being 32.
formwork::check!(Mlp<32>);

/// The share of the test images that a network of this width reads correctly.
fn trained<const W: usize>() -> std::result::Result<f64, Error> {
    let (train, test) = formwork::data::digits::load()?.split_stratified(0.2, 0);
    let mut model = Model::<Mlp<W>>::new(0);
    let trainer = Trainer::new(CrossEntropy::default(), Adam::new(0.005)).epochs(6).progress(Progress::Silent);
    trainer.metric(metrics::accuracy()).fit(&mut model, &train)?;
    Ok(model.measure(&test, metrics::accuracy())?.matrix().accuracy())
}

/// Width, parameters, FLOPs: a table that the compiler computes.
const TABLE: [(usize, usize, usize); 5] = [row::<2>(), row::<4>(), row::<8>(), row::<16>(), row::<32>()];

const fn row<const W: usize>() -> (usize, usize, usize) {
    (W, Mlp::<W>::SCALARS, Mlp::<W>::FLOPS)
}
// ANCHOR_END: widths

fn widths() -> Result {
    let accuracies = [trained::<2>()?, trained::<4>()?, trained::<8>()?, trained::<16>()?, trained::<32>()?];
    println!("width  parameters  FLOPs  test accuracy");
    for ((width, parameters, flops), accuracy) in TABLE.iter().zip(accuracies) {
        println!("{width:5}  {parameters:10}  {flops:5}  {accuracy:13.3}");
    }
    if let Some(file) = picture("types-widths.svg") {
        let points = TABLE.iter().zip(accuracies).map(|(row, accuracy)| (row.1 as f64, 1.0 - accuracy));
        Curves::new("parameters", "share of test images misread").curve("widths 2, 4, 8, 16 and 32", points).save(file)?;
    }
    Ok(())
}

// ANCHOR: exercise-1
#[block]
type Bottleneck<const C: usize> = Residual<(Conv2d<C, { C / 4 }, 1>, Relu, Conv2d<{ C / 4 }, { C / 4 }, 3, 1, 1>, Relu, Conv2d<{ C / 4 }, C, 1>)>;

/// What the three convolutions have, by hand: weights and biases.
const fn by_hand(c: usize) -> usize {
    let narrow = c / 4;
    (c * narrow + narrow) + (9 * narrow * narrow + narrow) + (narrow * c + c)
}

#[network([64, 8, 8] => [64, 8, 8])]
type Tower = Repeat<Bottleneck<64>, 3>;

const _: () = assert!(Tower::SCALARS == 3 * by_hand(64));
// ANCHOR_END: exercise-1

fn exercise_1() -> Result {
    println!("{} parameters; of three plain residual convolutions of 3 x 3: {}", Tower::SCALARS, 3 * (9 * 64 * 64 + 64));
    Ok(())
}

// ANCHOR: exercise-2
/// Convolutions of 3 x 3 on an image of 28 x 28 that keep its size.
type Deep<const N: usize> = Net<Repeat<Conv2d<1, 1, 3, 1, 1>, N>, Rank3<1, 28, 28>, Rank3<1, 28, 28>>;

const fn sees_all<const N: usize>() -> bool {
    matches!(Deep::<N>::RECEPTIVE_FIELD, Some([28, 28]))
}

const _: () = assert!(!sees_all::<13>() && sees_all::<14>());
// ANCHOR_END: exercise-2

fn exercise_2() -> Result {
    println!("3 layers see {:?}, 13 see {:?}, 14 see {:?}", Deep::<3>::RECEPTIVE_FIELD, Deep::<13>::RECEPTIVE_FIELD, Deep::<14>::RECEPTIVE_FIELD);
    Ok(())
}

// ANCHOR: exercise-3
/// The size `8 D / 3`, up to the next multiple of 8.
struct TwoThirds<D>(std::marker::PhantomData<D>);

impl<D: Size> Size for TwoThirds<D> {
    const SIZE: usize = (8 * D::SIZE / 3).next_multiple_of(8);
}

type Narrow<D> = Residual<(generic::Linear<D, TwoThirds<D>>, Silu, generic::Linear<TwoThirds<D>, D>)>;

formwork::check!(Net<Narrow<Const<100>>, Rank1<100>, Rank1<100>>);
// ANCHOR_END: exercise-3

fn exercise_3() -> Result {
    println!("{}", Net::<Narrow<Const<100>>, Rank1<100>, Rank1<100>>::parameters()[0].dims);
    Ok(())
}
