//! Drawings of what is learned, with the feature `plot`.

#![cfg(feature = "plot")]

use formwork::plot::{Curves, HeatMap, Histograms, Images};
use std::path::PathBuf;

fn folder() -> PathBuf {
    let folder = std::env::temp_dir().join("formwork-plots");
    std::fs::create_dir_all(&folder).unwrap();
    folder
}

/// The pixels of a PNG: its size, and red, green and blue bytes.
fn pixels(name: &str) -> ([u32; 2], Vec<u8>) {
    let file = std::io::BufReader::new(std::fs::File::open(folder().join(name)).unwrap());
    let mut reader = png::Decoder::new(file).read_info().unwrap();
    let mut bytes = vec![0; reader.output_buffer_size().unwrap()];
    let info = reader.next_frame(&mut bytes).unwrap();
    ([info.width, info.height], bytes)
}

#[test]
fn curves_in_both_formats() {
    let curves = || {
        let falling = (0..200).map(|step| (f64::from(step), (-f64::from(step) / 40.0).exp() + 0.01));
        let held_out = (0..20).map(|step| (f64::from(10 * step), 0.3 + 1.0 / f64::from(step)));
        Curves::new("step", "loss").curve("training", falling).curve("held out", held_out)
    };
    curves().log_scale().save(folder().join("loss.svg")).unwrap();
    curves().save(folder().join("loss.png")).unwrap();
    let svg = std::fs::read_to_string(folder().join("loss.svg")).unwrap();
    assert!(["training", "held out", "step", "loss"].iter().all(|text| svg.contains(text)));
    let ([width, height], bytes) = pixels("loss.png");
    assert_eq!([width, height], [900, 560]);
    assert!(bytes.iter().any(|&byte| byte < 100), "something dark is written on the white");
}

/// What is black follows the reader's page; the numbers on the squares, which keep their colours, do not.
#[test]
fn drawings_know_of_dark_pages() {
    HeatMap::confusion([(0, 0), (1, 0)], &["cat", "dog"]).unwrap().save(folder().join("dark.svg")).unwrap();
    let svg = std::fs::read_to_string(folder().join("dark.svg")).unwrap();
    assert_eq!(svg.matches("prefers-color-scheme:dark").count(), 1);
    let colours = |text: &str| svg.lines().zip(svg.lines().skip(1)).filter(|(_, next)| next.trim() == text).map(|(tag, _)| tag).collect::<Vec<_>>();
    assert!(colours("cat").iter().all(|tag| tag.contains("#000000")) && colours("cat").len() == 2, "{svg}");
    assert!(colours("1").iter().all(|tag| !tag.contains("#000000")) && colours("1").len() == 2, "{svg}");
}

/// Where the frame of the names of curves begins, in the units of the drawing.
fn frame(svg: &str) -> [f64; 2] {
    let tag = svg.lines().find(|line| line.starts_with("<rect") && line.contains("opacity=\"0.85\"")).expect("names of curves have a frame");
    ["x", "y"].map(|side| tag.split_once(&format!(" {side}=\"")).unwrap().1.split_once('"').unwrap().0.parse().unwrap())
}

#[test]
fn names_of_curves_stand_where_no_curve_is() {
    let drawn = |curve: fn(f64) -> f64| {
        Curves::new("x", "y").curve("curve", (0..100).map(|x| (f64::from(x), curve(f64::from(x))))).save(folder().join("corner.svg")).unwrap();
        frame(&std::fs::read_to_string(folder().join("corner.svg")).unwrap())
    };
    let [[falling_x, falling_y], [rising_x, rising_y]] = [drawn(|x| 1.0 / (1.0 + x)), drawn(|x| (x / 20.0).exp())];
    assert!(falling_x > 450.0 && falling_y < 280.0, "upper right is free: {falling_x} {falling_y}");
    assert!(rising_x < 450.0 && rising_y < 280.0, "upper left is free: {rising_x} {rising_y}");
}

#[test]
fn zero_is_written_as_zero() {
    let line = (-30..=30).map(|x| (0.01 * f64::from(x), f64::from(x) / 30.0));
    Curves::new("x", "y").curve("curve", line).save(folder().join("zero.svg")).unwrap();
    let svg = std::fs::read_to_string(folder().join("zero.svg")).unwrap();
    let numbers: Vec<&str> = svg.lines().map(str::trim).filter(|line| line.parse::<f64>().is_ok()).collect();
    assert!(numbers.iter().filter(|number| **number == "0").count() == 2 && numbers.iter().all(|number| !number.contains('e')), "{numbers:?}");
}

