//! IDX files, the format of MNIST.
//!
//! MNIST itself is not part of the crate: Y. LeCun, C. Cortes and C. J. C. Burges, "The MNIST database of handwritten digits".

use super::{Class, Dataset, Mapped, Source};
use crate::error::Error;
use crate::float::Float;
use crate::noise::Noise;
use core::marker::PhantomData;
use dfdx::shapes::Rank3;
use flate2::read::MultiGzDecoder;
use std::fs::File;
use std::io::{BufReader, Cursor, Read};
use std::path::Path;

/// The first four bytes: two zeros, the type of the numbers (8 is a byte), and how many dimensions there are.
const IMAGES: u32 = 0x0803;
const LABELS: u32 = 0x0801;
/// Four numbers of four bytes: what a file of images is, and its three sizes.
const IMAGES_HEADER: usize = 16;
/// The first bytes of a file that is gzipped.
const GZIP: [u8; 2] = [0x1f, 0x8b];
const WHITE: f64 = 255.0;

/// Grey images of `H x W` pixels, and their classes.
pub type Images<const H: usize, const W: usize, const C: usize, E = f32> = Dataset<Rank3<1, H, W>, Class<C>, E>;

/// The images and the labels of two files, as they are or gzipped, with pixels from 0 to 1.
///
/// # Errors
/// [`Error::File`] if one cannot be opened, and those of [`read`].
///
/// # Examples
/// ```no_run
/// use formwork::data::idx::{self, Images};
///
/// let test: Images<28, 28, 10> = idx::load("mnist/t10k-images-idx3-ubyte.gz", "mnist/t10k-labels-idx1-ubyte.gz")?;
/// assert_eq!(test.len(), 10_000);
/// # Ok::<(), formwork::prelude::Error>(())
/// ```
pub fn load<const H: usize, const W: usize, const C: usize, E: Float>(
    images: impl AsRef<Path>,
    labels: impl AsRef<Path>,
) -> Result<Images<H, W, C, E>, Error> {
    let open = |path: &Path| Ok((path.display().to_string(), BufReader::new(File::open(path).map_err(Error::file(path, "open it"))?)));
    let ((images_name, images), (labels_name, labels)) = (open(images.as_ref())?, open(labels.as_ref())?);
    read((&images_name, images), (&labels_name, labels))
}

/// The images and the labels of two files, each with the name that errors call it.
///
/// No more memory is taken than there are bytes to fill it, whatever the beginning of a file promises.
///
/// # Errors
/// [`Error::Format`] with the file, what was expected there, and what it holds.
///
/// # Examples
/// ```
/// use formwork::data::idx::{self, Images};
///
/// let images = [0, 0, 8, 3, 0, 0, 0, 2, 0, 0, 0, 1, 0, 0, 0, 2, 0, 51, 102, 255]; // two of 1x2
/// let labels = [0, 0, 8, 1, 0, 0, 0, 2, 1, 0];
/// let data: Images<1, 2, 2> = idx::read(("images", &images[..]), ("labels", &labels[..])).unwrap();
/// assert_eq!((data.input(1), data.target(1)), (&[0.4, 1.0][..], &[0][..]));
///
/// let error = idx::read::<3, 3, 2, f32>(("images", &images[..]), ("labels", &labels[..])).unwrap_err();
/// assert_eq!(error.to_string(), "images: expected images of 3x3, given 1x2");
/// ```
pub fn read<const H: usize, const W: usize, const C: usize, E: Float>(
    images: (&str, impl Read),
    labels: (&str, impl Read),
) -> Result<Images<H, W, C, E>, Error> {
    let (pixels, count) = Idx::open(images.0, images.1)?.images([H, W])?;
    let classes = Idx::open(labels.0, labels.1)?.labels(count, C)?;
    Dataset::new(pixels.iter().map(|&pixel| E::of(f64::from(pixel) / WHITE)).collect(), classes)
}

/// The images and the labels of two files that are not gzipped, need not fit into memory, and are not to be changed meanwhile.
///
/// # Errors
/// [`Error::File`] if one cannot be opened, and those of [`read`].
///
/// # Examples
/// ```no_run
/// use formwork::data::Source;
/// use formwork::data::idx::{self, MappedImages};
///
/// let train: MappedImages<28, 28, 10> = idx::map("mnist/train-images-idx3-ubyte", "mnist/train-labels-idx1-ubyte")?;
/// assert_eq!(train.len(), 60_000);
/// # Ok::<(), formwork::prelude::Error>(())
/// ```
pub fn map<const H: usize, const W: usize, const C: usize, E: Float>(
    images: impl AsRef<Path>,
    labels: impl AsRef<Path>,
) -> Result<MappedImages<H, W, C, E>, Error> {
    let (images_name, labels_name) = (images.as_ref().display().to_string(), labels.as_ref().display().to_string());
    let (images, labels) = (Mapped::open(images.as_ref())?, File::open(labels.as_ref()).map_err(Error::file(labels.as_ref(), "open it"))?);
    let count = Idx { name: &images_name, bytes: Box::new(images.as_ref()) }.mapped([H, W], images.as_ref().len())?;
    let classes = Idx::open(&labels_name, BufReader::new(labels))?.labels(count, C)?;
    Ok(MappedImages { classes, images, numbers: PhantomData })
}

