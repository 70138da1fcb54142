//! The listings of the chapter `images`: filters that are written down, and a network that learns its own.

use dfdx::prelude::{PermuteTo, TryMatMul};
use formwork::data::digits::{self, Digits};
use formwork::data::{Shift, Source};
use formwork::filters::{Border, Image, Mode, convolution_matrix, gaussian, laplace, mean, median, sobel_x, sobel_y};
use formwork::layers::filter::{Filter, Sobel, X, Zeros};
use formwork::metrics;
use formwork::plot::Images;
use formwork::prelude::*;
use formwork::trainer::Progress;
use formwork_book::{picture, sections};

fn main() -> std::process::ExitCode {
    sections(&[
        ("filters", filters),
        ("edges", edges),
        ("matrix", matrix),
        ("flipped", flipped),
        ("layer", layer),
        ("sizes", sizes),
        ("pooling", pooling),
        ("receptive-field", receptive_field),
        ("seen", seen),
        ("gradients", gradients),
        ("gradient-check", gradient_check),
        ("summary", summary),
        ("training", training),
        ("moved", moved),
        ("exercise-1", exercise_1),
        ("exercise-2", exercise_2),
        ("exercise-3", exercise_3),
        ("exercise-4", exercise_4),
    ])
}

/// Height and width of the drawn image.
const SIZE: usize = 14;

/// A disc and a bar on a background that grows brighter to the right.
fn drawing() -> Result<Image, Error> {
    let shade = |y: f32, x: f32| {
        if (y - 5.0).hypot(x - 4.5) < 3.5 {
            0.9
        } else if (10.0..12.0).contains(&y) && (3.0..12.0).contains(&x) {
            0.1
        } else {
            0.4 + 0.02 * x
        }
    };
    let pixels = (0..SIZE * SIZE).map(|i| shade((i / SIZE) as f32, (i % SIZE) as f32)).collect();
    Image::new(SIZE, SIZE, pixels)
}

/// The same with some pixels black or white, as a bad sensor makes them; and where those are.
fn spotted(image: &Image) -> Result<(Image, Vec<usize>), Error> {
    let noise = formwork::Noise::new(3);
    let spots: Vec<usize> = (0..SIZE * SIZE).filter(|&i| noise.uniform(i as u64) < 0.06).collect();
    let mut pixels = image.pixels().to_vec();
    for (nth, &spot) in spots.iter().enumerate() {
        pixels[spot] = (nth % 2) as f32;
    }
    Ok((Image::new(SIZE, SIZE, pixels)?, spots))
}

/// The root of the mean square difference.
fn difference(a: &Image, b: &Image) -> f32 {
    let squares: f32 = a.pixels().iter().zip(b.pixels()).map(|(a, b)| (a - b) * (a - b)).sum();
    (squares / a.pixels().len() as f32).sqrt()
}

fn filters() -> formwork_book::Result {
    // ANCHOR: filters
    let clean = drawing()?; // a disc and a bar, 14 x 14 pixels from 0 to 1
    let (image, spots) = spotted(&clean)?;
    println!("{} spots of {} pixels", spots.len(), image.pixels().len());
    println!("{:20} {:>8} {:>8}", "difference to clean", "spotted", "clean");
    let blur: [(&str, fn(&Image) -> Result<Image, Error>); 4] = [
        ("no filter", |image| Ok(image.clone())),
        ("box, 3 x 3", |image| mean(image, 3, Border::Reflect)),
        ("Gaussian, sigma 1", |image| gaussian(image, 1.0, 3.0, Border::Reflect)),
        ("median, 3 x 3", |image| median(image, 3, Border::Reflect)),
    ];
    for (name, filter) in blur {
        println!("{name:20} {:8.3} {:8.3}", difference(&filter(&image)?, &clean), difference(&filter(&clean)?, &clean));
    }
    // ANCHOR_END: filters
    let smooth = median(&image, 3, Border::Reflect)?;
    let (x, y) = (sobel_x(&smooth, Border::Reflect)?, sobel_y(&smooth, Border::Reflect)?);
    let shown = [
        &image,
        &mean(&image, 3, Border::Reflect)?,
        &gaussian(&image, 1.0, 3.0, Border::Reflect)?,
        &smooth,
        &x,
        &y,
        &steepness(&x, &y)?,
        &laplace(&smooth, Border::Reflect)?,
    ];
    if let Some(file) = picture("images-filters.svg") {
        let pixels: Vec<f32> = shown.iter().flat_map(|image| image.pixels().to_vec()).collect();
        Images::new(&pixels, [shown.len(), 1, SIZE, SIZE])?.columns(4).zoom(12).save(file)?;
    }
    Ok(())
}

