//! The listings of the chapter `does-not-compile`: the repaired network, and one of its kind that learns to read digits.

use formwork::data::digits::{self, Digits};
use formwork::metrics::{self, ConfusionMatrix};
use formwork::plot::HeatMap;
use formwork::prelude::*;
use formwork::trainer::Progress;
use formwork_book::{picture, sections};

fn main() -> std::process::ExitCode {
    sections(&[
        ("repaired", repaired),
        ("untrained", untrained),
        ("training", training),
        ("confusion", confusion),
        ("exercise-1", exercise_1),
        ("exercise-2", exercise_2),
        ("exercise-3", exercise_3),
    ])
}

// ANCHOR: repaired
#[network([1, 28, 28] => [10])]
#[rustfmt::skip]
type LeNet = (
    Conv2d<1, 6, 5>, Relu,      // [6, 24, 24]
    MaxPool2d<2>,               // [6, 12, 12]
    Flatten,                    // [864]
    Linear<864, 120>, Relu,     // [120]
    Linear<120, 10>,            // [10]
);

const _: () = assert!(LeNet::SCALARS < 110_000); // a budget, checked with the shapes

fn repaired() -> formwork_book::Result {
    println!("{}", LeNet::summary());
    Ok(())
}
// ANCHOR_END: repaired

// ANCHOR: reader
#[network([1, 8, 8] => [10])]
#[rustfmt::skip]
type Reader = (
    Conv2d<1, 6, 3>, Relu,      // [6, 6, 6]
    MaxPool2d<2>,               // [6, 3, 3]
    Flatten,                    // [54]
    Linear<54, 32>, Relu,       // [32]
    Linear<32, 10>,             // [10]
);
// ANCHOR_END: reader

/// The digits: 1437 to learn from, 360 to test with, the same for every network of this chapter.
fn load() -> Result<(Digits, Digits), Error> {
    Ok(digits::load()?.split_stratified(360.0 / 1797.0, 0))
}

fn untrained() -> formwork_book::Result {
    let (_, test) = load()?;
    // ANCHOR: untrained
    let measured = Model::<Reader>::new(0).measure(&test, metrics::accuracy())?;
    println!("accuracy before training {:.3}", measured.matrix().accuracy());
    // ANCHOR_END: untrained
    if let Some(file) = picture("does-not-compile-network.svg") {
        std::fs::write(file, Reader::diagram().svg())?;
    }
    Ok(())
}

fn training() -> formwork_book::Result {
    // ANCHOR: training
    let (train, test) = digits::load()?.split_stratified(360.0 / 1797.0, 0); // as many of each digit in both parts
    let mut model = Model::<Reader>::new(0);
    let history = Trainer::new(CrossEntropy::default(), Adam::new(3e-3))
        .epochs(8)
        .batch_size(32)
        .validation(&test)
        .metric(metrics::accuracy())
        .progress(Progress::Silent)
        .fit(&mut model, &train)?;

    println!("epoch   loss  val_loss  val_accuracy");
    for row in history.rows() {
        println!("{:5} {:6.3} {:9.3} {:13.3}", row[0], row[1], row[2], row[3]);
    }
    // ANCHOR_END: training
    Ok(())
}

// ANCHOR: learned
/// A network for such images, trained as above, and how it reads the images for testing.
fn learned<N: Network<Input = Rank3<1, 8, 8>, Output = Rank1<10>>>() -> Result<ConfusionMatrix, Error> {
    let (train, test) = load()?;
    let mut model = Model::<N>::new(0);
    Trainer::new(CrossEntropy::default(), Adam::new(3e-3)).epochs(8).progress(Progress::Silent).fit(&mut model, &train)?;
    Ok(model.measure(&test, metrics::accuracy())?.matrix().clone())
}
// ANCHOR_END: learned

fn confusion() -> formwork_book::Result {
    // ANCHOR: confusion
    let matrix = learned::<Reader>()?;
    println!("{matrix}");
    // ANCHOR_END: confusion
    if let Some(file) = picture("does-not-compile-confusion.svg") {
        let cells = (0..10).flat_map(|class| (0..10).map(move |read| (class, read)));
        let pairs = cells.flat_map(|(class, read)| (0..matrix.count(class, read)).map(move |_| (class, read)));
        HeatMap::confusion(pairs, &["0", "1", "2", "3", "4", "5", "6", "7", "8", "9"])?.save(file)?;
    }
    Ok(())
}

// ANCHOR: exercise-1
#[network([1, 8, 8] => [10])]
#[rustfmt::skip]
type Padded = (
    Conv2d<1, 6, 3, 1, 1>, Relu, // [6, 8, 8]: kernel 3, stride 1, padding 1
    MaxPool2d<2>,                // [6, 4, 4]
    Flatten,                     // [96]
    Linear<96, 32>, Relu,        // [32]
    Linear<32, 10>,              // [10]
);

fn exercise_1() -> formwork_book::Result {
    println!("Reader: {} parameters, Padded: {}", Reader::SCALARS, Padded::SCALARS);
    println!("accuracy {:.3}", learned::<Padded>()?.accuracy());
    Ok(())
}
// ANCHOR_END: exercise-1

// ANCHOR: exercise-2
#[network([1, 8, 8] => [10])]
#[rustfmt::skip]
type Frugal = (
    Conv2d<1, 8, 3>, Relu,      // [8, 6, 6]
    MaxPool2d<2>,               // [8, 3, 3]
    Flatten,                    // [72]
    Linear<72, 10>,             // [10]
);

const _: () = assert!(Frugal::SCALARS <= 1000);

fn exercise_2() -> formwork_book::Result {
    println!("{} parameters, accuracy {:.3}", Frugal::SCALARS, learned::<Frugal>()?.accuracy());
    Ok(())
}
// ANCHOR_END: exercise-2

fn exercise_3() -> formwork_book::Result {
    // ANCHOR: exercise-3
    let matrix = learned::<Reader>()?;
    let mut classes: Vec<usize> = (0..10).collect();
    classes.sort_by(|&a, &b| matrix.f1(a).total_cmp(&matrix.f1(b)));
    for class in &classes[..3] {
        println!("{class}: precision {:.3}, recall {:.3}, F1 {:.3}", matrix.precision(*class), matrix.recall(*class), matrix.f1(*class));
    }
    // ANCHOR_END: exercise-3
    Ok(())
}