/// Grey images of `H x W` pixels in a file that is mapped, and their classes, in memory: see [`map`].
#[derive(Debug)]
pub struct MappedImages<const H: usize, const W: usize, const C: usize, E = f32> {
    images: Mapped,
    classes: Vec<usize>,
    numbers: PhantomData<fn() -> E>,
}

impl<const H: usize, const W: usize, const C: usize, E: Float> Source<E> for MappedImages<H, W, C, E> {
    type Input = Rank3<1, H, W>;
    type Target = Class<C>;

    fn len(&self) -> usize {
        self.classes.len()
    }

    fn read(&self, index: usize, _noise: Noise, input: &mut [E], target: &mut [usize]) -> Result<(), Error> {
        let pixels = &self.images.as_ref()[IMAGES_HEADER + index * H * W..];
        input.iter_mut().zip(pixels).for_each(|(x, &pixel)| *x = E::of(f64::from(pixel) / WHITE));
        target[0] = self.classes[index];
        Ok(())
    }

    fn read_target(&self, index: usize, target: &mut [usize]) -> Result<(), Error> {
        target[0] = self.classes[index];
        Ok(())
    }
}

/// A file that is being read.
struct Idx<'a> {
    name: &'a str,
    bytes: Box<dyn Read + 'a>,
}

impl<'a> Idx<'a> {
    /// Unpacks what is packed.
    fn open(name: &'a str, mut file: impl Read + 'a) -> Result<Self, Error> {
        let mut first = Vec::new();
        file.by_ref().take(GZIP.len() as u64).read_to_end(&mut first).map_err(|error| unreadable(name, &error))?;
        let is_packed = first == GZIP;
        let whole = Cursor::new(first).chain(file);
        Ok(Idx { name, bytes: if is_packed { Box::new(MultiGzDecoder::new(whole)) } else { Box::new(whole) } })
    }

    /// The pixels of images of this size, and how many images there are.
    fn images(mut self, size: [usize; 2]) -> Result<(Vec<u8>, usize), Error> {
        let (count, numel) = self.size(size)?;
        Ok((self.rest("pixels", numel)?, count))
    }

    /// How many images of this size there are in a file of so many bytes.
    fn mapped(mut self, size: [usize; 2], len: usize) -> Result<usize, Error> {
        let (count, numel) = self.size(size)?;
        match (len - IMAGES_HEADER) as u64 {
            given if given == numel => Ok(count),
            given => Err(self.error(format!("{numel} pixels"), given)),
        }
    }

    /// How many images of this size there are to be, and how many pixels they have.
    fn size(&mut self, size: [usize; 2]) -> Result<(usize, u64), Error> {
        self.magic("images", IMAGES)?;
        let [count, height, width] = [self.number()?, self.number()?, self.number()?];
        if [height as usize, width as usize] != size {
            return Err(self.error(format!("images of {}x{}", size[0], size[1]), format!("{height}x{width}")));
        }
        let numel = u64::from(count).saturating_mul(u64::from(height)).saturating_mul(u64::from(width));
        Ok((count as usize, numel))
    }

    /// The labels of this many images, all of them classes below `classes`.
    fn labels(mut self, images: usize, classes: usize) -> Result<Vec<usize>, Error> {
        self.magic("labels", LABELS)?;
        let count = self.number()?;
        if count as usize != images {
            return Err(self.error(format!("{images} labels, one for each image"), count));
        }
        let labels: Vec<usize> = self.rest("labels", u64::from(count))?.into_iter().map(usize::from).collect();
        match labels.iter().position(|&label| label >= classes) {
            Some(i) => Err(self.error(format!("label {i}, counted from 0, to be a class below {classes}"), labels[i])),
            None => Ok(labels),
        }
    }

    fn magic(&mut self, what: &str, expected: u32) -> Result<(), Error> {
        match self.number()? {
            given if given == expected => Ok(()),
            given => Err(self.error(format!("an IDX file of {what}, which begins with {expected:#010x}"), format!("{given:#010x}"))),
        }
    }

    /// The next number of the header.
    fn number(&mut self) -> Result<u32, Error> {
        let bytes = self.take(4)?;
        let number = bytes.as_slice().try_into().map(u32::from_be_bytes);
        number.map_err(|_| self.error("a number of 4 bytes in the header", format!("{} bytes", bytes.len())))
    }

    /// All that is left, which is to be `count` bytes.
    fn rest(&mut self, what: &str, count: u64) -> Result<Vec<u8>, Error> {
        let bytes = self.take(count.saturating_add(1))?;
        match bytes.len() as u64 {
            given if given == count => Ok(bytes),
            given => Err(self.error(format!("{count} {what}"), if given > count { "more".to_owned() } else { given.to_string() })),
        }
    }

    /// Up to `count` bytes, as many as there are: memory grows with what is read.
    fn take(&mut self, count: u64) -> Result<Vec<u8>, Error> {
        let mut bytes = Vec::new();
        self.bytes.by_ref().take(count).read_to_end(&mut bytes).map_err(|error| unreadable(self.name, &error))?;
        Ok(bytes)
    }

    fn error(&self, expected: impl ToString, given: impl ToString) -> Error {
        Error::Format { file: self.name.to_owned(), expected: expected.to_string(), given: given.to_string() }
    }
}

/// Most likely a gzipped file that is damaged.
fn unreadable(name: &str, error: &std::io::Error) -> Error {
    Error::Format { file: name.to_owned(), expected: "a file that can be read to its end".to_owned(), given: error.to_string() }
}