/// How steep an image is, in whatever direction.
fn steepness(x: &Image, y: &Image) -> Result<Image, Error> {
    Image::new(x.height(), x.width(), x.pixels().iter().zip(y.pixels()).map(|(x, y)| x.hypot(*y)).collect())
}

// ANCHOR: edges
fn edges() -> formwork_book::Result {
    let step = Image::new(3, 8, [0.0, 0.0, 0.0, 0.0, 1.0, 1.0, 1.0, 1.0].repeat(3))?; // three rows, all alike
    let row = |image: Image<f64>| image.pixels()[8..16].to_vec(); // the middle one
    println!("image     {:5.2?}", row(step.clone()));
    println!("box       {:5.2?}", row(mean(&step, 3, Border::Nearest)?));
    println!("Gaussian  {:5.2?}", row(gaussian(&step, 1.0, 3.0, Border::Nearest)?));
    println!("median    {:5.2?}", row(median(&step, 3, Border::Nearest)?));
    println!("Sobel, x  {:5.2?}", row(sobel_x(&step, Border::Nearest)?));
    println!("Sobel, y  {:5.2?}", row(sobel_y(&step, Border::Nearest)?));
    println!("Laplace   {:5.2?}", row(laplace(&step, Border::Nearest)?));
    Ok(())
}
// ANCHOR_END: edges

// ANCHOR: matrix
fn matrix() -> formwork_book::Result {
    let kernel = [1.0_f64, 2.0, 3.0];
    let matrix = convolution_matrix(&kernel, 5, Mode::Full)?; // [5 + 3 - 1, 5]
    for row in matrix.as_vec().chunks_exact(5) {
        println!("{row:3.0?}");
    }
    let signal = matrix.device().tensor_from_vec(vec![1.0, 0.0, 0.0, 10.0, 0.0], (5, 1)); // a column
    println!("times a signal: {:?}", matrix.matmul(signal).as_vec());
    for mode in [Mode::Full, Mode::Same, Mode::Valid] {
        println!("{mode:?}: {} numbers", convolution_matrix(&kernel, 5, mode)?.shape().0);
    }
    Ok(())
}
// ANCHOR_END: matrix

// ANCHOR: flipped
/// A kernel of three numbers along a signal of six.
#[network([1, 6] => [1, 4])]
type Along = NoBias<Conv1d<1, 1, 3>>;

/// Signals with targets, which the gradients need.
type Signals = Dataset<Rank2<1, 6>, Values<Rank2<1, 4>>, f64>;

const SIGNAL: [f64; 6] = [0.0, 1.0, 3.0, 6.0, 10.0, 15.0];
const WEIGHTS: [f64; 3] = [-1.0, 0.0, 1.0];

/// The layer with these weights, and the signal with targets of zero.
fn along() -> Result<(Model<Along, f64>, Signals), Error> {
    let mut model = Model::<Along, f64>::on(&formwork::device()?, 0);
    model.set_parameters(&WEIGHTS)?;
    Ok((model, Dataset::new(SIGNAL.to_vec(), vec![0.0; 4])?))
}

/// The product of the matrix of a kernel with a signal, where the kernel lies on it as a whole.
fn convolved(kernel: &[f64], signal: &[f64]) -> Result<Vec<f64>, Error> {
    let matrix = convolution_matrix(kernel, signal.len(), Mode::Valid)?;
    let column = matrix.device().tensor_from_vec(signal.to_vec(), (signal.len(), 1));
    Ok(matrix.matmul(column).as_vec())
}

fn flipped() -> formwork_book::Result {
    let (model, data) = along()?;
    let turned: Vec<f64> = WEIGHTS.iter().rev().copied().collect();
    println!("Conv1d with w:              {:?}", model.predict(&data.all())?);
    println!("convolution with w:         {:?}", convolved(&WEIGHTS, &SIGNAL)?);
    println!("convolution with w, turned: {:?}", convolved(&turned, &SIGNAL)?);
    Ok(())
}
// ANCHOR_END: flipped