#[test]
fn curves_without_a_point_are_an_error() {
    let error = |curves: Curves| curves.save(folder().join("none.svg")).unwrap_err().to_string();
    assert_eq!(error(Curves::new("step", "loss")), "points of curves: expected 1, given 0");
    assert_eq!(error(Curves::new("step", "loss").curve("lost", [(0.0, f64::NAN)])), "points of curves: expected 1, given 0");
    assert_eq!(error(Curves::new("step", "loss").curve("zero", [(0.0, 0.0)]).log_scale()), "points of curves: expected 1, given 0");
}

#[test]
fn a_confusion_matrix_counts() {
    let classes = ["cat", "dog", "wolf"];
    let pairs = [(0, 0); 7].into_iter().chain([(1, 2); 3]).chain([(2, 2); 12]);
    let matrix = HeatMap::confusion(pairs, &classes).unwrap();
    matrix.save(folder().join("confusion.svg")).unwrap();
    matrix.save(folder().join("confusion.png")).unwrap();
    let svg = std::fs::read_to_string(folder().join("confusion.svg")).unwrap();
    let texts: Vec<&str> = svg.lines().map(str::trim).filter(|line| !line.starts_with('<')).collect();
    assert_eq!(texts, ["is", "taken for", "cat", "dog", "wolf", "cat", "dog", "wolf", "7", "3", "12"]);
    let error = HeatMap::confusion([(0, 0), (0, 3)], &classes).unwrap_err();
    assert_eq!(error.to_string(), "target 1: expected a class below 3, given 3");
}

#[test]
fn attention_is_darker_where_it_looks() {
    let map = HeatMap::new(&[1.0_f32, 0.0], ["a"], ["b", "c"]).unwrap();
    map.save(folder().join("attention.png")).unwrap();
    let ([width, _], bytes) = pixels("attention.png");
    let at = |x: usize, y: usize| bytes[3 * (y * width as usize + x)];
    let (left, top) = (24 + 9, 40);
    assert_eq!([at(left + 20, top + 20), at(left + 60, top + 20)], [18, 240]);
    let error = HeatMap::new(&[1.0_f32, 0.0], ["a"], ["b"]).unwrap_err();
    assert_eq!(error.to_string(), "numbers of a heat map: expected 1, given 2");
}

#[test]
fn images_are_black_where_they_are_least() {
    // One of black, then white; one the other way round.
    let images = Images::new(&[0.0_f32, 1.0, 3.0, -3.0], [2, 1, 1, 2]).unwrap().columns(1).zoom(3);
    images.save(folder().join("images.png")).unwrap();
    let (size, bytes) = pixels("images.png");
    assert_eq!(size, [4 + 6 + 4, 4 + 3 + 4 + 3 + 4]);
    let at = |x: usize, y: usize| bytes[3 * (y * size[0] as usize + x)];
    assert_eq!([at(5, 5), at(8, 5), at(5, 12), at(8, 12)], [0, 255, 255, 0]);
    let colours = Images::new(&[1.0_f32, 0.0, 0.0], [1, 3, 1, 1]).unwrap();
    colours.save(folder().join("red.png")).unwrap();
    assert_eq!(pixels("red.png").1[3 * (4 * 9 + 4)..][..3], [255, 0, 0]);
    let error = |pixels: &[f32], shape| Images::new(pixels, shape).unwrap_err().to_string();
    assert_eq!(error(&[0.0; 3], [1, 1, 2, 2]), "pixels of images: expected 4, given 3");
    assert_eq!(error(&[0.0; 8], [1, 2, 2, 2]), "channels of images, if not one,: expected 3, given 2");
}

#[test]
fn histograms_of_weights() {
    use formwork::prelude::*;
    type Small = Net<(Linear<4, 64>, Tanh, Linear<64, 2>), Rank1<4>, Rank1<2>>;
    let model = Model::<Small>::new(0);
    let histograms = Histograms::of_tensors(&Small::parameters(), &model.parameters());
    histograms.save(folder().join("weights.svg")).unwrap();
    histograms.save(folder().join("weights.png")).unwrap();
    let svg = std::fs::read_to_string(folder().join("weights.svg")).unwrap();
    assert!(["0.weight", "0.bias", "2.weight", "2.bias"].iter().all(|name| svg.contains(name)));
    assert_eq!(Histograms::new().save(folder().join("none.svg")).unwrap_err().to_string(), "histograms: expected 1, given 0");
}

#[test]
fn the_name_of_the_file_says_what_it_is() {
    let map = HeatMap::new(&[1.0_f32], ["a"], ["b"]).unwrap();
    for name in ["map.jpeg", "map"] {
        let error = map.save(folder().join(name)).unwrap_err().to_string();
        assert!(error.ends_with(&format!("{name}: expected a name that ends with .svg or .png, given another")), "{error}");
        assert!(!folder().join(name).exists());
    }
}
