//! Samples and targets, checked and made ready.

use super::{LinearModel, dot};
use crate::data::finite;
use crate::error::Error;

/// How many features each of so many samples has.
///
/// # Errors
/// [`Error::Count`] if there are no samples, or not whole ones; [`Error::NotFinite`] for numbers that are none.
pub(super) fn features(samples: &[f64], count: usize) -> Result<usize, Error> {
    if count == 0 {
        return Err(Error::Count { what: "samples", expected: 1, given: 0 });
    }
    let width = samples.len() / count;
    if width == 0 || width * count != samples.len() {
        return Err(Error::Count { what: "input numbers", expected: width.max(1) * count, given: samples.len() });
    }
    finite("sample", samples, width)?;
    Ok(width)
}

/// Features and targets, feature by feature, less their means where there is an intercept.
///
/// The best intercept for any coefficients makes the means agree, so without means there is none to look for.
pub(super) struct Centred {
    /// Each feature of all samples.
    pub features: Vec<Vec<f64>>,
    pub targets: Vec<f64>,
    feature_means: Vec<f64>,
    target_mean: f64,
}

impl Centred {
    pub fn new(samples: &[f64], targets: &[f64], intercept: bool) -> Result<Self, Error> {
        let width = features(samples, targets.len())?;
        finite("target", targets, 1)?;
        let mut features: Vec<Vec<f64>> = (0..width).map(|j| samples.iter().skip(j).step_by(width).copied().collect()).collect();
        let mut targets = targets.to_vec();
        let (mut feature_means, mut target_mean) = (vec![0.0; width], 0.0);
        if intercept {
            feature_means = features.iter_mut().map(|feature| centre(feature)).collect();
            target_mean = centre(&mut targets);
        }
        Ok(Centred { features, targets, feature_means, target_mean })
    }

    /// The model with these coefficients, and the intercept that makes the means agree.
    pub fn model(&self, coef: Vec<f64>) -> Result<LinearModel, Error> {
        let intercept = self.target_mean - dot(&self.feature_means, &coef);
        LinearModel::checked(coef, intercept)
    }
}

/// Takes the mean off some numbers, and returns it.
fn centre(numbers: &mut [f64]) -> f64 {
    let count = numbers.len() as f64;
    let mean = numbers.iter().sum::<f64>() / count;
    numbers.iter_mut().for_each(|x| *x -= mean);
    // What is left of a constant is rounding, which no coefficient should explain.
    if numbers.iter().all(|x| x.abs() <= count * f64::EPSILON * mean.abs()) {
        numbers.fill(0.0);
    }
    mean
}

/// Half the sum of squares, `|y - X w|² / 2`, as a function of the coefficients `w`: `wᵀ G w / 2 - qᵀ w + c`.
pub(super) struct Squares {
    /// `G = Xᵀ X`, row by row.
    gram: Vec<Vec<f64>>,
    /// `q = Xᵀ y`
    moments: Vec<f64>,
    /// `c = yᵀ y / 2`
    constant: f64,
}

impl Squares {
    pub fn new(data: &Centred) -> Self {
        let products = |a: &[f64]| data.features.iter().map(|b| dot(a, b)).collect();
        Squares {
            gram: data.features.iter().map(|feature| products(feature)).collect(),
            moments: products(&data.targets),
            constant: dot(&data.targets, &data.targets) / 2.0,
        }
    }

    /// How many coefficients there are.
    pub fn width(&self) -> usize {
        self.moments.len()
    }

    pub fn value(&self, coef: &[f64]) -> f64 {
        let quadratic: f64 = self.gram.iter().zip(coef).map(|(row, w)| w * dot(row, coef)).sum();
        quadratic / 2.0 - dot(&self.moments, coef) + self.constant
    }

    /// `G w - q`
    pub fn gradient(&self, coef: &[f64], gradient: &mut [f64]) {
        for ((g, row), q) in gradient.iter_mut().zip(&self.gram).zip(&self.moments) {
            *g = dot(row, coef) - q;
        }
    }

    /// The largest number of the gradient at 0, by size: what gradients are to be compared with.
    pub fn scale(&self) -> f64 {
        self.moments.iter().fold(0.0, |max: f64, q| max.max(q.abs()))
    }

    /// A bound on the largest eigenvalue of `G`: the largest sum of a row, by size. Descent with steps of one over it is safe.
    pub fn curvature(&self) -> f64 {
        self.gram.iter().map(|row| row.iter().map(|g| g.abs()).sum()).fold(0.0, f64::max)
    }
}
