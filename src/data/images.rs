//! Folders of images, one folder for each class.

use super::source::Source;
use super::target::Class;
use crate::error::Error;
use crate::float::Float;
use crate::noise::Noise;
use core::marker::PhantomData;
use dfdx::shapes::Rank3;
use image::imageops::{self, FilterType};
use image::{DynamicImage, ImageReader, Limits};
use std::fs::File;
use std::io::{BufRead, BufReader, Seek};
use std::path::{Path, PathBuf};

/// What becomes of an image whose sides are in another proportion.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fit {
    /// It is stretched.
    Stretch,
    /// What is too much of it is cut off, on both sides the same.
    Crop,
}

/// The images of a folder, `root/name of the class/file.png`, as samples `[C, H, W]` of `K` classes with numbers from 0 to 1.
///
/// Classes are in the order of their names. Files that end in `png`, `jpg` or `jpeg` are images, in the order of their names; others
/// are passed over. An image is read and made smaller or larger when its sample is: [`Source::in_memory`] does that for all at once.
/// With one channel it is grey, with three red, green and blue; what is transparent is not looked at, nor is which way the camera
/// was held.
///
/// # Examples
/// ```no_run
/// use formwork::data::Source;
/// use formwork::data::images::{Fit, Folder};
/// use formwork::prelude::*;
///
/// let pets = Folder::<3, 64, 64, 2>::open("pets", Fit::Crop)?; // pets/cat/1.jpg, pets/dog/1.jpg, ..
/// assert_eq!(pets.classes(), ["cat", "dog"]);
/// let (train, test) = pets.split_by_class(0.2, 0)?;
/// let test: Dataset<Rank3<3, 64, 64>, Class<2>> = test.in_memory()?;
/// # Ok::<(), formwork::prelude::Error>(())
/// ```
///
/// torchvision's `datasets.ImageFolder`.
#[derive(Clone, Debug)]
pub struct Folder<const C: usize, const H: usize, const W: usize, const K: usize, E = f32> {
    fit: Fit,
    classes: Vec<String>,
    /// Each image, and its class.
    files: Vec<(PathBuf, usize)>,
    numbers: PhantomData<fn() -> E>,
}

impl<const C: usize, const H: usize, const W: usize, const K: usize, E: Float> Folder<C, H, W, K, E> {
    /// Looks for images; reads none.
    ///
    /// # Errors
    /// [`Error::File`] for a folder that cannot be read; [`Error::Format`] if there are not `K` classes, or one without images.
    pub fn open(root: impl AsRef<Path>, fit: Fit) -> Result<Self, Error> {
        let root = root.as_ref();
        let error = |folder: &Path, expected: String, given: String| Error::Format { file: folder.display().to_string(), expected, given };
        let folders: Vec<PathBuf> = entries(root)?.into_iter().filter(|path| path.is_dir()).collect();
        let classes: Vec<String> = folders.iter().map(|folder| name(folder)).collect();
        if classes.len() != K {
            let given = if classes.is_empty() { "none".to_owned() } else { format!("{}: {}", classes.len(), classes.join(", ")) };
            return Err(error(root, format!("{K} folders, one for each class"), given));
        }
        let mut files = Vec::new();
        for (class, folder) in folders.iter().enumerate() {
            let images: Vec<PathBuf> = entries(folder)?.into_iter().filter(|path| is_image(path)).collect();
            if images.is_empty() {
                return Err(error(folder, "images in PNG or JPEG".to_owned(), "none".to_owned()));
            }
            files.extend(images.into_iter().map(|path| (path, class)));
        }
        Ok(Folder { fit, classes, files, numbers: PhantomData })
    }

    /// What the classes are called, from class 0 on.
    pub fn classes(&self) -> &[String] {
        &self.classes
    }

    /// The file of a sample, which is below the length of the source.
    pub fn file(&self, index: usize) -> &Path {
        &self.files[index].0
    }
}

impl<const C: usize, const H: usize, const W: usize, const K: usize, E: Float> Source<E> for Folder<C, H, W, K, E> {
    type Input = Rank3<C, H, W>;
    type Target = Class<K>;

    fn len(&self) -> usize {
        self.files.len()
    }

    fn read(&self, index: usize, _noise: Noise, input: &mut [E], target: &mut [usize]) -> Result<(), Error> {
        let path = self.file(index);
        let file = File::open(path).map_err(Error::file(path, "open it"))?;
        decode::<C, H, W, E>(&path.display().to_string(), BufReader::new(file), self.fit, input)?;
        <Self as Source<E>>::read_target(self, index, target)
    }

