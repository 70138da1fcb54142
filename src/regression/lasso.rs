//! The lasso.

use super::samples::{Centred, Squares};
use super::{LinearModel, not_negative};
use crate::error::Error;
use crate::learn::Schedule;

/// The lasso: the `w` and `b` that make `Σ (y - w x - b)² / 2n + α Σ |w|` smallest. Many coefficients are exactly 0.
///
/// The intercept `b` is not penalised.
///
/// # Examples
/// ```
/// use formwork::regression::Lasso;
///
/// // The second feature has little to do with the targets.
/// let (samples, targets) = ([1.0, 0.1, 2.0, -0.1, 3.0, -0.1, 4.0, 0.1], [2.0, 4.0, 6.0, 8.0]);
/// let model = Lasso::new(0.5).fit(&samples, &targets).unwrap();
/// assert!((model.coef[0] - 1.6).abs() < 1e-9); // 2 less α over the variance 1.25
/// assert_eq!(model.coef[1], 0.0);
/// ```
///
/// Tibshirani, "Regression shrinkage and selection via the lasso", 1996; scikit-learn's `linear_model.Lasso`. Course notes:
/// lasso.
#[derive(Clone, Copy, Debug)]
pub struct Lasso {
    alpha: f64,
    intercept: bool,
    tolerance: f64,
    max_steps: u64,
}

impl Lasso {
    /// With the penalty `α`.
    pub const fn new(alpha: f64) -> Self {
        Lasso { alpha, intercept: true, tolerance: 1e-10, max_steps: 100_000 }
    }

    /// The same with `b = 0`.
    pub const fn without_intercept(mut self) -> Self {
        self.intercept = false;
        self
    }

    /// The same with another bound on what is left of the gradient, in units of the gradient at 0; it is `1e-10`.
    pub const fn tolerance(mut self, tolerance: f64) -> Self {
        self.tolerance = tolerance;
        self
    }

    /// The same with another number of steps at most; it is 100 000.
    pub const fn max_steps(mut self, steps: u64) -> Self {
        self.max_steps = steps;
        self
    }

    /// The solution, by proximal gradient descent with momentum (FISTA).
    ///
    /// Each step goes down the gradient of the squares, then moves each coefficient towards 0 by `η α` and no further: that
    /// makes zeros exact. Momentum that has come to point uphill is dropped.
    ///
    /// Beck and Teboulle, "A fast iterative shrinkage-thresholding algorithm", 2009; O'Donoghue and Candès, [Adaptive
    /// restart](https://arxiv.org/abs/1204.3982), 2012.
    ///
    /// # Errors
    /// [`Error::Setting`] for a negative `α`; [`Error::Count`] and [`Error::NotFinite`] for samples and targets that are none;
    /// [`Error::NotConverged`] if the steps do not suffice.
    pub fn fit(&self, samples: &[f64], targets: &[f64]) -> Result<LinearModel, Error> {
        let problem = self.problem(samples, targets)?;
        let rate = problem.safe_rate();
        let mut coef = vec![0.0; problem.squares.width()];
        let (mut ahead, mut gradient, mut next) = (coef.clone(), coef.clone(), coef.clone());
        let mut momentum: f64 = 1.0;
        for _ in 0..self.max_steps {
            problem.gradient(&ahead, &mut gradient);
            if problem.excess(&ahead, &gradient) <= self.tolerance * problem.scale() {
                return problem.data.model(ahead);
            }
            for ((n, a), g) in next.iter_mut().zip(&ahead).zip(&gradient) {
                *n = shrunk(a - rate * g, rate * self.alpha);
            }
            let uphill: f64 = ahead.iter().zip(&next).zip(&coef).map(|((a, n), w)| (a - n) * (n - w)).sum();
            let before = if uphill > 0.0 { 1.0 } else { momentum };
            momentum = (1.0 + (1.0 + 4.0 * before * before).sqrt()) / 2.0;
            for ((a, n), w) in ahead.iter_mut().zip(&next).zip(&mut coef) {
                *a = n + (before - 1.0) / momentum * (n - *w);
                *w = *n;
            }
        }
        Err(Error::NotConverged { what: "the lasso", steps: self.max_steps })
    }

    /// The same by subgradient descent from 0: `w ← w - η (Xᵀ (X w - y) / n + α sign(w))`, so many times; the best `w` on the
    /// way, since not every step goes down.
    ///
    /// It comes near with rates that fall, such as `η / √(t + 1)`, and its coefficients are hardly ever exactly 0.
    ///
    /// # Errors
    /// Those of [`Lasso::fit`] but the last.
    pub fn subgradient_descent(&self, samples: &[f64], targets: &[f64], steps: u64, rate: impl Schedule) -> Result<LinearModel, Error> {
        let problem = self.problem(samples, targets)?;
        let mut coef = vec![0.0; problem.squares.width()];
        let (mut gradient, mut best) = (coef.clone(), coef.clone());
        let mut least = problem.value(&best);
        for step in 0..steps {
            problem.gradient(&coef, &mut gradient);
            let rate = rate.rate(step);
            coef.iter_mut().zip(&gradient).for_each(|(w, g)| *w -= rate * (g + self.alpha * sign(*w)));
            let value = problem.value(&coef);
            if value < least {
                (least, best) = (value, coef.clone());
            }
        }
        problem.data.model(best)
    }

