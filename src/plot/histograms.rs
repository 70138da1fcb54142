//! How numbers are spread.

use super::{Picture, bounds, save};
use crate::error::Error;
use crate::float::Float;
use crate::types::NamedParam;
use plotters::coord::Shift;
use plotters::prelude::*;
use std::path::Path;

/// Histograms, one for each list of numbers: weights and gradients, tensor by tensor.
///
/// # Examples
/// ```
/// use formwork::plot::Histograms;
/// use formwork::prelude::*;
///
/// #[network([4] => [2])]
/// type Small = (Linear<4, 16>, Tanh, Linear<16, 2>);
///
/// let data = Dataset::<Rank1<4>, Class<2>>::new(vec![1.0, -1.0, 0.5, 2.0], vec![1]).unwrap();
/// let mut model = Model::<Small>::new(0);
/// let gradients = model.gradients(&data.all(), &CrossEntropy::default()).unwrap();
/// let folder = std::env::temp_dir();
/// Histograms::of_tensors(&Small::parameters(), &model.parameters()).save(folder.join("formwork-weights.svg")).unwrap();
/// Histograms::of_tensors(&Small::parameters(), &gradients.parameters).save(folder.join("formwork-gradients.svg")).unwrap();
/// ```
#[derive(Clone, Debug, Default)]
pub struct Histograms {
    lists: Vec<(String, Vec<f64>)>,
    bins: usize,
}

/// How many histograms stand beside one another, and how large one is.
const COLUMNS: usize = 3;
const SIZE: [u32; 2] = [320, 220];

impl Histograms {
    /// No histograms yet.
    pub fn new() -> Self {
        Histograms { lists: Vec::new(), bins: 40 }
    }

    /// One for each tensor, in the order of [`Network::parameters`](crate::types::Network::parameters): of a model's parameters,
    /// or of their gradients.
    pub fn of_tensors<E: Float>(tensors: &[NamedParam], numbers: &[E]) -> Self {
        tensors.iter().fold(Self::new(), |all, tensor| all.list(&tensor.name, numbers.get(tensor.range()).unwrap_or(&[])))
    }

    /// One more histogram. Numbers that are not finite are left out.
    pub fn list<E: Float>(mut self, name: &str, numbers: &[E]) -> Self {
        self.lists.push((name.to_owned(), numbers.iter().map(|x| x.f64()).filter(|x| x.is_finite()).collect()));
        self
    }

    /// How many bars each has; 40 unless told otherwise.
    pub fn bins(mut self, bins: usize) -> Self {
        self.bins = bins.max(1);
        self
    }

    /// Draws the histograms.
    ///
    /// # Errors
    /// [`Error::Count`] if there is none, [`Error::Format`] for a file that is neither SVG nor PNG by its name, and
    /// [`Error::File`].
    pub fn save(&self, path: impl AsRef<Path>) -> Result<(), Error> {
        self.write(path.as_ref())
    }

    fn write(&self, path: &Path) -> Result<(), Error> {
        if self.lists.is_empty() {
            return Err(Error::Count { what: "histograms", expected: 1, given: 0 });
        }
        save(self, path)
    }

    fn columns(&self) -> usize {
        self.lists.len().clamp(1, COLUMNS)
    }

    /// How many of the numbers lie in each of the bins between two bounds.
    fn counts(&self, numbers: &[f64], [low, high]: [f64; 2]) -> Vec<u32> {
        let mut counts = vec![0; self.bins];
        for x in numbers {
            let bin = (self.bins as f64 * (x - low) / (high - low)) as usize;
            counts[bin.min(self.bins - 1)] += 1;
        }
        counts
    }
}

impl Picture for Histograms {
    fn size(&self) -> [u32; 2] {
        [SIZE[0] * self.columns() as u32, SIZE[1] * self.lists.len().div_ceil(self.columns()) as u32]
    }

    fn paint<B: DrawingBackend>(&self, paper: &DrawingArea<B, Shift>) -> Result<(), DrawingAreaErrorKind<B::ErrorType>> {
        let areas = paper.split_evenly((self.lists.len().div_ceil(self.columns()), self.columns()));
        for (area, (name, numbers)) in areas.iter().zip(&self.lists) {
            let [low, high] = bounds(numbers.iter().copied()).unwrap_or([0.0, 1.0]);
            let counts = self.counts(numbers, [low, high]);
            let most = counts.iter().copied().max().unwrap_or(0).max(1);
            let mut builder = ChartBuilder::on(area);
            builder.margin(10).x_label_area_size(26).y_label_area_size(44).caption(name, ("sans-serif", 16));
            let mut chart = builder.build_cartesian_2d(low..high, 0..most + most.div_ceil(20))?;
            let number = |x: &f64| if *x != 0.0 && x.abs() < 1e-2 { format!("{x:.0e}") } else { format!("{}", *x as f32) };
            let mut mesh = chart.configure_mesh();
            mesh.disable_mesh().x_labels(4).y_labels(4).label_style(("sans-serif", 14)).x_label_formatter(&number).draw()?;
            let edge = |i: usize| low + (high - low) * i as f64 / self.bins as f64;
            let bar = |(i, &count): (usize, &u32)| Rectangle::new([(edge(i), 0), (edge(i + 1), count)], RGBColor(74, 134, 197).filled());
            chart.draw_series(counts.iter().enumerate().map(bar))?;
        }
        Ok(())
    }
}
