//! Features of one size.

use super::source::Source;
use super::target::{Target, finite};
use crate::error::Error;
use crate::float::Float;
use crate::noise::Noise;
use crate::types::{Plain, Sample};

/// Features of mean 0 and standard deviation 1: `(x - mean) / deviation`, each feature by itself.
///
/// The deviation is that of the samples themselves, `√(Σ (x - mean)² / n)`. A feature that never changes becomes 0. Mean and
/// deviation are those of the samples that a model learns from, for all others too.
///
/// # Shapes
/// `[B, d] -> [B, d]`
///
/// # Examples
/// ```
/// use formwork::data::StandardScaler;
///
/// let mut train = [1.0, 7.0, 3.0, 7.0];
/// let scaler = StandardScaler::fit(&train, 2).unwrap();
/// scaler.transform(&mut train).unwrap();
/// assert_eq!(train, [-1.0, 0.0, 1.0, 0.0]);
/// let mut test = [5.0, 8.0];
/// scaler.transform(&mut test).unwrap();
/// assert_eq!(test, [3.0, 1.0]);
/// ```
///
/// scikit-learn's `preprocessing.StandardScaler`.
#[derive(Clone, Debug, PartialEq)]
pub struct StandardScaler {
    means: Vec<f64>,
    deviations: Vec<f64>,
    /// How many numbers in a row are of one feature: the pixels of a channel.
    run: usize,
}

impl StandardScaler {
    /// Mean and deviation of samples of so many features.
    ///
    /// # Errors
    /// [`Error::Count`] if there are no samples, or not whole ones; [`Error::NotFinite`] for numbers that are none.
    pub fn fit<E: Float>(samples: &[E], features: usize) -> Result<Self, Error> {
        let count = samples.len() / features.max(1);
        if count == 0 || count * features != samples.len() {
            return Err(Error::Count { what: "input numbers", expected: count.max(1) * features, given: samples.len() });
        }
        finite("sample", samples, features)?;
        let mean_of = |number: &dyn Fn(usize, f64) -> f64| -> Vec<f64> {
            let feature = |j: usize| samples.iter().skip(j).step_by(features).map(move |x| number(j, x.f64()));
            (0..features).map(|j| feature(j).sum::<f64>() / count as f64).collect()
        };
        let means = mean_of(&|_, x| x);
        let variances = mean_of(&|j, x| (x - means[j]) * (x - means[j]));
        Ok(StandardScaler::from_moments(means, variances, 1))
    }

    /// Mean and deviation of each number of the samples of a source: of the part that is learned from.
    ///
    /// # Errors
    /// [`Error::Count`] if there are no samples; those of the source; [`Error::NotFinite`] for numbers that are none.
    ///
    /// # Examples
    /// ```
    /// use formwork::data::{self, Source, StandardScaler};
    ///
    /// let (train, test) = data::wine()?.dataset::<13, 3, f32>()?.split_stratified(0.2, 0);
    /// let scaler = StandardScaler::of(&train)?;
    /// let (train, test) = (train.scaled(&scaler).in_memory()?, test.scaled(&scaler).in_memory()?);
    /// assert!(train.all().inputs().iter().sum::<f32>().abs() < 1e-2);
    /// # Ok::<(), formwork::prelude::Error>(())
    /// ```
    pub fn of<E: Float, S: Source<E, Input: Plain>>(train: &S) -> Result<Self, Error> {
        StandardScaler::of_runs(train, 1)
    }

    /// Mean and deviation of each channel, the first dimension of a sample, over all pixels of all samples.
    ///
    /// # Errors
    /// As for [`StandardScaler::of`].
    ///
    /// # Examples
    /// ```
    /// use formwork::data::{self, Source, StandardScaler};
    ///
    /// let digits = data::digits::load::<f32>()?;
    /// let scaler = StandardScaler::of_channels(&digits)?;
    /// assert_eq!(scaler.means().len(), 1);
    /// assert!((scaler.means()[0] - 0.305).abs() < 1e-3);
    /// # Ok::<(), formwork::prelude::Error>(())
    /// ```
    pub fn of_channels<E: Float, S: Source<E, Input: Plain>>(train: &S) -> Result<Self, Error> {
        StandardScaler::of_runs(train, S::Input::PARTS.x.numel() / S::Input::PARTS.x.size(0).max(1))
    }

    /// One sample is in memory at a time; means are moved by each number, as by Welford, "Note on a method for calculating corrected
    /// sums of squares and products", 1962.
    fn of_runs<E: Float, S: Source<E, Input: Plain>>(train: &S, run: usize) -> Result<Self, Error> {
        let features = S::Input::WIDTH / run.max(1);
        if train.is_empty() || features == 0 {
            return Err(Error::Count { what: "samples to scale by", expected: 1, given: 0 });
        }
        let (mut means, mut squares) = (vec![0.0; features], vec![0.0; features]);
        let mut input = vec![E::zero(); S::Input::WIDTH];
        let mut target = vec![<S::Target as Target>::Number::<E>::default(); S::Target::PER_SAMPLE];
        for index in 0..train.len() {
            train.read(index, Noise::new(0).split(index as u64), &mut input, &mut target)?;
            if let Some(x) = input.iter().find(|x| !x.is_finite()) {
                return Err(Error::NotFinite { what: "sample", index, value: x.f64() });
            }
            for (feature, numbers) in input.chunks_exact(run).enumerate() {
                for (i, x) in numbers.iter().enumerate() {
                    let off = x.f64() - means[feature];
                    means[feature] += off / (index * run + i + 1) as f64;
                    squares[feature] += off * (x.f64() - means[feature]);
                }
            }
        }
        let variances = squares.into_iter().map(|sum| sum / (train.len() * run) as f64).collect();
        Ok(StandardScaler::from_moments(means, variances, run))
    }

    fn from_moments(means: Vec<f64>, variances: Vec<f64>, run: usize) -> Self {
        // What is left of a constant is rounding.
        let deviation = |(variance, mean): (f64, &f64)| if variance.sqrt() > 1e-14 * mean.abs() { variance.sqrt() } else { 1.0 };
        let deviations = variances.into_iter().zip(&means).map(deviation).collect();
        StandardScaler { means, deviations, run }
    }

    /// The mean of each feature, or of each channel.
    pub fn means(&self) -> &[f64] {
        &self.means
    }

    /// The standard deviation of each.
    pub fn deviations(&self) -> &[f64] {
        &self.deviations
    }

    /// Scales samples in place.
    ///
    /// # Errors
    /// [`Error::Count`] if they are not whole ones.
    pub fn transform<E: Float>(&self, samples: &mut [E]) -> Result<(), Error> {
        let features = self.means.len() * self.run;
        if !samples.len().is_multiple_of(features) {
            return Err(Error::Count { what: "input numbers", expected: samples.len() / features * features, given: samples.len() });
        }
        for sample in samples.chunks_exact_mut(features) {
            for ((numbers, mean), deviation) in sample.chunks_exact_mut(self.run).zip(&self.means).zip(&self.deviations) {
                numbers.iter_mut().for_each(|x| *x = E::of((x.f64() - mean) / deviation));
            }
        }
        Ok(())
    }
}
