//! Columns of text as samples.

use super::frame::Frame;
use crate::data::{Dataset, MiniBatch, Target, Values};
use crate::error::Error;
use crate::float::Float;
use dfdx::shapes::Rank1;
use std::collections::{BTreeSet, HashMap};

/// Columns that know the categories, the classes and the means of the file they were fitted to, and make samples of that one and
/// of others like it.
///
/// # Examples
/// ```
/// use formwork::data::csv::{Columns, Frame};
/// use formwork::prelude::*;
///
/// let train = Frame::read("train.csv", "x,colour,kind\n1,red,a\n3,blue,b\n".as_bytes())?;
/// let encoder = Columns::new().numbers_or_mean(&["x"]).categories(&["colour"]).class("kind").fit(&train)?;
///
/// let test = Frame::read("test.csv", "colour,x\nblue,\n".as_bytes())?;
/// assert_eq!(encoder.inputs::<3, f32>(&test)?.inputs(), [2.0, 1.0, 0.0]);
///
/// let other = Frame::read("other.csv", "colour,x\ngreen,5\n".as_bytes())?;
/// let error = encoder.inputs::<3, f32>(&other).unwrap_err();
/// assert_eq!(error.to_string(), "other.csv, line 2: column `colour`: expected `blue` or `red`, given `green`");
/// # Ok::<(), Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct Encoder {
    inputs: Vec<Feature>,
    goal: Goal,
}

/// Samples without targets: what a model is to predict.
pub type Unlabelled<const D: usize, E = f32> = MiniBatch<Rank1<D>, Values<Rank1<0>>, E>;

impl Encoder {
    pub(super) fn new(inputs: Vec<Feature>, goal: Goal) -> Self {
        Encoder { inputs, goal }
    }

    /// What the features of a sample are called: a column of numbers by its name, a category `column=category`.
    pub fn features(&self) -> Vec<String> {
        self.inputs.iter().flat_map(Feature::names).collect()
    }

    /// What the classes are called, from class 0 on; none if there is no column of classes.
    pub fn classes(&self) -> &[String] {
        match &self.goal {
            Goal::Class(Feature { kind: Kind::Category { names, .. }, .. }) => names,
            _ => &[],
        }
    }

    /// The rows as samples with targets: `Class<C>` or, of two classes, numbers 0 and 1 for a column of classes; `Values<Rank1<K>>`
    /// for columns of numbers.
    ///
    /// # Errors
    /// [`Error::Data`] with the line and the column of a field that is not what it should be; [`Error::Count`] if there are not as
    /// many features, classes or targets.
    pub fn dataset<const D: usize, T: Target, E: Float>(&self, frame: &Frame) -> Result<Dataset<Rank1<D>, T, E>, Error> {
        let goals = match &self.goal {
            Goal::Nothing => &[],
            Goal::Class(class) => {
                let expected = T::DIMS.vocabulary().unwrap_or(2);
                counted("classes", expected, self.classes().len())?;
                core::slice::from_ref(class)
            }
            Goal::Numbers(numbers) => numbers.as_slice(),
        };
        counted("targets of a sample", T::PER_SAMPLE, goals.len())?;
        let mut targets = Vec::with_capacity(frame.rows() * goals.len());
        each_field(frame, goals, |goal, row, column| {
            let number = goal.number_at(frame, row, column)?;
            targets.push(T::of::<E>(number).ok_or_else(|| frame.error(row, &goal.column, "a class", frame.text(row, column)))?);
            Ok(())
        })?;
        Dataset::new(self.numbers::<E>(frame, D)?, targets)
    }

    /// The rows as samples without targets, whose columns the file need not have.
    ///
    /// # Errors
    /// Those of [`Encoder::dataset`].
    pub fn inputs<const D: usize, E: Float>(&self, frame: &Frame) -> Result<Unlabelled<D, E>, Error> {
        let numbers = self.numbers::<E>(frame, D)?;
        let mut batch = MiniBatch::default();
        batch.resized(frame.rows()).0.copy_from_slice(&numbers);
        Ok(batch)
    }

    fn numbers<E: Float>(&self, frame: &Frame, features: usize) -> Result<Vec<E>, Error> {
        counted("features", features, self.inputs.iter().map(Feature::width).sum())?;
        let mut numbers = Vec::with_capacity(frame.rows() * features);
        each_field(frame, &self.inputs, |feature, row, column| feature.push(frame, row, column, &mut numbers))?;
        Ok(numbers)
    }
}

fn counted(what: &'static str, expected: usize, given: usize) -> Result<(), Error> {
    if expected == given { Ok(()) } else { Err(Error::Count { what, expected, given }) }
}

/// Goes through the columns of some features, row by row.
fn each_field(frame: &Frame, features: &[Feature], mut visit: impl FnMut(&Feature, usize, usize) -> Result<(), Error>) -> Result<(), Error> {
    let columns = features.iter().map(|feature| frame.column(&feature.column)).collect::<Result<Vec<_>, _>>()?;
    (0..frame.rows()).try_for_each(|row| features.iter().zip(&columns).try_for_each(|(feature, &column)| visit(feature, row, column)))
}