    fn read_target(&self, index: usize, target: &mut [usize]) -> Result<(), Error> {
        target[0] = self.files[index].1;
        Ok(())
    }
}

/// One image as `C * H * W` numbers from 0 to 1, as [`Folder`] reads it; `name` is what errors call the file.
///
/// # Errors
/// [`Error::Format`] if it is no image in PNG or JPEG, or one that takes more than 64 MiB to decode.
pub fn read<const C: usize, const H: usize, const W: usize, E: Float>(name: &str, file: impl BufRead + Seek, fit: Fit) -> Result<Vec<E>, Error> {
    let mut numbers = vec![E::zero(); C * H * W];
    decode::<C, H, W, E>(name, file, fit, &mut numbers)?;
    Ok(numbers)
}

/// How much memory a file may ask for, in bytes: one of a few bytes can claim to be an image of any size.
const LIMIT: u64 = 64 << 20;
const WHITE: f64 = 255.0;

fn decode<const C: usize, const H: usize, const W: usize, E: Float>(
    name: &str,
    file: impl BufRead + Seek,
    fit: Fit,
    numbers: &mut [E],
) -> Result<(), Error> {
    const { assert!(C == 1 || C == 3, "an image has one channel, grey, or three") };
    let error = |expected: &str, given: String| Error::Format { file: name.to_owned(), expected: expected.to_owned(), given };
    let refused = |problem: image::ImageError| error("an image in PNG or JPEG, of up to 64 MiB", problem.to_string());
    let mut reader = ImageReader::new(file).with_guessed_format().map_err(|problem| error("a file that can be read", problem.to_string()))?;
    let mut limits = Limits::default();
    limits.max_alloc = Some(LIMIT);
    reader.limits(limits);
    let whole = reader.decode().map_err(refused)?;
    let part = match fit {
        Fit::Stretch => whole,
        Fit::Crop => cropped::<H, W>(whole),
    };
    // Between its two directions, scaling keeps rows as long as they were, of four numbers in `f32`.
    if u64::from(part.width()) * H as u64 * 16 > LIMIT {
        return Err(error(&format!("an image that can be scaled to {H}x{W}"), format!("{}x{}", part.height(), part.width())));
    }
    let (height, width) = (H as u32, W as u32);
    let bytes = match C {
        1 => imageops::resize(&part.into_luma8(), width, height, FilterType::Triangle).into_raw(),
        _ => imageops::resize(&part.into_rgb8(), width, height, FilterType::Triangle).into_raw(),
    };
    for (pixel, channels) in bytes.chunks_exact(C).enumerate() {
        channels.iter().enumerate().for_each(|(channel, &byte)| numbers[channel * H * W + pixel] = E::of(f64::from(byte) / WHITE));
    }
    Ok(())
}

/// The middle of an image, as high and as wide as it can be in the proportion of `H` to `W`.
fn cropped<const H: usize, const W: usize>(image: DynamicImage) -> DynamicImage {
    let (height, width) = (u64::from(image.height()), u64::from(image.width()));
    let side = |most: u64, of: u64, to: usize, from: usize| ((of * to as u64) / (from as u64).max(1)).clamp(1, most.max(1));
    let (part_height, part_width) = (side(height, width, H, W), side(width, height, W, H));
    if (part_height, part_width) == (height, width) {
        return image;
    }
    image.crop_imm(((width - part_width) / 2) as u32, ((height - part_height) / 2) as u32, part_width as u32, part_height as u32)
}

/// What is in a folder, by name.
fn entries(folder: &Path) -> Result<Vec<PathBuf>, Error> {
    let read = || std::fs::read_dir(folder)?.map(|entry| entry.map(|entry| entry.path())).collect::<Result<Vec<_>, _>>();
    let mut paths = read().map_err(Error::file(folder, "read the folder"))?;
    paths.retain(|path| !name(path).starts_with('.'));
    paths.sort();
    Ok(paths)
}

fn name(path: &Path) -> String {
    path.file_name().unwrap_or_default().to_string_lossy().into_owned()
}

fn is_image(path: &Path) -> bool {
    let extension = path.extension().unwrap_or_default().to_string_lossy().to_lowercase();
    ["png", "jpg", "jpeg"].contains(&extension.as_str()) && path.is_file()
}
