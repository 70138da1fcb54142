//! The listings of the chapter on U-Nets: one network, and what three losses and ends make of it.

use formwork::plot::Images;
use formwork::prelude::*;
use formwork_book::{Result, picture, sections};
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use rand_distr::{Distribution, StandardNormal};

const SIZE: usize = 16;

/// An image of one channel.
type Image = Rank3<1, SIZE, SIZE>;
type Pairs = Dataset<Image, Values<Image>>;

// ANCHOR: blocks
/// Two convolutions that keep the size of an image, each normalised over the batch.
#[block]
type Twice<const I: usize, const O: usize> =
    (NoBias<Conv2d<I, O, 3, 1, 1>>, BatchNorm2d<O>, Relu, NoBias<Conv2d<O, O, 3, 1, 1>>, BatchNorm2d<O>, Relu);

/// One level of the U: half the size and twice the channels, what is `Below`, and back.
#[block]
type Level<const C: usize, Below> = (
    SkipConcat<(MaxPool2d<2>, Twice<C, { 2 * C }>, Below, ConvTranspose2d<{ 2 * C }, C, 2, 2>)>, // [2 C, H, W]
    Twice<{ 2 * C }, C>,                                                                         // [C, H, W]
);
// ANCHOR_END: blocks

// ANCHOR: unet
/// An image becomes a score for each pixel.
#[network([1, 16, 16] => [1, 16, 16])]
type UNet = (Twice<1, 4>, Level<4, Level<8, ()>>, Conv2d<4, 1, 1>);
// ANCHOR_END: unet

// ANCHOR: flat
/// The U on larger images.
#[network([1, 64, 64] => [1, 64, 64])]
type Large = (Twice<1, 4>, Level<4, Level<8, ()>>, Conv2d<4, 1, 1>);

/// As many convolutions and no U: every layer sees the image at its full size.
#[network([1, 64, 64] => [1, 64, 64])]
type Flat = (Twice<1, 4>, Twice<4, 8>, Twice<8, 16>, Twice<16, 8>, Twice<8, 4>, Conv2d<4, 1, 1>);
// ANCHOR_END: flat

// ANCHOR: upscaler
/// An image becomes one twice as large: four channels are the four pixels in place of one.
#[network([1, 8, 8] => [1, 16, 16])]
type Upscaler = (Twice<1, 4>, Level<4, Level<8, ()>>, Conv2d<4, 4, 1>, PixelShuffle<2>);
// ANCHOR_END: upscaler

fn main() -> std::process::ExitCode {
    sections(&[
        ("sizes", sizes),
        ("upsample", upsample),
        ("segment", segment),
        ("denoise", denoise),
        ("upscale", upscale),
        ("exercise-1", exercise_1),
        ("exercise-2", exercise_2),
        ("exercise-3", exercise_3),
    ])
}

fn sizes() -> Result {
    if let Some(file) = picture("u-net-diagram.svg") {
        std::fs::write(file, UNet::diagram().svg())?;
    }
    // ANCHOR: sizes
    println!("       parameters     FLOPs  receptive field");
    println!("U-Net  {:10} {:9}  {}", Large::SCALARS, Large::FLOPS, field::<Large>());
    println!("flat   {:10} {:9}  {}", Flat::SCALARS, Flat::FLOPS, field::<Flat>());
    // ANCHOR_END: sizes
    Ok(())
}

/// How many pixels of the input an output pixel can depend on.
fn field<N: Network>() -> String {
    N::RECEPTIVE_FIELD.map_or("all".to_owned(), |[rows, columns]| format!("{rows} x {columns}"))
}

fn upsample() -> Result {
    // ANCHOR: upsample
    #[network([1, 2, 2] => [1, 4, 4])]
    type Up = ConvTranspose2d<1, 1, 2, 2>;

    let mut model = Model::<Up>::new(0);
    model.set_parameters(&[1.0, 0.5, 0.5, 0.25, 0.0])?; // a kernel of 2 x 2, and the bias
    let image = model.device().tensor([[[[1.0f32, 2.0], [3.0, 4.0]]]]); // [B, C, H, W]
    let larger: Tensor<Rank4<1, 1, 4, 4>, f32, _> = model.forward(image);
    for row in larger.array()[0][0] {
        println!("{row:?}");
    }
    // ANCHOR_END: upsample
    Ok(())
}