/// What is to be learned.
#[derive(Clone, Debug)]
pub(super) enum Goal {
    Nothing,
    Class(Feature),
    Numbers(Vec<Feature>),
}

/// A column that becomes one number or several.
#[derive(Clone, Debug)]
pub(super) struct Feature {
    column: String,
    kind: Kind,
}

#[derive(Clone, Debug)]
enum Kind {
    /// What stands for a number that is missing; none if none may be.
    Number { missing: Option<f64> },
    /// The categories in their order, and the place of each.
    Category { names: Vec<String>, places: HashMap<String, usize>, may_miss: bool },
}

/// The fields that stand for nothing.
const MISSING: [&str; 7] = ["", "NA", "N/A", "NaN", "nan", "null", "?"];

fn is_missing(field: &str) -> bool {
    MISSING.contains(&field)
}

impl Feature {
    /// A column of numbers, and what stands for one that is missing.
    pub fn number(frame: &Frame, column: &str, missing: Option<f64>) -> Result<Self, Error> {
        let feature = Feature { column: column.to_owned(), kind: Kind::Number { missing } };
        each_field(frame, core::slice::from_ref(&feature), |feature, row, column| feature.number_at(frame, row, column).map(drop))?;
        Ok(feature)
    }

    /// The same with the mean of those that are there, or 0 if none is.
    pub fn number_or_mean(frame: &Frame, column: &str) -> Result<Self, Error> {
        let feature = Feature::number(frame, column, Some(0.0))?;
        let (mut sum, mut count) = (0.0, 0u64);
        each_field(frame, core::slice::from_ref(&feature), |feature, row, column| {
            if !is_missing(frame.text(row, column)) {
                sum += feature.number_at(frame, row, column)?;
                count += 1;
            }
            Ok(())
        })?;
        Ok(Feature { kind: Kind::Number { missing: Some(sum / count.max(1) as f64) }, ..feature })
    }

    /// A column of the categories that are found in it.
    pub fn category(frame: &Frame, name: &str, may_miss: bool) -> Result<Self, Error> {
        let column = frame.column(name)?;
        let found: BTreeSet<&str> = (0..frame.rows()).map(|row| frame.text(row, column)).filter(|field| !is_missing(field)).collect();
        let mut found: Vec<&str> = found.into_iter().collect();
        if let Ok(mut numbers) = found.iter().map(|&field| field.parse().map(|number| (number, field))).collect::<Result<Vec<(f64, &str)>, _>>() {
            numbers.sort_by(|a, b| a.0.total_cmp(&b.0));
            found = numbers.into_iter().map(|(_, field)| field).collect();
        }
        let names: Vec<String> = found.into_iter().map(str::to_owned).collect();
        let places = names.iter().cloned().zip(0..).collect();
        Ok(Feature { column: name.to_owned(), kind: Kind::Category { names, places, may_miss } })
    }

    fn width(&self) -> usize {
        match &self.kind {
            Kind::Number { .. } => 1,
            Kind::Category { names, .. } => names.len(),
        }
    }

    fn names(&self) -> Vec<String> {
        match &self.kind {
            Kind::Number { .. } => vec![self.column.clone()],
            Kind::Category { names, .. } => names.iter().map(|name| format!("{}={name}", self.column)).collect(),
        }
    }

    /// Appends what a field becomes.
    fn push<E: Float>(&self, frame: &Frame, row: usize, column: usize, numbers: &mut Vec<E>) -> Result<(), Error> {
        match &self.kind {
            Kind::Number { .. } => numbers.push(E::of(self.number_at(frame, row, column)?)),
            Kind::Category { names, places, may_miss } => {
                let begin = numbers.len();
                numbers.resize(begin + names.len(), E::zero());
                match places.get(frame.text(row, column)) {
                    Some(place) => numbers[begin + place] = E::one(),
                    None if *may_miss => {}
                    None => _ = self.number_at(frame, row, column)?,
                }
            }
        }
        Ok(())
    }

    /// The number that a field is, or the place of a category.
    fn number_at(&self, frame: &Frame, row: usize, column: usize) -> Result<f64, Error> {
        let field = frame.text(row, column);
        match &self.kind {
            Kind::Number { missing: Some(value) } if is_missing(field) => Ok(*value),
            Kind::Number { .. } => match field.parse() {
                Ok(number) if f64::is_finite(number) => Ok(number),
                _ => Err(frame.error(row, &self.column, "a finite number", field)),
            },
            Kind::Category { names, places, .. } => match places.get(field) {
                Some(place) => Ok(*place as f64),
                None => Err(frame.error(row, &self.column, &listed(names), field)),
            },
        }
    }
}

/// Some names, the first of which are enough if they are many.
fn listed(names: &[String]) -> String {
    const SHOWN: usize = 8;
    match names {
        [] => "a category, of which there are none".to_owned(),
        [name] => format!("`{name}`"),
        [first @ .., last] if names.len() <= SHOWN => format!("`{}` or `{last}`", first.join("`, `")),
        _ => format!("one of {} categories, such as `{}`", names.len(), names[..SHOWN].join("`, `")),
    }
}
