//! An array of numbers.

use super::header::Header;
use crate::data::mapped::Mapped;
use crate::error::Error;
use crate::float::Float;
use crate::types::Dims;
use std::fs::File;
use std::io::{BufReader, Read};
use std::path::Path;

/// An array as it is in its file, of any type of numbers and in either order; a number is converted when it is read.
///
/// # Examples
/// ```
/// use formwork::data::npy;
///
/// let path = std::env::temp_dir().join("formwork-array.npy");
/// npy::save(&path, &[2, 3], &[1.0f32, 2.0, 3.0, 4.0, 5.0, 6.0])?;
/// let array = npy::open(&path)?;
/// assert_eq!(array.shape(), [2, 3]);
/// assert_eq!(array.numbers::<f64>(), [1.0, 2.0, 3.0, 4.0, 5.0, 6.0]);
/// # Ok::<(), formwork::prelude::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct Array<B = Vec<u8>> {
    pub(super) file: String,
    header: Header,
    /// Where in `bytes` the numbers begin.
    begin: usize,
    bytes: B,
}

/// The array of a file, in memory.
///
/// # Errors
/// [`Error::File`], and those of [`read`].
pub fn open(path: impl AsRef<Path>) -> Result<Array, Error> {
    let path = path.as_ref();
    let file = File::open(path).map_err(Error::file(path, "open it"))?;
    read(&path.display().to_string(), BufReader::new(file))
}

/// The array of a file that need not fit into memory, and is not to be changed meanwhile.
///
/// # Errors
/// [`Error::File`], and those of [`read`].
pub fn map(path: impl AsRef<Path>) -> Result<Array<Mapped>, Error> {
    let path = path.as_ref();
    let (file, bytes) = (path.display().to_string(), Mapped::open(path)?);
    let header = Header::read(&file, &mut bytes.as_ref())?;
    let (begin, given) = (header.len, bytes.as_ref().len() - header.len);
    Array { file, header, begin, bytes }.checked(given)
}

/// An array from bytes, which errors call `name`: no more memory is taken than there are bytes to fill it.
///
/// # Errors
/// [`Error::Format`] with what was expected, and what is there.
pub fn read(name: &str, mut bytes: impl Read) -> Result<Array, Error> {
    let header = Header::read(name, &mut bytes)?;
    let (mut numbers, most) = (Vec::new(), header.numbers_len().map_or(u64::MAX, |len| len as u64 + 1));
    let end = bytes.take(most).read_to_end(&mut numbers);
    let array = Array { file: name.to_owned(), header, begin: 0, bytes: numbers };
    end.map_err(|problem| array.error("a file that can be read to its end", problem))?;
    let given = array.bytes.len();
    array.checked(given)
}

impl<B> Array<B> {
    /// The sizes of its dimensions.
    pub fn shape(&self) -> &[usize] {
        &self.header.shape
    }

    /// Checks how many bytes there are behind the header.
    fn checked(self, given: usize) -> Result<Self, Error> {
        if self.header.numbers_len() == Some(given) {
            return Ok(self);
        }
        let given = if self.header.numbers_len().is_some_and(|len| given > len) { "more".to_owned() } else { format!("{given} bytes") };
        Err(self.error(format!("{:?} numbers of {} bytes", self.shape(), self.header.kind.size()), given))
    }

    pub(super) fn error(&self, expected: impl ToString, given: impl ToString) -> Error {
        Error::Format { file: self.file.clone(), expected: expected.to_string(), given: given.to_string() }
    }

    /// How many samples of this shape it holds: its first dimension. Dimensions of size 1 make no difference.
    pub(super) fn samples(&self, dims: Dims) -> Result<usize, Error> {
        let wide = |sizes: &[usize]| sizes.iter().copied().filter(|&size| size != 1).collect::<Vec<_>>();
        match self.shape() {
            [samples, rest @ ..] if wide(rest) == wide(dims.sizes()) => Ok(*samples),
            given => {
                let sizes: String = dims.sizes().iter().map(|size| format!(", {size}")).collect();
                Err(self.error(format!("an array of shape [samples{sizes}]"), format!("{given:?}")))
            }
        }
    }
}

impl<B: AsRef<[u8]>> Array<B> {
    /// All numbers, the last index changing from one to the next.
    pub fn numbers<E: Float>(&self) -> Vec<E> {
        let count = self.shape().iter().product();
        (0..count).map(|place| E::of(self.number(place))).collect()
    }

    /// The number at a place, counted with the last index changing from one to the next.
    pub(super) fn number(&self, place: usize) -> f64 {
        let size = self.header.kind.size();
        let stored = if self.header.is_fortran { self.in_fortran(place) } else { place };
        let stored = &self.bytes.as_ref()[self.begin + stored * size..][..size];
        let mut bytes = [0; 8];
        bytes[..size].copy_from_slice(stored);
        if self.header.is_big_endian {
            bytes[..size].reverse();
        }
        self.header.kind.number(bytes)
    }

    /// Where a number is that is stored with the first index changing from one to the next.
    fn in_fortran(&self, mut place: usize) -> usize {
        let (mut stored, mut stride) = (0, self.shape().iter().product::<usize>());
        for &size in self.shape().iter().rev() {
            stride /= size;
            stored += place % size * stride;
            place /= size;
        }
        stored
    }
}