/// Discs and squares of a shade of one on a background of zeros.
fn scene(random: &mut StdRng) -> Vec<f32> {
    let radius = random.gen_range(3.0..5.0);
    let [x, y] = [(); 2].map(|()| random.gen_range(radius..SIZE as f32 - radius));
    let is_disc = random.gen_bool(0.5);
    let covers = |i: usize| {
        let [across, along] = [(i % SIZE) as f32 + 0.5 - x, (i / SIZE) as f32 + 0.5 - y];
        if is_disc { across.hypot(along) < radius } else { across.abs().max(along.abs()) < 0.8 * radius }
    };
    (0..SIZE * SIZE).map(|i| if covers(i) { 1.0 } else { 0.0 }).collect()
}

// ANCHOR: noisy
/// Scenes under noise of deviation 0.6, and what they are without.
fn noisy(samples: usize, seed: u64) -> std::result::Result<Pairs, Error> {
    let mut random = StdRng::seed_from_u64(seed);
    let clean: Vec<f32> = (0..samples).flat_map(|_| scene(&mut random)).collect();
    let mut noise = || -> f32 { StandardNormal.sample(&mut random) };
    let given = clean.iter().map(|shade| shade + 0.6 * noise()).collect();
    Pairs::new(given, clean)
}
// ANCHOR_END: noisy

// ANCHOR: learn
/// Goes through some pairs a few times.
fn learn<N>(
    loss: impl Loss<Image, Values<Image>> + Clone,
    pairs: &Dataset<N::Input, Values<Image>>,
    epochs: u64,
) -> std::result::Result<Model<N>, Error>
where
    N: Network<Output = Image>,
{
    let mut model = Model::<N>::new(0);
    let mut optimizer = Adam::new(1e-2);
    for epoch in 0..epochs {
        for batch in pairs.shuffled(16, epoch) {
            model.train(&batch, &loss, &mut optimizer)?;
        }
    }
    Ok(model)
}
// ANCHOR_END: learn

/// Shows what is given, wanted and made of six images, one row each.
fn draw(name: &str, rows: [&[f32]; 3], sizes: [usize; 3]) -> Result {
    let Some(file) = picture(name) else { return Ok(()) };
    let mut pixels = Vec::new();
    for (row, size) in rows.iter().zip(sizes) {
        pixels.extend(row[..6 * size * size].chunks_exact(size * size).flat_map(|image| enlarged(image, size)));
    }
    Ok(Images::new(&pixels, [18, 1, SIZE, SIZE])?.columns(6).zoom(5).save(file)?)
}

/// Each pixel as often as it takes for an image of [`SIZE`].
fn enlarged(image: &[f32], size: usize) -> Vec<f32> {
    let zoom = SIZE / size;
    (0..SIZE * SIZE).map(|i| image[i / SIZE / zoom * size + i % SIZE / zoom]).collect()
}

/// The intersection over union of what is above a bound with a mask, over all pixels.
fn iou(scores: &[f32], bound: f32, mask: &[f32]) -> f64 {
    let pairs = scores.iter().zip(mask).map(|(score, mask)| (*score > bound, *mask > 0.5));
    let (both, either) = pairs.fold((0, 0), |(both, either), (a, b)| (both + u32::from(a && b), either + u32::from(a || b)));
    f64::from(both) / f64::from(either)
}

fn segment() -> Result {
    // ANCHOR: segment
    let (train, test) = (noisy(256, 0)?, noisy(48, 1)?);
    let scores = learn::<UNet>(BceWithLogits, &train, 5)?.predict(&test.all())?; // [B * H * W]
    println!("IoU of a threshold on single pixels: {:.2}", iou(test.all().inputs(), 0.5, test.all().targets()));
    println!("IoU of the U-Net:                    {:.2}", iou(&scores, 0.0, test.all().targets()));
    // ANCHOR_END: segment
    let made: Vec<f32> = scores.iter().map(|score| 1.0 / (1.0 + (-score).exp())).collect();
    draw("u-net-segmented.png", [test.all().inputs(), test.all().targets(), &made], [SIZE; 3])
}