// ANCHOR: layer
/// A convolution that keeps the size: kernel 3, stride 1, padding 1.
#[network([1, 14, 14] => [1, 14, 14])]
type Learned = NoBias<Conv2d<1, 1, 3, 1, 1>>;

/// The same with weights that are part of the type.
#[network([1, 14, 14] => [1, 14, 14])]
type Fixed = Filter<Zeros, Sobel<X>>;

fn layer() -> formwork_book::Result {
    let image = drawing()?;
    let data = Dataset::<Rank3<1, 14, 14>, Class<2>>::new(image.pixels().to_vec(), vec![0])?;
    let mut learned = Model::<Learned>::on(&formwork::device()?, 0);
    learned.set_parameters(&[-1.0, 0.0, 1.0, -2.0, 0.0, 2.0, -1.0, 0.0, 1.0])?;
    let fixed = Model::<Fixed>::on(&formwork::device()?, 0);
    let expected = sobel_x(&image, Border::Constant(0.0))?;
    let largest = |given: Vec<f32>| given.iter().zip(expected.pixels()).fold(0.0, |max: f32, (a, b)| max.max((a - b).abs()));
    println!("Conv2d, {} parameters: differs from sobel_x by less than 1e-5: {}", Learned::SCALARS, largest(learned.predict(&data.all())?) < 1e-5);
    println!("Filter, {} parameters: differs from sobel_x by less than 1e-5: {}", Fixed::SCALARS, largest(fixed.predict(&data.all())?) < 1e-5);
    Ok(())
}
// ANCHOR_END: layer

// ANCHOR: sizes
#[network([1, 28, 28] => [1, 26, 26])]
type Plain3 = Conv2d<1, 1, 3>;

#[network([1, 28, 28] => [1, 28, 28])]
type Padded = Conv2d<1, 1, 3, 1, 1>; // padding 1

#[network([1, 28, 28] => [1, 14, 14])]
type Strided = Conv2d<1, 1, 3, 2, 1>; // stride 2

#[network([1, 28, 28] => [1, 24, 24])]
type Dilated = Conv2d<1, 1, 3, 1, 0, 2>; // dilation 2

/// The formula: `n` pixels, kernel `k`, stride `s`, padding `p`, dilation `d`.
const fn size(n: usize, k: usize, s: usize, p: usize, d: usize) -> usize {
    (n + 2 * p - d * (k - 1) - 1) / s + 1
}

/// The height of the images that a network returns.
fn returned<N: Network<Output: ConstShape<Concrete = [usize; 3]>>>() -> usize {
    N::Output::default().concrete()[1]
}

fn sizes() -> formwork_book::Result {
    println!("k s p d  formula  type");
    println!("3 1 0 1  {:7}  {:4}", size(28, 3, 1, 0, 1), returned::<Plain3>());
    println!("3 1 1 1  {:7}  {:4}", size(28, 3, 1, 1, 1), returned::<Padded>());
    println!("3 2 1 1  {:7}  {:4}", size(28, 3, 2, 1, 1), returned::<Strided>());
    println!("3 1 0 2  {:7}  {:4}", size(28, 3, 1, 0, 2), returned::<Dilated>());
    Ok(())
}
// ANCHOR_END: sizes

// ANCHOR: pooling
fn pooling() -> formwork_book::Result {
    #[rustfmt::skip]
    let image = vec![
        1.0, 2.0, 0.0, 0.0,
        3.0, 4.0, 0.0, 8.0,
        5.0, 5.0, 1.0, 1.0,
        5.0, 5.0, 1.0, 1.0,
    ];
    let data = Dataset::<Rank3<1, 4, 4>, Values<Rank3<1, 2, 2>>>::new(image, vec![0.0; 4])?;
    let mut largest = Model::<Net<MaxPool2d<2>, Rank3<1, 4, 4>, Rank3<1, 2, 2>>>::new(0);
    let mut means = Model::<Net<AvgPool2d<2>, Rank3<1, 4, 4>, Rank3<1, 2, 2>>>::new(0);
    println!("MaxPool2d<2>: {:?}", largest.predict(&data.all())?);
    println!("AvgPool2d<2>: {:?}", means.predict(&data.all())?);
    // The loss is the mean of the four squares: its gradient is half of each output.
    for (name, gradients) in [("MaxPool2d", largest.gradients(&data.all(), &Mse)?), ("AvgPool2d", means.gradients(&data.all(), &Mse)?)] {
        println!("\ngradient behind {name}");
        for row in gradients.inputs.chunks_exact(4) {
            println!("{row:5.2?}");
        }
    }
    Ok(())
}
// ANCHOR_END: pooling

