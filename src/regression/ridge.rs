//! Ridge regression and least squares.

use super::least_squares::least_squares;
use super::samples::{Centred, Squares};
use super::{LinearModel, not_negative};
use crate::error::Error;
use crate::learn::Schedule;

/// Ridge regression: the `w` and `b` that make `Σ (y - w x - b)² + α Σ w²` smallest. With `α = 0`, least squares.
///
/// The intercept `b` is not penalised. The course notes write the penalty with the norm of `w`; it is the square of the norm
/// that the solution in closed form, `w = (Xᵀ X + α I)⁻¹ Xᵀ y` of centred `X` and `y`, belongs to.
///
/// # Examples
/// ```
/// use formwork::regression::Ridge;
///
/// let (samples, targets) = ([1.0, 2.0, 3.0], [2.0, 4.0, 6.0]);
/// let model = Ridge::new(2.0).fit(&samples, &targets).unwrap();
/// assert!((model.coef[0] - 4.0 / (2.0 + 2.0)).abs() < 1e-12); // Xᵀ y / (Xᵀ X + α)
/// assert!((model.intercept - 2.0).abs() < 1e-12);
///
/// let error = Ridge::new(0.0).fit(&[1.0, 1.0, 2.0, 2.0, 3.0, 3.0], &targets).unwrap_err();
/// assert_eq!(error.to_string(), "column 1: expected none that the columns before it add up to; a penalty makes the solution unique");
/// ```
///
/// Hoerl and Kennard, "Ridge regression: biased estimation for nonorthogonal problems", 1970; scikit-learn's
/// `linear_model.Ridge`. Course notes: ridge regression.
#[derive(Clone, Copy, Debug)]
pub struct Ridge {
    alpha: f64,
    intercept: bool,
}

impl Ridge {
    /// With the penalty `α`.
    pub const fn new(alpha: f64) -> Self {
        Ridge { alpha, intercept: true }
    }

    /// The same with `b = 0`.
    pub const fn without_intercept(mut self) -> Self {
        self.intercept = false;
        self
    }

    /// The solution, in closed form: least squares of the samples and, below them, `√α` for each feature by itself.
    ///
    /// # Errors
    /// [`Error::Setting`] for a negative `α`; [`Error::Count`] and [`Error::NotFinite`] for samples and targets that are none;
    /// [`Error::Dependent`] if there is more than one solution.
    pub fn fit(&self, samples: &[f64], targets: &[f64]) -> Result<LinearModel, Error> {
        let data = self.centred(samples, targets)?;
        let (mut features, mut targets) = (data.features.clone(), data.targets.clone());
        if self.alpha > 0.0 {
            let width = features.len();
            targets.resize(targets.len() + width, 0.0);
            for (j, feature) in features.iter_mut().enumerate() {
                feature.extend((0..width).map(|k| if k == j { self.alpha.sqrt() } else { 0.0 }));
            }
        }
        data.model(least_squares(features, targets)?)
    }

    /// The same by gradient descent from 0: `w ← w - η (2 Xᵀ (X w - y) + 2 α w)`, so many times.
    ///
    /// # Errors
    /// Those of [`Ridge::fit`] but the last; [`Error::NotFinite`] if the rate is too large.
    pub fn gradient_descent(&self, samples: &[f64], targets: &[f64], steps: u64, rate: impl Schedule) -> Result<LinearModel, Error> {
        let data = self.centred(samples, targets)?;
        let squares = Squares::new(&data);
        let (mut coef, mut gradient) = (vec![0.0; squares.width()], vec![0.0; squares.width()]);
        for step in 0..steps {
            squares.gradient(&coef, &mut gradient);
            let rate = rate.rate(step);
            coef.iter_mut().zip(&gradient).for_each(|(w, g)| *w -= rate * 2.0 * (g + self.alpha * *w));
        }
        data.model(coef)
    }