    /// A rate that descent is safe with: one over a bound on the curvature of the squares.
    ///
    /// # Errors
    /// Those of [`Lasso::subgradient_descent`].
    pub fn safe_rate(&self, samples: &[f64], targets: &[f64]) -> Result<f64, Error> {
        Ok(self.problem(samples, targets)?.safe_rate())
    }

    fn problem(&self, samples: &[f64], targets: &[f64]) -> Result<Problem, Error> {
        not_negative("alpha", self.alpha)?;
        let data = Centred::new(samples, targets, self.intercept)?;
        Ok(Problem { squares: Squares::new(&data), samples: targets.len() as f64, alpha: self.alpha, data })
    }
}

/// What is to be made small.
struct Problem {
    data: Centred,
    squares: Squares,
    samples: f64,
    alpha: f64,
}

impl Problem {
    fn value(&self, coef: &[f64]) -> f64 {
        self.squares.value(coef) / self.samples + self.alpha * coef.iter().map(|w| w.abs()).sum::<f64>()
    }

    /// The gradient of the squares, without the penalty.
    fn gradient(&self, coef: &[f64], gradient: &mut [f64]) {
        self.squares.gradient(coef, gradient);
        gradient.iter_mut().for_each(|g| *g /= self.samples);
    }

    fn scale(&self) -> f64 {
        self.squares.scale() / self.samples
    }

    fn safe_rate(&self) -> f64 {
        self.samples / self.squares.curvature().max(f64::MIN_POSITIVE)
    }

    /// By how much the gradient misses what it is at the solution: `-α sign(w)`, and anything up to `α` where `w = 0`.
    fn excess(&self, coef: &[f64], gradient: &[f64]) -> f64 {
        let miss = |w: f64, g: f64| if w == 0.0 { (g.abs() - self.alpha).max(0.0) } else { (g + self.alpha * sign(w)).abs() };
        coef.iter().zip(gradient).fold(0.0, |max, (&w, &g)| max.max(miss(w, g)))
    }
}

/// A number moved towards 0, and no further.
fn shrunk(x: f64, by: f64) -> f64 {
    (x.abs() - by).max(0.0).copysign(x)
}

/// Of a subgradient: 0 at 0.
fn sign(x: f64) -> f64 {
    if x == 0.0 { 0.0 } else { x.signum() }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Three features, of which the last is noise.
    const SAMPLES: [f64; 15] = [1.0, 0.5, 0.1, -0.5, 2.0, -0.1, 0.25, -1.0, 0.1, 3.0, 1.5, -0.2, -1.0, 0.0, 0.1];
    const TARGETS: [f64; 5] = [1.0, 3.0, -2.0, 4.5, -0.5];

    fn value(lasso: Lasso, model: &LinearModel) -> f64 {
        let off: f64 = model.predict(&SAMPLES).unwrap().iter().zip(&TARGETS).map(|(y, t)| (y - t) * (y - t)).sum();
        off / 10.0 + lasso.alpha * model.coef.iter().map(|w| w.abs()).sum::<f64>()
    }

    #[test]
    fn subgradient_descent_comes_near() {
        for lasso in [Lasso::new(0.3), Lasso::new(0.3).without_intercept()] {
            let exact = lasso.fit(&SAMPLES, &TARGETS).unwrap();
            let rate = lasso.safe_rate(&SAMPLES, &TARGETS).unwrap();
            let falling = move |step: u64| rate / (step as f64 + 1.0).sqrt();
            let near = lasso.subgradient_descent(&SAMPLES, &TARGETS, 20_000, falling).unwrap();
            assert_eq!(exact.coef[2], 0.0);
            let above = value(lasso, &near) - value(lasso, &exact);
            assert!((0.0..1e-4).contains(&above), "{above}");
        }
    }

    #[test]
    fn the_best_on_the_way_is_kept() {
        let lasso = Lasso::new(0.3);
        let rate = lasso.safe_rate(&SAMPLES, &TARGETS).unwrap();
        let best = lasso.subgradient_descent(&SAMPLES, &TARGETS, 50, rate).unwrap();
        // From here on the steps are far too long.
        let then_away = move |step: u64| if step < 50 { rate } else { 100.0 * rate };
        assert_eq!(lasso.subgradient_descent(&SAMPLES, &TARGETS, 60, then_away).unwrap(), best);
    }

    #[test]
    fn a_large_penalty_leaves_the_mean() {
        let model = Lasso::new(100.0).fit(&SAMPLES, &TARGETS).unwrap();
        assert_eq!(model.coef, [0.0; 3]);
        assert!((model.intercept - 1.2).abs() < 1e-12);
    }

    #[test]
    fn bad_input_is_an_error() {
        let message = |lasso: Lasso, samples: &[f64], targets: &[f64]| lasso.fit(samples, targets).unwrap_err().to_string();
        assert_eq!(message(Lasso::new(-0.5), &SAMPLES, &TARGETS), "alpha: expected a finite number of 0 or more, given -0.5");
        assert_eq!(message(Lasso::new(0.5), &SAMPLES, &TARGETS[1..]), "input numbers: expected 12, given 15");
        assert_eq!(
            message(Lasso::new(0.1).max_steps(3), &SAMPLES, &TARGETS),
            "the lasso: not converged after 3 steps; features of mean 0 and deviation 1 need fewer"
        );
        assert!(matches!(Lasso::new(0.1).subgradient_descent(&SAMPLES, &[f64::NAN; 5], 1, 0.1), Err(Error::NotFinite { .. })));
    }
}