// ANCHOR: receptive-field
#[network([1, 28, 28] => [1, 22, 22])]
type Wide = Conv2d<1, 1, 7>;

#[network([1, 28, 28] => [1, 22, 22])]
type Stacked = Repeat<Conv2d<1, 1, 3>, 3>;

#[network([1, 28, 28] => [1, 14, 14])]
type Spread = (Conv2d<1, 1, 3>, Conv2d<1, 1, 3, 1, 0, 2>, Conv2d<1, 1, 3, 1, 0, 4>); // dilation 1, 2, 4

#[network([1, 28, 28] => [1, 4, 4])]
type Pooled = (Conv2d<1, 1, 3>, MaxPool2d<2>, Conv2d<1, 1, 3>, MaxPool2d<2>, Conv2d<1, 1, 2>);

const _: () = assert!(matches!(Spread::RECEPTIVE_FIELD, Some([15, 15]))); // a demand, held by the compiler

fn receptive_field() -> formwork_book::Result {
    let show = |name: &str, field: Option<[usize; 2]>, parameters: usize| println!("{name:8} sees {field:?} with {parameters} parameters");
    show("Wide", Wide::RECEPTIVE_FIELD, Wide::SCALARS);
    show("Stacked", Stacked::RECEPTIVE_FIELD, Stacked::SCALARS);
    show("Spread", Spread::RECEPTIVE_FIELD, Spread::SCALARS);
    show("Pooled", Pooled::RECEPTIVE_FIELD, Pooled::SCALARS);
    Ok(())
}
// ANCHOR_END: receptive-field

// ANCHOR: seen
/// How many columns of the image the middle output depends on: those with a gradient that is not zero, first to last.
fn columns_seen<N, const H: usize>() -> Result<usize, Error>
where
    N: Network<Input = Rank3<1, 28, 28>, Output = Rank3<1, H, H>>,
{
    let mut model = Model::<N>::new(0);
    let noise = formwork::Noise::new(1);
    let image: Vec<f32> = (0..28 * 28).map(|i| noise.uniform(i) as f32).collect();
    let blank = Dataset::<N::Input, Values<N::Output>>::new(image.clone(), vec![0.0; H * H])?;
    let mut targets = model.predict(&blank.all())?;
    targets[H / 2 * H + H / 2] += 1.0; // all outputs are right but this one
    let gradients = model.gradients(&Dataset::<N::Input, Values<N::Output>>::new(image, targets)?.all(), &Mse)?;
    let seen = |column: &usize| (0..28).any(|row| gradients.inputs[row * 28 + column] != 0.0);
    let columns: Vec<usize> = (0..28).filter(seen).collect();
    Ok(columns.last().zip(columns.first()).map_or(0, |(last, first)| last - first + 1))
}

fn seen() -> formwork_book::Result {
    println!("Wide {}, Stacked {}, Spread {}", columns_seen::<Wide, 22>()?, columns_seen::<Stacked, 22>()?, columns_seen::<Spread, 14>()?);
    Ok(())
}
// ANCHOR_END: seen

// ANCHOR: gradients
fn gradients() -> formwork_book::Result {
    let (mut model, data) = along()?;
    let slopes: Vec<f64> = model.predict(&data.all())?.iter().map(|y| 2.0 * y / 4.0).collect(); // of the mean of four squares
    let gradients = model.gradients(&data.all(), &Mse)?;

    let turned: Vec<f64> = WEIGHTS.iter().rev().copied().collect();
    let matrix = convolution_matrix(&turned, 6, Mode::Valid)?; // [4, 6]
    let column = matrix.device().tensor_from_vec(slopes.clone(), (4, 1));
    let back = matrix.permute::<_, dfdx::shapes::Axes2<1, 0>>().matmul(column).as_vec(); // [6, 1]
    let weight = |j: usize| -> f64 { slopes.iter().zip(&SIGNAL[j..]).map(|(slope, x)| slope * x).sum() };
    println!("slopes of the outputs: {slopes:?}");
    println!("of the signal, by the network: {:?}", gradients.inputs);
    println!("of the signal, by the matrix:  {back:?}");
    println!("of the weights, by the network: {:?}", gradients.parameters);
    println!("of the weights, by the formula: {:?}", [weight(0), weight(1), weight(2)]);
    Ok(())
}
// ANCHOR_END: gradients

