//! Expect eight images in the folder `target/filtered`, and `median: 0 of 1305 spots left` on the last line.
//!
//! What each filter makes of an image: one that is drawn here, with edges, a gradient and spots, or one of yours.
//!
//! ```text
//! cargo run --release --example filters
//! cargo run --release --example filters -- --input photo.ppm --output folder
//! cargo run --release --example filters -- --help
//! ```

use formwork::filters::{Border, Image, gaussian, laplace, mean, median, sobel_x, sobel_y};
use std::fs::File;
use std::io::BufWriter;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

type Result<T> = core::result::Result<T, Box<dyn std::error::Error>>;

/// The share of pixels that are spots, as black or as white as can be.
const SPOTS: f64 = 0.02;
const BORDER: Border = Border::Reflect;

fn run() -> Result<()> {
    let Some(options) = options()? else {
        println!("{HELP}");
        return Ok(());
    };
    let image = match &options.input {
        Some(file) => read_ppm(file)?,
        None => with_spots(&drawing(options.size)?)?,
    };
    std::fs::create_dir_all(&options.output).map_err(|error| format!("{}: cannot make it: {error}", options.output.display()))?;
    let save = |name: &str, image: Image| write_png(&options.output.join(name).with_extension("png"), &image);
    let without_spots = median(&image, 3, BORDER)?;
    save("image", image.clone())?;
    save("mean", mean(&image, 5, BORDER)?)?;
    save("median", without_spots.clone())?;
    save("gaussian", gaussian(&image, 2.0, 4.0, BORDER)?)?;
    // Derivatives have signs: grey is none, white is up and black is down.
    save("sobel_x", signed(&sobel_x(&without_spots, BORDER)?, 0.25)?)?;
    save("sobel_y", signed(&sobel_y(&without_spots, BORDER)?, 0.25)?)?;
    save("laplace", signed(&laplace(&without_spots, BORDER)?, 0.5)?)?;
    save("edges", edges(&without_spots)?)?;

    println!("{}x{} pixels, eight images in {}", image.height(), image.width(), options.output.display());
    if options.input.is_none() {
        let (spots, left) = (spots(&image).len(), spots_left(&image, &without_spots));
        println!("median: {left} of {spots} spots left");
    }
    Ok(())
}

/// A disc and a bar on a background that grows brighter to the right.
fn drawing(size: usize) -> Result<Image> {
    let shade = |y: f32, x: f32| {
        if (y - 0.4).hypot(x - 0.35) < 0.22 {
            0.9
        } else if (0.72..0.84).contains(&y) && (0.2..0.85).contains(&x) {
            0.1
        } else {
            0.3 + 0.4 * x
        }
    };
    let at = |i: usize| (i as f32 + 0.5) / size as f32;
    let pixels = (0..size).flat_map(|y| (0..size).map(move |x| shade(at(y), at(x)))).collect();
    Ok(Image::new(size, size, pixels)?)
}

fn with_spots(image: &Image) -> Result<Image> {
    let noise = formwork::Noise::new(0);
    let spotted = |(i, &pixel): (usize, &f32)| match noise.uniform(i as u64) {
        chance if chance < SPOTS / 2.0 => 0.0,
        chance if chance < SPOTS => 1.0,
        _ => pixel,
    };
    Ok(Image::new(image.height(), image.width(), image.pixels().iter().enumerate().map(spotted).collect())?)
}

fn spots(image: &Image) -> Vec<usize> {
    (0..image.pixels().len()).filter(|&i| [0.0, 1.0].contains(&image.pixels()[i])).collect()
}

/// How many spots are as they were.
fn spots_left(image: &Image, filtered: &Image) -> usize {
    spots(image).into_iter().filter(|&i| filtered.pixels()[i] == image.pixels()[i]).count()
}

/// The steepness, whatever its direction: `sqrt(sobel_x² + sobel_y²)`.
fn edges(image: &Image) -> Result<Image> {
    let (x, y) = (sobel_x(image, BORDER)?, sobel_y(image, BORDER)?);
    let steepness = x.pixels().iter().zip(y.pixels()).map(|(x, y)| 0.5 * x.hypot(*y));
    Ok(Image::new(image.height(), image.width(), steepness.collect())?)
}

fn signed(image: &Image, scale: f32) -> Result<Image> {
    Ok(Image::new(image.height(), image.width(), image.pixels().iter().map(|x| 0.5 + scale * x).collect())?)
}

fn write_png(path: &Path, image: &Image) -> Result<()> {
    let file = File::create(path).map_err(|error| format!("{}: cannot write it: {error}", path.display()))?;
    let mut encoder = png::Encoder::new(BufWriter::new(file), u32::try_from(image.width())?, u32::try_from(image.height())?);
    encoder.set_color(png::ColorType::Grayscale);
    let bytes: Vec<u8> = image.pixels().iter().map(|pixel| (pixel * 255.0).round() as u8).collect();
    let mut writer = encoder.write_header()?;
    writer.write_image_data(&bytes)?;
    Ok(writer.finish()?)
}

/// A colour image as grey numbers from 0 to 1. The format is the plainest there is: `P6`, width, height and 255 as text,
/// then three bytes for each pixel.
fn read_ppm(path: &Path) -> Result<Image> {
    let error = |problem: &str| format!("{}: {problem}", path.display());
    let bytes = std::fs::read(path).map_err(|cause| error(&format!("cannot read it: {cause}")))?;
    let mut rest = bytes.as_slice();
    let header: Vec<&str> = std::iter::from_fn(|| word(&mut rest)).take(4).collect();
    let ["P6", width, height, "255"] = header[..] else {
        return Err(error("expected a PPM file, which begins with P6, its width, its height and 255").into());
    };
    let grey = |rgb: &[u8]| (0.299 * f32::from(rgb[0]) + 0.587 * f32::from(rgb[1]) + 0.114 * f32::from(rgb[2])) / 255.0;
    Ok(Image::new(height.parse()?, width.parse()?, rest.chunks_exact(3).map(grey).collect()).map_err(|cause| error(&cause.to_string()))?)
}

/// Takes a word and the one blank behind it.
fn word<'a>(rest: &mut &'a [u8]) -> Option<&'a str> {
    let end = rest.iter().position(u8::is_ascii_whitespace)?;
    let word = std::str::from_utf8(&rest[..end]).ok();
    *rest = &rest[end + 1..];
    word
}

struct Options {
    input: Option<PathBuf>,
    output: PathBuf,
    size: usize,
}

const HELP: &str = "\
Shows what each filter makes of an image.

Usage: filters [OPTIONS]

  --input FILE     a PPM image; without it, one is drawn
  --output FOLDER  where the images go, as PNG files [target/filtered]
  --quick          draw a small image
  --help           print this";

/// The options of the command line; none if it asks for help.
fn options() -> core::result::Result<Option<Options>, lexopt::Error> {
    use lexopt::prelude::*;
    let mut options = Options { input: None, output: PathBuf::from("target/filtered"), size: 256 };
    let mut arguments = lexopt::Parser::from_env();
    while let Some(argument) = arguments.next()? {
        match argument {
            Long("input") => options.input = Some(PathBuf::from(arguments.value()?)),
            Long("output") => options.output = PathBuf::from(arguments.value()?),
            Long("quick") => options.size = 64,
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