/// The root of the mean squared difference.
fn error(made: &[f32], wanted: &[f32]) -> f32 {
    (made.iter().zip(wanted).map(|(a, b)| (a - b) * (a - b)).sum::<f32>() / made.len() as f32).sqrt()
}

fn denoise() -> Result {
    // ANCHOR: denoise
    let (train, test) = (noisy(256, 0)?, noisy(48, 1)?);
    let made = learn::<UNet>(Mse, &train, 5)?.predict(&test.all())?;
    println!("error of the noisy images: {:.2}", error(test.all().inputs(), test.all().targets()));
    println!("error behind the U-Net:    {:.2}", error(&made, test.all().targets()));
    // ANCHOR_END: denoise
    Ok(())
}

type Halves = Dataset<Rank3<1, 8, 8>, Values<Image>>;

/// Scenes of half the size, whose pixels are means of four, and the whole ones.
fn halved(samples: usize, seed: u64) -> std::result::Result<Halves, Error> {
    let mut random = StdRng::seed_from_u64(seed);
    let scenes: Vec<Vec<f32>> = (0..samples).map(|_| scene(&mut random)).collect();
    let half = |scene: &Vec<f32>| {
        let mean = |i: usize| [0, 1, SIZE, SIZE + 1].map(|step| scene[i / 8 * 2 * SIZE + i % 8 * 2 + step]).iter().sum::<f32>() / 4.0;
        (0..64).map(mean).collect::<Vec<_>>()
    };
    Halves::new(scenes.iter().flat_map(half).collect(), scenes.concat())
}

fn upscale() -> Result {
    // ANCHOR: upscale
    let (train, test) = (halved(256, 0)?, halved(48, 1)?);
    let made = learn::<Upscaler>(Mse, &train, 20)?.predict(&test.all())?;
    let repeated: Vec<f32> = test.all().inputs().chunks_exact(64).flat_map(|image| enlarged(image, 8)).collect();
    println!("error of every pixel four times: {:.3}", error(&repeated, test.all().targets()));
    println!("error behind the network:        {:.3}", error(&made, test.all().targets()));
    // ANCHOR_END: upscale
    draw("u-net-upscaled.png", [test.all().inputs(), test.all().targets(), &made], [8, SIZE, SIZE])
}

// ANCHOR: exercise-1
/// A level more: 128 pixels become 64, 32 and 16.
#[network([1, 128, 128] => [1, 128, 128])]
type Deeper = (Twice<1, 4>, Level<4, Level<8, Level<16, ()>>>, Conv2d<4, 1, 1>);

fn exercise_1() -> Result {
    println!("{} parameters, a receptive field of {}", Deeper::SCALARS, field::<Deeper>());
    Ok(())
}
// ANCHOR_END: exercise-1

// ANCHOR: exercise-2
/// Upsampling without parameters, and a convolution that halves the channels.
#[block]
type Smooth<const C: usize, Below> =
    (SkipConcat<(MaxPool2d<2>, Twice<C, { 2 * C }>, Below, Upsample2d<2, Bilinear>, Conv2d<{ 2 * C }, C, 3, 1, 1>)>, Twice<{ 2 * C }, C>);

#[network([1, 16, 16] => [1, 16, 16])]
type SmoothUNet = (Twice<1, 4>, Smooth<4, Smooth<8, ()>>, Conv2d<4, 1, 1>);

fn exercise_2() -> Result {
    println!("transposed convolutions: {}, upsampling: {}", UNet::SCALARS, SmoothUNet::SCALARS);
    Ok(())
}
// ANCHOR_END: exercise-2

// ANCHOR: exercise-3
/// A border of one pixel makes 32 x 32 of 30 x 30, and is cut off in the end.
#[network([1, 30, 30] => [1, 30, 30])]
type Framed = (ReflectionPad2d<1>, Twice<1, 4>, Level<4, Level<8, ()>>, Conv2d<4, 1, 1>, Crop2d<1>);

fn exercise_3() -> Result {
    println!("{}", Framed::summary().to_string().lines().take(6).collect::<Vec<_>>().join("\n"));
    Ok(())
}
// ANCHOR_END: exercise-3