// ANCHOR: gradient-check
/// Everything that a window can have: stride 2, padding 1, dilation 2, two groups.
#[network([2, 5, 5] => [4, 2, 2])]
type Unusual = (Conv2d<2, 4, 3, 2, 1, 2, 2>, Tanh);

fn gradient_check() -> formwork_book::Result {
    formwork::gradient_check::<Unusual>(0)?;
    println!("all gradients of Unusual are right to a millionth");
    Ok(())
}
// ANCHOR_END: gradient-check

// ANCHOR: reader
#[network([1, 8, 8] => [10])]
#[rustfmt::skip]
type Reader = (
    Conv2d<1, 8, 3, 1, 1>, Relu,    // [8, 8, 8]
    MaxPool2d<2>,                   // [8, 4, 4]
    Conv2d<8, 16, 3, 1, 1>, Relu,   // [16, 4, 4]
    MaxPool2d<2>,                   // [16, 2, 2]
    Flatten,                        // [64]
    Linear<64, 10>,                 // [10]
);
// ANCHOR_END: reader

// ANCHOR: dense
/// As many parameters without windows: every pixel has weights of its own.
#[network([1, 8, 8] => [10])]
#[rustfmt::skip]
type Dense = (
    Flatten,                        // [64]
    Linear<64, 25>, Relu,           // [25]
    Linear<25, 10>,                 // [10]
);
// ANCHOR_END: dense

fn summary() -> formwork_book::Result {
    // ANCHOR: summary
    println!("{}", Reader::summary());
    println!("Reader sees {:?}; Dense has {} parameters", Reader::RECEPTIVE_FIELD, Dense::SCALARS);
    // ANCHOR_END: summary
    if let Some(file) = picture("images-reader.svg") {
        std::fs::write(file, Reader::diagram().svg())?;
    }
    Ok(())
}

/// The digits: 1437 to learn from, 360 to test with, the same for every network of this chapter.
fn load() -> Result<(Digits, Digits), Error> {
    Ok(digits::load()?.split_stratified(360.0 / 1797.0, 0))
}

// ANCHOR: training
/// A network for the digits, trained, with the table of its epochs.
fn trained<N>() -> Result<(Model<N>, formwork::trainer::History), Error>
where
    N: Network<Input = Rank3<1, 8, 8>, Output = Rank1<10>>,
{
    let (train, test) = load()?; // 1437 digits to learn from, 360 to test with
    let mut model = Model::<N>::on(&formwork::device()?, 0);
    let history = Trainer::new(CrossEntropy::default(), Adam::new(5e-3))
        .epochs(6)
        .batch_size(32)
        .validation(&test)
        .metric(metrics::accuracy())
        .progress(Progress::Silent)
        .fit(&mut model, &train)?;
    Ok((model, history))
}

fn training() -> formwork_book::Result {
    let (model, history) = trained::<Reader>()?;
    println!("epoch   loss  val_loss  val_accuracy");
    for row in history.rows() {
        println!("{:5} {:6.3} {:9.3} {:13.3}", row[0], row[1], row[2], row[3]);
    }
    draw_kernels(&model)?;
    Ok(())
}
// ANCHOR_END: training

/// The eight kernels of the first layer.
fn draw_kernels(model: &Model<Reader>) -> Result<(), Error> {
    let Some(file) = picture("images-kernels.svg") else { return Ok(()) };
    Images::new(&model.parameters()[..8 * 9], [8, 1, 3, 3])?.columns(8).zoom(24).save(file)
}

// ANCHOR: moved
/// The share of the digits for testing that is read, as they are, and moved by up to one pixel in both directions.
fn accuracies<N>() -> Result<[f64; 2], Error>
where
    N: Network<Input = Rank3<1, 8, 8>, Output = Rank1<10>>,
{
    let (model, _) = trained::<N>()?;
    let (_, test) = load()?;
    let moved = (&test).augmented(Shift::up_to(1)).in_memory()?;
    let accuracy = |data: &Digits| Ok::<f64, Error>(model.measure(data, metrics::accuracy())?.matrix().accuracy());
    Ok([accuracy(&test)?, accuracy(&moved)?])
}