    /// A rate that gradient descent is safe with: one over a bound on the curvature. Up to twice that may do.
    ///
    /// # Errors
    /// Those of [`Ridge::gradient_descent`].
    pub fn safe_rate(&self, samples: &[f64], targets: &[f64]) -> Result<f64, Error> {
        let squares = Squares::new(&self.centred(samples, targets)?);
        Ok(0.5 / (squares.curvature() + self.alpha).max(f64::MIN_POSITIVE))
    }

    fn centred(&self, samples: &[f64], targets: &[f64]) -> Result<Centred, Error> {
        not_negative("alpha", self.alpha)?;
        Centred::new(samples, targets, self.intercept)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SAMPLES: [f64; 8] = [1.0, 0.5, -0.5, 2.0, 0.25, -1.0, 3.0, 1.5];
    const TARGETS: [f64; 4] = [1.0, 3.0, -2.0, 0.5];

    #[test]
    fn descent_arrives_where_the_closed_form_is() {
        for ridge in [Ridge::new(0.0), Ridge::new(0.7), Ridge::new(0.7).without_intercept()] {
            let exact = ridge.fit(&SAMPLES, &TARGETS).unwrap();
            let rate = ridge.safe_rate(&SAMPLES, &TARGETS).unwrap();
            let near = ridge.gradient_descent(&SAMPLES, &TARGETS, 1000, rate).unwrap();
            let pairs = exact.coef.iter().zip(&near.coef).chain([(&exact.intercept, &near.intercept)]);
            pairs.for_each(|(a, b)| assert!((a - b).abs() < 1e-9, "{exact:?} is not {near:?}"));
        }
    }

    #[test]
    fn too_large_a_rate_is_an_error() {
        let error = Ridge::new(0.0).gradient_descent(&SAMPLES, &TARGETS, 10_000, 10.0).unwrap_err();
        assert!(error.to_string().starts_with("coefficient 0: expected a finite number"), "{error}");
    }

    /// Without a penalty a constant has no coefficient of its own beside the intercept; with one it has 0.
    #[test]
    fn a_constant_feature() {
        let samples = [0.1, 1.0, 0.1, 2.0, 0.1, 4.0];
        let targets = [1.0, 2.0, 4.0];
        assert!(matches!(Ridge::new(0.0).fit(&samples, &targets), Err(Error::Dependent { column: 0 })));
        assert_eq!(Ridge::new(0.1).fit(&samples, &targets).unwrap().coef[0], 0.0);
    }

    #[test]
    fn bad_input_is_an_error() {
        let message = |ridge: Ridge, samples: &[f64], targets: &[f64]| ridge.fit(samples, targets).unwrap_err().to_string();
        let ridge = Ridge::new(1.0);
        assert_eq!(message(Ridge::new(-1.0), &[1.0], &[1.0]), "alpha: expected a finite number of 0 or more, given -1");
        assert_eq!(message(Ridge::new(f64::NAN), &[1.0], &[1.0]), "alpha: expected a finite number of 0 or more, given NaN");
        assert_eq!(message(ridge, &[], &[]), "samples: expected 1, given 0");
        assert_eq!(message(ridge, &[], &[1.0]), "input numbers: expected 1, given 0");
        assert_eq!(message(ridge, &[1.0, 2.0, 3.0], &[1.0, 2.0]), "input numbers: expected 2, given 3");
        assert_eq!(message(ridge, &[1.0, 2.0, 3.0, f64::NAN], &[1.0, 2.0]), "sample 1: expected a finite number, given NaN");
        assert_eq!(message(ridge, &[1.0, 2.0], &[1.0, f64::INFINITY]), "target 1: expected a finite number, given inf");
        let model = ridge.fit(&SAMPLES, &TARGETS).unwrap();
        assert_eq!(model.predict(&[1.0, 2.0, 3.0]).unwrap_err().to_string(), "input numbers: expected 2, given 3");
    }
}
