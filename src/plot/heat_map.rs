//! Numbers as shades.

use super::{Picture, centred, counted, save};
use crate::error::Error;
use crate::float::Float;
use plotters::coord::Shift;
use plotters::prelude::*;
use plotters::style::text_anchor::{HPos, Pos, VPos};
use std::path::Path;

/// A table of numbers, none below zero, as squares: the darker, the larger. Each row and each column has a name.
///
/// # Examples
/// Where attention looks: [`AttentionMap::mean`](crate::engine::AttentionMap::mean) has the weights.
/// ```
/// use formwork::plot::HeatMap;
///
/// let letters = ["o", "n", "e"];
/// let weights: [f32; 9] = [0.9, 0.1, 0.0, 0.2, 0.8, 0.0, 0.0, 0.5, 0.5];
/// let file = std::env::temp_dir().join("formwork-attention.png");
/// HeatMap::new(&weights, letters, letters).unwrap().save(&file).unwrap();
/// ```
/// How often a class was taken for which:
/// ```
/// use formwork::plot::HeatMap;
///
/// let pairs = [(0, 0), (1, 1), (1, 0)]; // what it is, and what it was taken for
/// let matrix = HeatMap::confusion(pairs, &["cat", "dog"]).unwrap();
/// matrix.save(std::env::temp_dir().join("formwork-confusion.svg")).unwrap();
/// ```
#[derive(Clone, Debug)]
pub struct HeatMap {
    /// `[rows, columns]`.
    numbers: Vec<f64>,
    names: [Vec<String>; 2],
    /// What rows and columns are.
    axes: [&'static str; 2],
    /// Whether the numbers are written into the squares.
    is_written: bool,
}

const SQUARE: i32 = 40;
const LETTER: i32 = 9;
/// On light squares, which stay light on dark pages, where pure black does not stay black.
const INK: RGBColor = RGBColor(17, 17, 17);

impl HeatMap {
    /// Numbers `[rows, columns]`, and what the rows and the columns are called.
    ///
    /// # Errors
    /// [`Error::Count`] if there are not as many numbers as names ask for.
    pub fn new<E: Float, Name: Into<String>>(
        numbers: &[E],
        rows: impl IntoIterator<Item = Name>,
        columns: impl IntoIterator<Item = Name>,
    ) -> Result<Self, Error> {
        let names = [rows.into_iter().map(Into::into).collect::<Vec<String>>(), columns.into_iter().map(Into::into).collect()];
        counted("numbers of a heat map", names[0].len() * names[1].len(), numbers.len())?;
        Ok(HeatMap { numbers: numbers.iter().map(|x| x.f64()).collect(), names, axes: ["", ""], is_written: false })
    }

    /// A confusion matrix: for pairs of what a sample is and what it was taken for, how often there is each.
    ///
    /// # Errors
    /// [`Error::Class`] for a class that has no name.
    pub fn confusion<Name: AsRef<str>>(pairs: impl IntoIterator<Item = (usize, usize)>, classes: &[Name]) -> Result<Self, Error> {
        let mut numbers = vec![0.0; classes.len() * classes.len()];
        for (index, (is, taken_for)) in pairs.into_iter().enumerate() {
            if let Some(class) = [is, taken_for].into_iter().find(|&class| class >= classes.len()) {
                return Err(Error::Class { index, classes: classes.len(), class });
            }
            numbers[is * classes.len() + taken_for] += 1.0;
        }
        let names: Vec<String> = classes.iter().map(|name| name.as_ref().to_owned()).collect();
        Ok(HeatMap { numbers, names: [names.clone(), names], axes: ["is", "taken for"], is_written: true })
    }

    /// Writes the numbers into the squares.
    pub fn written(mut self) -> Self {
        self.is_written = true;
        self
    }

    /// Draws the table.
    ///
    /// # Errors
    /// [`Error::Format`] for a file that is neither SVG nor PNG by its name, and [`Error::File`].
    pub fn save(&self, path: impl AsRef<Path>) -> Result<(), Error> {
        self.write(path.as_ref())
    }

    fn write(&self, path: &Path) -> Result<(), Error> {
        save(self, path)
    }

    /// How much room the names of the rows take.
    fn left(&self) -> i32 {
        let longest = self.names[0].iter().map(|name| name.chars().count()).max().unwrap_or(0);
        24 + (LETTER * longest as i32).max(LETTER * self.axes[0].len() as i32)
    }

    fn top(&self) -> i32 {
        if self.axes[1].is_empty() { 40 } else { 64 }
    }

    /// A square is as wide as the name above it.
    fn square(&self) -> [i32; 2] {
        let longest = self.names[1].iter().map(|name| name.chars().count()).max().unwrap_or(0);
        [SQUARE.max(LETTER * longest as i32 + 8), SQUARE]
    }
}

impl Picture for HeatMap {
    fn size(&self) -> [u32; 2] {
        let ([w, h], [rows, columns]) = (self.square(), [self.names[0].len() as i32, self.names[1].len() as i32]);
        [self.left() + columns * w + 16, self.top() + rows * h + 16].map(i32::unsigned_abs)
    }

    fn paint<B: DrawingBackend>(&self, paper: &DrawingArea<B, Shift>) -> Result<(), DrawingAreaErrorKind<B::ErrorType>> {
        let ([left, top], [w, h], columns) = ([self.left(), self.top()], self.square(), self.names[1].len());
        let greatest = self.numbers.iter().copied().filter(|x| x.is_finite()).fold(0.0, f64::max);
        let beside = TextStyle::from(("sans-serif", 16)).pos(Pos::new(HPos::Right, VPos::Center));
        paper.draw(&Text::new(self.axes[0], (left - 10, top - 20), beside.clone()))?;
        paper.draw(&Text::new(self.axes[1], (left + columns as i32 * w / 2, 18), centred(16)))?;
        for (row, name) in (0..).zip(&self.names[0]) {
            paper.draw(&Text::new(name.as_str(), (left - 10, top + row * h + h / 2), beside.clone()))?;
        }
        for (column, name) in (0..).zip(&self.names[1]) {
            paper.draw(&Text::new(name.as_str(), (left + column * w + w / 2, top - 16), centred(16)))?;
        }
        for (i, &number) in self.numbers.iter().enumerate() {
            let (x, y) = (left + (i % columns) as i32 * w, top + (i / columns) as i32 * h);
            let share = if greatest > 0.0 { (number / greatest).clamp(0.0, 1.0) } else { 0.0 };
            paper.draw(&Rectangle::new([(x, y), (x + w - 2, y + h - 2)], shade(share).filled()))?;
            if self.is_written && number != 0.0 {
                let colour = if share > 0.5 { WHITE } else { INK };
                let text = if number.fract() == 0.0 { format!("{number}") } else { format!("{number:.2}") };
                paper.draw(&Text::new(text, (x + w / 2 - 1, y + h / 2 - 1), centred(14).color(&colour)))?;
            }
        }
        Ok(())
    }
}

/// From almost white to dark blue.
fn shade(share: f64) -> RGBColor {
    let between = |light: f64, dark: f64| (light + (dark - light) * share).round() as u8;
    RGBColor(between(240.0, 18.0), between(243.0, 52.0), between(247.0, 96.0))
}