fn moved() -> formwork_book::Result {
    for (name, parameters, [as_they_are, moved]) in
        [("Reader", Reader::SCALARS, accuracies::<Reader>()?), ("Dense", Dense::SCALARS, accuracies::<Dense>()?)]
    {
        println!("{name:8} {parameters} parameters: as they are {as_they_are:.3}, moved {moved:.3}");
    }
    Ok(())
}
// ANCHOR_END: moved

// ANCHOR: exercise-1
fn exercise_1() -> formwork_book::Result {
    let matrix = convolution_matrix(&[1.0_f64, 1.0, 1.0], 3, Mode::Full)?; // [5, 3]
    let twice = matrix.device().tensor_from_vec(vec![1.0, 1.0, 1.0], (3, 1));
    let kernel: Vec<f64> = matrix.matmul(twice).as_vec(); // [5, 1]
    println!("nine times the kernel: {kernel:?}");

    let image = drawing()?;
    let inner = |image: &Image| image.pixels()[7 * SIZE + 2..8 * SIZE - 2].to_vec(); // a row, away from the border
    let box_twice = inner(&mean(&mean(&image, 3, Border::Nearest)?, 3, Border::Nearest)?);
    let column = |x: usize, y: usize| kernel[x] as f32 * kernel[y] as f32 / 81.0;
    let pixel = |x: usize, y: usize| image.pixel(y, x).unwrap_or(0.0);
    let once = (0..SIZE - 4).map(|x| (0..25).map(|i| column(i % 5, i / 5) * pixel(x + i % 5, 5 + i / 5)).sum::<f32>());
    println!("largest difference below 1e-6: {}", box_twice.iter().zip(once).all(|(a, b)| (a - b).abs() < 1e-6));
    Ok(())
}
// ANCHOR_END: exercise-1

// ANCHOR: exercise-2
/// Strides in place of pooling.
#[network([1, 8, 8] => [10])]
#[rustfmt::skip]
type Striding = (
    Conv2d<1, 8, 3, 2, 1>, Relu,    // [8, 4, 4]
    Conv2d<8, 16, 3, 2, 1>, Relu,   // [16, 2, 2]
    Flatten,                        // [64]
    Linear<64, 10>,                 // [10]
);

fn exercise_2() -> formwork_book::Result {
    println!("Reader:   {} parameters, {} FLOPs", Reader::SCALARS, Reader::FLOPS);
    println!("Striding: {} parameters, {} FLOPs, accuracy {:.3}", Striding::SCALARS, Striding::FLOPS, accuracies::<Striding>()?[0]);
    Ok(())
}
// ANCHOR_END: exercise-2

// ANCHOR: exercise-3
/// The size stays: padding is dilation, for kernels of three.
#[network([1, 28, 28] => [1, 28, 28])]
type Far = (Conv2d<1, 8, 3, 1, 1>, Relu, Conv2d<8, 8, 3, 1, 2, 2>, Relu, Conv2d<8, 8, 3, 1, 4, 4>, Relu, Conv2d<8, 1, 3, 1, 6, 6>);

const _: () = assert!(matches!(Far::RECEPTIVE_FIELD, Some([27, 27])));

fn exercise_3() -> formwork_book::Result {
    println!("{:?}", Far::RECEPTIVE_FIELD);
    Ok(())
}
// ANCHOR_END: exercise-3

// ANCHOR: exercise-4
/// The second convolution in two steps: each channel by itself, then a mixture of all channels at each place.
#[network([1, 8, 8] => [10])]
#[rustfmt::skip]
type Separable = (
    Conv2d<1, 8, 3, 1, 1>, Relu,        // [8, 8, 8]
    MaxPool2d<2>,                       // [8, 4, 4]
    Conv2d<8, 8, 3, 1, 1, 1, 8>,        // [8, 4, 4]: as many groups as channels
    Conv2d<8, 16, 1>, Relu,             // [16, 4, 4]
    MaxPool2d<2>,                       // [16, 2, 2]
    Flatten,                            // [64]
    Linear<64, 10>,                     // [10]
);

fn exercise_4() -> formwork_book::Result {
    println!("Separable: {} parameters, {} FLOPs, accuracy {:.3}", Separable::SCALARS, Separable::FLOPS, accuracies::<Separable>()?[0]);
    Ok(())
}
// ANCHOR_END: exercise-4
