//! Features of one size.

use super::target::finite;
use crate::error::Error;
use crate::float::Float;

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
        // What is left of a constant is rounding.
        let deviation = |(variance, mean): (f64, &f64)| if variance.sqrt() > 1e-14 * mean.abs() { variance.sqrt() } else { 1.0 };
        let deviations = variances.into_iter().zip(&means).map(deviation).collect();
        Ok(StandardScaler { means, deviations })
    }

    /// Scales samples in place.
    ///
    /// # Errors
    /// [`Error::Count`] if they are not whole ones.
    pub fn transform<E: Float>(&self, samples: &mut [E]) -> Result<(), Error> {
        let features = self.means.len();
        if !samples.len().is_multiple_of(features) {
            return Err(Error::Count { what: "input numbers", expected: samples.len() / features * features, given: samples.len() });
        }
        for sample in samples.chunks_exact_mut(features) {
            for ((x, mean), deviation) in sample.iter_mut().zip(&self.means).zip(&self.deviations) {
                *x = E::of((x.f64() - mean) / deviation);
            }
        }
        Ok(())
    }
}
