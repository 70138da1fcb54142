//! The UCI handwritten digits, which come with the crate.
//!
//! "Optical Recognition of Handwritten Digits", E. Alpaydin and C. Kaynak, 1998, UCI data set 80, CC BY 4.0.

use super::csv::for_each_row;
use super::{Class, Dataset};
use crate::error::Error;
use crate::float::Float;
use dfdx::shapes::Rank3;
use std::io::Read;

/// The type of the digits: images `[1, 8, 8]` of ten classes.
pub type Digits<E = f32> = Dataset<Rank3<1, 8, 8>, Class<10>, E>;

const PIXELS: usize = 64;
const CLASSES: usize = 10;
/// Pixels are whole numbers up to this.
const WHITE: f64 = 16.0;

static FILE: &[u8] = include_bytes!("../../data/digits.csv.gz");

/// All 1797 digits, with pixels from 0 to 1.
///
/// # Errors
/// None but a damaged build.
///
/// # Examples
/// ```
/// let digits = formwork::data::digits::load::<f32>().unwrap();
/// assert_eq!(digits.len(), 1797);
/// let (train, test) = digits.split_stratified(0.2, 0);
/// assert_eq!((train.len(), test.len()), (1438, 359));
/// ```
pub fn load<E: Float>() -> Result<Digits<E>, Error> {
    read("digits.csv.gz", flate2::read::GzDecoder::new(FILE))
}

/// Digits from text like the crate's own: 64 numbers from 0 to 16 and a class, with commas between them, on each line.
///
/// `name` is what errors call the text.
///
/// # Errors
/// [`Error::Data`] with the line, what was expected there and what it holds.
///
/// # Examples
/// ```
/// let error = formwork::data::digits::read::<f32>("mine.csv", "1,2,3\n".as_bytes()).err().unwrap();
/// assert_eq!(error.to_string(), "mine.csv, line 1: expected 65 columns, given 3");
/// ```
pub fn read<E: Float>(name: &str, text: impl Read) -> Result<Digits<E>, Error> {
    let (mut pixels, mut classes) = (Vec::new(), Vec::new());
    for_each_row(name, text, b',', |row| {
        row.expect_columns(PIXELS + 1)?;
        for column in 0..PIXELS {
            let pixel = row.number(column, |pixel: &f64| (0.0..=WHITE).contains(pixel), format_args!("a number from 0 to {WHITE}"))?;
            pixels.push(E::of(pixel / WHITE));
        }
        classes.push(row.class(PIXELS, CLASSES)?);
        Ok(())
    })?;
    Dataset::new(pixels, classes)
}
