//! What is to be made of which column.

use super::encoder::{Encoder, Feature, Goal};
use super::frame::Frame;
use crate::error::Error;

/// What is to be made of which columns of a [`Frame`], in the order of the features of a sample.
///
/// A column is meant by its name or, if none has it, by its number from 1. A field that is empty, or `NA`, `N/A`, `NaN`, `null` or
/// `?`, is missing.
///
/// # Examples
/// ```
/// use formwork::data::csv::{Columns, Frame};
/// use formwork::prelude::*;
///
/// let frame = Frame::read("flats.csv", "rooms,city,rent\n2,Rome,900\n3,NA,1200\n".as_bytes())?;
/// let columns = Columns::new().numbers(&["rooms"]).categories_or_none(&["city"]).targets(&["rent"]);
/// let data: Dataset<Rank1<2>, Values<Rank1<1>>> = columns.fit(&frame)?.dataset(&frame)?;
/// assert_eq!((data.input(1), data.target(1)), (&[3.0, 0.0][..], &[1200.0][..]));
///
/// let error = Columns::new().numbers(&["rooms", "city"]).fit(&frame).unwrap_err();
/// assert_eq!(error.to_string(), "flats.csv, line 2: column `city`: expected a finite number, given `Rome`");
/// # Ok::<(), Error>(())
/// ```
#[derive(Clone, Debug, Default)]
pub struct Columns {
    inputs: Vec<(String, Kind)>,
    goal: Wanted,
}

/// What a feature is to be made of a column.
#[derive(Clone, Copy, Debug)]
enum Kind {
    Number { missing: Missing },
    Category { may_miss: bool },
}

/// What a number becomes that is not there.
#[derive(Clone, Copy, Debug)]
enum Missing {
    Refused,
    Mean,
    Value(f64),
}

/// The columns of what is to be learned.
#[derive(Clone, Debug, Default)]
enum Wanted {
    #[default]
    Nothing,
    Class(String),
    Numbers(Vec<String>),
}

impl Columns {
    /// No columns yet.
    pub fn new() -> Self {
        Columns::default()
    }

    /// Columns of numbers, of which none may be missing.
    pub fn numbers(self, names: &[&str]) -> Self {
        self.with(names, Kind::Number { missing: Missing::Refused })
    }

    /// Columns of numbers; one that is missing becomes the mean of its column, where the columns are fitted.
    pub fn numbers_or_mean(self, names: &[&str]) -> Self {
        self.with(names, Kind::Number { missing: Missing::Mean })
    }

    /// Columns of numbers; one that is missing becomes `value`.
    pub fn numbers_or(self, value: f64, names: &[&str]) -> Self {
        self.with(names, Kind::Number { missing: Missing::Value(value) })
    }

    /// Columns of categories, none of which may be missing or unknown where the columns are fitted: a feature for each category,
    /// which is 1 for the one that is there and 0 for the others.
    pub fn categories(self, names: &[&str]) -> Self {
        self.with(names, Kind::Category { may_miss: false })
    }

    /// Columns of categories; for one that is missing or unknown, all its features are 0.
    pub fn categories_or_none(self, names: &[&str]) -> Self {
        self.with(names, Kind::Category { may_miss: true })
    }

    /// The column of the class that is to be learned, by name: targets are `Class<C>`.
    pub fn class(self, name: &str) -> Self {
        Columns { goal: Wanted::Class(name.to_owned()), ..self }
    }

    /// The columns of the numbers that are to be learned: targets are `Values<Rank1<K>>`.
    pub fn targets(self, names: &[&str]) -> Self {
        Columns { goal: Wanted::Numbers(owned(names)), ..self }
    }

    fn with(mut self, names: &[&str], kind: Kind) -> Self {
        self.inputs.extend(owned(names).into_iter().map(|name| (name, kind)));
        self
    }

    /// Finds the categories, the classes and the means of a file, which is to be of samples that are learned from. Categories and
    /// classes are in the order of their names, or of their numbers if all are numbers.
    ///
    /// # Errors
    /// [`Error::Data`] with the line and the column of a field that is not what it should be.
    pub fn fit(&self, frame: &Frame) -> Result<Encoder, Error> {
        let feature = |(name, kind): &(String, Kind)| {
            Ok(match *kind {
                Kind::Number { missing: Missing::Refused } => Feature::number(frame, name, None)?,
                Kind::Number { missing: Missing::Value(value) } => Feature::number(frame, name, Some(value))?,
                Kind::Number { missing: Missing::Mean } => Feature::number_or_mean(frame, name)?,
                Kind::Category { may_miss } => Feature::category(frame, name, may_miss)?,
            })
        };
        let features = self.inputs.iter().map(feature).collect::<Result<_, Error>>()?;
        let goal = match &self.goal {
            Wanted::Nothing => Goal::Nothing,
            Wanted::Class(name) => Goal::Class(Feature::category(frame, name, false)?),
            Wanted::Numbers(names) => Goal::Numbers(names.iter().map(|name| Feature::number(frame, name, None)).collect::<Result<_, Error>>()?),
        };
        Ok(Encoder::new(features, goal))
    }
}

fn owned(names: &[&str]) -> Vec<String> {
    names.iter().map(|&name| name.to_owned()).collect()
}
