//! The UCI handwritten digits, which come with the crate.
//!
//! "Optical Recognition of Handwritten Digits", E. Alpaydin and C. Kaynak, 1998, UCI data set 80, CC BY 4.0.

use super::{Class, Dataset};
use crate::error::Error;
use crate::float::Float;
use dfdx::shapes::Rank3;
use std::io::{BufRead, BufReader, Read};

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
    for (number, line) in (1..).zip(BufReader::new(text).lines()) {
        let at = |problem: String| Error::Data { file: name.to_owned(), line: number, problem };
        let line = line.map_err(|error| at(error.to_string()))?;
        if line.trim().is_empty() {
            continue;
        }
        let fields: Vec<&str> = line.split(',').map(str::trim).collect();
        if fields.len() != PIXELS + 1 {
            return Err(at(format!("expected {} columns, given {}", PIXELS + 1, fields.len())));
        }
        for (column, field) in (1..).zip(&fields[..PIXELS]) {
            let pixel = field.parse::<f64>().ok().filter(|pixel| (0.0..=WHITE).contains(pixel));
            let problem = || at(format!("column {column}: expected a number from 0 to {WHITE}, given `{field}`"));
            pixels.push(E::of(pixel.ok_or_else(problem)? / WHITE));
        }
        let class = fields[PIXELS].parse::<usize>().ok().filter(|&class| class < CLASSES);
        let problem = || at(format!("column {}: expected a class from 0 to {}, given `{}`", PIXELS + 1, CLASSES - 1, fields[PIXELS]));
        classes.push(class.ok_or_else(problem)?);
    }
    Dataset::new(pixels, classes)
}
