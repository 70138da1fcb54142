//! How far off numbers are.

use super::Metric;
use crate::data::Values;
use crate::float::Float;
use crate::types::Plain;

/// A metric of distances between outputs `[..]` and [`Values`] of the same shape: [`mse`] or [`r2`].
#[derive(Clone, Debug)]
pub struct Regression {
    name: &'static str,
    value: fn(&[Sums]) -> f64,
    /// For each number of a sample.
    sums: Vec<Sums>,
}

/// What is known of one number over the samples so far.
#[derive(Clone, Copy, Debug, Default)]
struct Sums {
    count: f64,
    mean: f64,
    /// `Σ (t - mean)²`, updated so that a large mean takes nothing from it (Welford, 1962).
    spread: f64,
    /// `Σ (y - t)²`
    error: f64,
}

/// The mean square error: `Σ (y - t)² / n`.
///
/// # Examples
/// ```
/// use formwork::metrics::{Metric, mse};
/// use formwork::prelude::*;
///
/// let mut metric = mse();
/// Metric::<Rank1<2>, Values<Rank1<2>>>::add(&mut metric, &[1.0f32, 2.0], &[0.0, 4.0]);
/// assert_eq!(Metric::<Rank1<2>, Values<Rank1<2>>>::value(&metric), 2.5);
/// ```
pub fn mse() -> Regression {
    Regression { name: "mse", value: |sums| sums.iter().map(|sums| sums.error / sums.count).sum::<f64>() / sums.len() as f64, sums: Vec::new() }
}

/// The share of the variance that is explained: `R² = 1 - Σ (y - t)² / Σ (t - mean t)²`, the mean over the numbers of a sample.
///
/// Of targets that never change it is 1 if they are met, and 0 else.
///
/// scikit-learn's `metrics.r2_score`.
pub fn r2() -> Regression {
    Regression { name: "r2", value: |sums| sums.iter().map(Sums::explained).sum::<f64>() / sums.len() as f64, sums: Vec::new() }
}

impl Sums {
    fn add(&mut self, y: f64, t: f64) {
        self.count += 1.0;
        let before = t - self.mean;
        self.mean += before / self.count;
        self.spread += before * (t - self.mean);
        self.error += (y - t) * (y - t);
    }

    fn explained(&self) -> f64 {
        match (self.spread == 0.0, self.error == 0.0) {
            (false, _) => 1.0 - self.error / self.spread,
            (true, true) => 1.0,
            (true, false) => 0.0,
        }
    }
}

impl<E: Float, S: Plain> Metric<S, Values<S>, E> for Regression {
    fn name(&self) -> String {
        self.name.to_owned()
    }

    fn add(&mut self, outputs: &[E], targets: &[E]) {
        self.sums.resize(S::NUMEL, Sums::default());
        for (outputs, targets) in outputs.chunks_exact(S::NUMEL).zip(targets.chunks_exact(S::NUMEL)) {
            for ((sums, y), t) in self.sums.iter_mut().zip(outputs).zip(targets) {
                sums.add(y.f64(), t.f64());
            }
        }
    }

    fn value(&self) -> f64 {
        (self.value)(&self.sums)
    }

    fn reset(&mut self) {
        self.sums.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use dfdx::shapes::Rank1;

    /// `sklearn.metrics.r2_score([[0.5, 1], [-1, 1], [7, -6]], [[0, 2], [-1, 2], [8, -5]])` is 0.9368005266622779, and the same with all
    /// numbers moved by 1e6.
    #[test]
    fn the_share_that_is_explained() {
        for moved in [0.0, 1e6] {
            let mut metric = r2();
            let [targets, outputs] = [[0.5, 1.0, -1.0, 1.0, 7.0, -6.0], [0.0, 2.0, -1.0, 2.0, 8.0, -5.0]].map(|row| row.map(|x: f64| x + moved));
            Metric::<Rank1<2>, Values<Rank1<2>>, f64>::add(&mut metric, &outputs, &targets);
            let value = Metric::<Rank1<2>, Values<Rank1<2>>, f64>::value(&metric);
            assert!((value - 0.936_800_526_662_277_9).abs() < 1e-9, "{value}");
        }
    }
}
