//! Arrays for Python to read.

use super::header::MAGIC;
use crate::error::Error;
use crate::float::Float;
use std::path::Path;

/// Writes numbers as an array of this shape, the last index changing from one to the next: what a model predicts, to be looked
/// at with `numpy.load`.
///
/// # Errors
/// [`Error::Count`] if there are not as many numbers; [`Error::File`] if the file cannot be written.
pub fn save<E: Float>(path: impl AsRef<Path>, shape: &[usize], numbers: &[E]) -> Result<(), Error> {
    let (path, bytes) = (path.as_ref(), to_bytes(shape, numbers)?);
    std::fs::write(path, bytes).map_err(Error::file(path, "write it"))
}

/// What [`save`] writes.
pub(in crate::data) fn to_bytes<E: Float>(shape: &[usize], numbers: &[E]) -> Result<Vec<u8>, Error> {
    let expected = shape.iter().fold(1, |product: usize, &size| product.saturating_mul(size));
    if expected != numbers.len() {
        return Err(Error::Count { what: "numbers of an array", expected, given: numbers.len() });
    }
    let sizes: String = shape.iter().map(|size| format!("{size}, ")).collect();
    let mut text = format!("{{'descr': '<f{}', 'fortran_order': False, 'shape': ({sizes}), }}", size_of::<E>());
    // The numbers begin at a multiple of 64 bytes, behind the end of a line.
    let begin = (MAGIC.len() + 4 + text.len() + 1).next_multiple_of(64);
    text += &" ".repeat(begin - (MAGIC.len() + 4 + text.len() + 1));
    text.push('\n');
    let length = (text.len() as u16).to_le_bytes();
    Ok([&MAGIC[..], &[1, 0], &length, text.as_bytes(), &E::to_le_bytes(numbers)].concat())
}
