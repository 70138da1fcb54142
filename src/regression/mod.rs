//! Regression in closed form and by descent, on plain numbers in double precision.
//!
//! | model | what is made small |
//! | --- | --- |
//! | [`Ridge`] | `Σ (y - w x - b)² + α Σ w²`; with `α = 0`, least squares |
//! | [`Lasso`] | `Σ (y - w x - b)² / 2n + α Σ \|w\|` |
//! | [`LogisticRegression`] | `Σ w² / 2 + C Σ (log(1 + exp(z)) - t z)` with `z = w x + b` |
//!
//! The conventions are those of scikit-learn, and no intercept `b` is penalised. Samples are rows, one behind the other:
//! `n` targets and `n d` numbers are `n` samples of `d` features. Features of very different sizes are penalised very
//! differently, and descent is slow on them: see [`StandardScaler`](crate::data::StandardScaler).
//!
//! # Examples
//! ```
//! use formwork::regression::Ridge;
//!
//! // y = 1 + 2 a - b
//! let (samples, targets) = ([1.0, 0.0, 0.0, 1.0, 1.0, 1.0, 2.0, 1.0], [3.0, 0.0, 2.0, 4.0]);
//! let model = Ridge::new(0.0).fit(&samples, &targets).unwrap();
//! assert!((model.predict(&[10.0, 5.0]).unwrap()[0] - 16.0).abs() < 1e-12);
//! ```

mod lasso;
mod least_squares;
mod logistic;
mod ridge;
mod samples;

pub use lasso::Lasso;
pub use logistic::{LogisticModel, LogisticRegression};
pub use ridge::Ridge;

use crate::data::finite;
use crate::error::Error;

/// A weighted sum of features: `w x + b`.
#[derive(Clone, Debug, PartialEq)]
pub struct LinearModel {
    /// The weight `w` of each feature.
    pub coef: Vec<f64>,
    /// `b`.
    pub intercept: f64,
}

impl LinearModel {
    /// The sum for each sample.
    ///
    /// # Shapes
    /// `[B, d] -> [B]`, where `d` is the number of coefficients.
    ///
    /// # Errors
    /// [`Error::Count`] if the numbers do not make whole samples.
    pub fn predict(&self, samples: &[f64]) -> Result<Vec<f64>, Error> {
        let width = self.coef.len();
        let count = samples.len() / width.max(1);
        if count * width != samples.len() {
            return Err(Error::Count { what: "input numbers", expected: count * width, given: samples.len() });
        }
        Ok(samples.chunks_exact(width.max(1)).map(|x| self.intercept + dot(&self.coef, x)).collect())
    }

    /// The model, unless a coefficient is no number.
    fn checked(coef: Vec<f64>, intercept: f64) -> Result<Self, Error> {
        finite("coefficient", &coef, 1)?;
        finite("intercept", &[intercept], 1)?;
        Ok(LinearModel { coef, intercept })
    }
}

fn dot(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}

/// A penalty must be 0 or more, and finite.
fn not_negative(what: &'static str, given: f64) -> Result<(), Error> {
    if given >= 0.0 && given.is_finite() { Ok(()) } else { Err(Error::Setting { what, expected: "a finite number of 0 or more", given }) }
}
