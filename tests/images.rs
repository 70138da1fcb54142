//! Folders of images become samples, or an error that names the file.
#![cfg(feature = "images")]

use formwork::data::Source;
use formwork::data::images::{self, Fit, Folder};
use formwork::prelude::*;
use image::{GrayImage, ImageFormat, Luma, Rgb, RgbImage};
use std::io::Cursor;
use std::path::Path;
use tempfile::TempDir;

fn message<T>(result: Result<T, Error>) -> String {
    match result {
        Ok(_) => panic!("this is an error"),
        Err(error) => error.to_string(),
    }
}

/// Red cats and blue dogs.
fn pets() -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    for (name, colour, format) in [("dog/a.PNG", [0, 0, 255], ImageFormat::Png), ("cat/b.png", [255, 0, 0], ImageFormat::Png)] {
        let path = folder.path().join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        RgbImage::from_pixel(6, 4, Rgb(colour)).save_with_format(path, format).unwrap();
    }
    RgbImage::from_pixel(8, 8, Rgb([255, 0, 0])).save(folder.path().join("cat/a.jpg")).unwrap();
    std::fs::write(folder.path().join("cat/notes.txt"), "no image").unwrap();
    folder
}

fn open<const K: usize>(root: &Path) -> Result<Folder<3, 2, 2, K>, Error> {
    Folder::open(root, Fit::Crop)
}

#[test]
fn a_folder_for_each_class() {
    let root = pets();
    let pets = open::<2>(root.path()).unwrap();
    assert_eq!(pets.classes(), ["cat", "dog"]);
    assert!(pets.file(0).ends_with("cat/a.jpg") && pets.file(2).ends_with("dog/a.PNG"));
    let data: Dataset<Rank3<3, 2, 2>, Class<2>> = pets.in_memory().unwrap();
    assert_eq!(data.all().targets(), [0, 0, 1]);
    assert_eq!(data.input(1), [1.0, 1.0, 1.0, 1.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0]);
    assert_eq!(data.input(2)[8..], [1.0; 4]);
}

#[test]
fn folders_of_something_else() {
    let root = pets();
    let path = root.path().display();
    assert_eq!(message(open::<3>(root.path())), format!("{path}: expected 3 folders, one for each class, given 2: cat, dog"));
    std::fs::create_dir(root.path().join("owl")).unwrap();
    assert_eq!(message(open::<3>(root.path())), format!("{path}/owl: expected images in PNG or JPEG, given none"));
    std::fs::write(root.path().join("owl/x.png"), "no image").unwrap();
    let error = message(open::<3>(root.path()).unwrap().in_memory());
    assert!(error.starts_with(&format!("{path}/owl/x.png: expected an image in PNG or JPEG, of up to 64 MiB, given ")), "{error}");
    assert!(message(open::<3>(&root.path().join("none"))).contains("none: cannot read the folder: "));
}

fn png(image: &GrayImage) -> Vec<u8> {
    let mut bytes = Cursor::new(Vec::new());
    image.write_to(&mut bytes, ImageFormat::Png).unwrap();
    bytes.into_inner()
}

#[test]
fn images_are_cropped_or_stretched() {
    // Black, white, white, black: a crop sees the middle alone.
    let wide = png(&GrayImage::from_fn(4, 2, |x, _| Luma([if x % 3 == 0 { 0 } else { 255 }])));
    let read = |fit| images::read::<1, 2, 2, f32>("mine.png", Cursor::new(&wide), fit).unwrap();
    assert_eq!(read(Fit::Crop), [1.0; 4]);
    let stretched = read(Fit::Stretch);
    assert!(stretched.iter().all(|&x| 0.3 < x && x < 0.9), "{stretched:?}");
    let grey = images::read::<3, 2, 2, f32>("mine.png", Cursor::new(&wide), Fit::Crop).unwrap();
    assert_eq!(grey, [1.0; 12]);
}

/// A small file that claims, or unpacks, to be a very large image.
#[test]
fn bombs_are_refused() {
    let bomb = png(&GrayImage::new(9000, 9000));
    assert!(bomb.len() < 1 << 20);
    let error = message(images::read::<1, 8, 8, f32>("bomb.png", Cursor::new(&bomb), Fit::Crop));
    assert!(error.starts_with("bomb.png: expected an image in PNG or JPEG, of up to 64 MiB, given "), "{error}");
    let strip = png(&GrayImage::new(2_000_000, 1));
    let error = message(images::read::<1, 8, 8, f32>("strip.png", Cursor::new(&strip), Fit::Stretch));
    assert_eq!(error, "strip.png: expected an image that can be scaled to 8x8, given 1x2000000");
}
