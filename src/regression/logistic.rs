//! Logistic regression.

use super::least_squares::least_squares;
use super::samples::features;
use super::{LinearModel, dot};
use crate::data::{Class, Target};
use crate::error::Error;
use crate::layers::elementwise::Elementwise;
use crate::layers::sigmoid::Sigmoid;
use crate::learn::{BceWithLogits, Pointwise};

/// Logistic regression: two classes, and the probability of class 1 as `σ(z)` with `z = w x + b`.
///
/// The `w` and `b` are those of maximum likelihood. If samples are independent, the probability of all classes `t` together
/// is the product of `σ(z)` where `t = 1` and `1 - σ(z)` where `t = 0`. Its negative logarithm is a sum,
/// `Σ log(1 + exp(z)) - t z`, which is convex; where the classes can be separated it has no minimum, since larger `w` are
/// always more probable. The penalty gives it one, and is the logarithm of a normal distribution of `w` around 0:
///
/// ```text
/// Σ w² / 2 + C Σ (log(1 + exp(z)) - t z)
/// ```
///
/// The larger `C`, the less the penalty; `b` is not penalised. Divided by `C n` it is the loss
/// [`BceWithLogits`](crate::learn::BceWithLogits) with weight decay of `1 / (C n)` on `w`.
///
/// # Examples
/// ```
/// use formwork::regression::LogisticRegression;
///
/// let (samples, classes) = ([0.0, 1.0, 2.0, 3.0], [0, 0, 1, 1]);
/// let model = LogisticRegression::new(10.0).fit(&samples, &classes).unwrap();
/// assert_eq!(model.classes(&[0.5, 2.5]).unwrap(), [0, 1]);
/// assert!((model.probabilities(&[1.5]).unwrap()[0] - 0.5).abs() < 1e-9);
/// ```
///
/// scikit-learn's `linear_model.LogisticRegression`. Course notes: logistic regression.
#[derive(Clone, Copy, Debug)]
pub struct LogisticRegression {
    c: f64,
    intercept: bool,
}

/// How likely a sample is of class 1.
#[derive(Clone, Debug, PartialEq)]
pub struct LogisticModel {
    /// The logarithm of the odds, `z`.
    pub log_odds: LinearModel,
}

impl LogisticModel {
    /// The probability of class 1 for each sample.
    ///
    /// # Shapes
    /// `[B, d] -> [B]`, where `d` is the number of coefficients.
    ///
    /// # Errors
    /// [`Error::Count`] if the numbers do not make whole samples.
    pub fn probabilities(&self, samples: &[f64]) -> Result<Vec<f64>, Error> {
        Ok(self.log_odds.predict(samples)?.into_iter().map(|z| Sigmoid.value(z)).collect())
    }

    /// The class of each sample that is more probable than the other.
    ///
    /// # Shapes
    /// As [`LogisticModel::probabilities`].
    ///
    /// # Errors
    /// Those of [`LogisticModel::probabilities`].
    pub fn classes(&self, samples: &[f64]) -> Result<Vec<usize>, Error> {
        Ok(self.log_odds.predict(samples)?.into_iter().map(|z| usize::from(z > 0.0)).collect())
    }
}

/// Newton's method doubles the digits with each step, so that a few dozen are many.
const MAX_STEPS: u64 = 100;

impl LogisticRegression {
    /// With the weight `C` of the data against the penalty.
    pub const fn new(c: f64) -> Self {
        LogisticRegression { c, intercept: true }
    }

    /// The same with `b = 0`.
    pub const fn without_intercept(mut self) -> Self {
        self.intercept = false;
        self
    }

    /// The solution, by Newton's method: each step goes to where the objective would be smallest if it were the quadratic
    /// function that it looks like from here, or half as far, until it is less.
    ///
    /// # Errors
    /// [`Error::Setting`] for a `C` that is not positive; [`Error::Count`], [`Error::NotFinite`] and [`Error::Class`] for
    /// samples and classes that are none, or of one class only; [`Error::NotConverged`] if numbers are too large.
    pub fn fit(&self, samples: &[f64], classes: &[usize]) -> Result<LogisticModel, Error> {
        let problem = self.problem(samples, classes)?;
        let mut at = vec![0.0; problem.width()];
        for _ in 0..MAX_STEPS {
            let (value, gradient, hessian) = problem.expansion(&at);
            let step = least_squares(hessian, gradient.clone())?;
            let gain = dot(&gradient, &step);
            let moved = |length: f64| at.iter().zip(&step).map(|(w, s)| w - length * s).collect::<Vec<f64>>();
            // Here the objective is quadratic to all its digits, and its own change is rounding.
            if gain <= 1e-12 * (1.0 + value) {
                return problem.model(moved(1.0));
            }
            let lengths = (0..64).map(|halvings| 0.5f64.powi(halvings));
            let Some(next) = lengths.map(|length| (length, moved(length))).find(|(length, next)| problem.value(next) <= value - 1e-4 * length * gain)
            else {
                break;
            };
            at = next.1;
        }
        Err(Error::NotConverged { what: "the logistic regression", steps: MAX_STEPS })
    }

    /// What [`LogisticRegression::fit`] makes small, for any model.
    ///
    /// # Errors
    /// Those of [`LogisticRegression::fit`] but the last; [`Error::Count`] for a model of other samples.
    pub fn objective(&self, model: &LogisticModel, samples: &[f64], classes: &[usize]) -> Result<f64, Error> {
        let mut problem = self.problem(samples, classes)?;
        let LinearModel { coef, intercept } = &model.log_odds;
        if coef.len() != problem.features {
            return Err(Error::Count { what: "coefficients", expected: problem.features, given: coef.len() });
        }
        problem.intercept = true;
        Ok(problem.value(&[coef.as_slice(), &[*intercept]].concat()))
    }

    fn problem<'a>(&self, samples: &'a [f64], classes: &'a [usize]) -> Result<Problem<'a>, Error> {
        if !(self.c > 0.0 && self.c.is_finite()) {
            return Err(Error::Setting { what: "C", expected: "a finite number above 0", given: self.c });
        }
        let features = features(samples, classes.len())?;
        Class::<2>::check::<f64>(classes)?;
        if classes.iter().all(|class| *class == classes[0]) {
            return Err(Error::Count { what: "classes among the targets", expected: 2, given: 1 });
        }
        Ok(Problem { samples, classes, features, c: self.c, intercept: self.intercept })
    }
}

/// The objective, as a function of `w` and, behind it, `b` if there is an intercept.
struct Problem<'a> {
    samples: &'a [f64],
    classes: &'a [usize],
    features: usize,
    c: f64,
    intercept: bool,
}

impl Problem<'_> {
    fn width(&self) -> usize {
        self.features + usize::from(self.intercept)
    }

    fn model(&self, mut at: Vec<f64>) -> Result<LogisticModel, Error> {
        let intercept = if self.intercept { at.pop().unwrap_or(0.0) } else { 0.0 };
        Ok(LogisticModel { log_odds: LinearModel::checked(at, intercept)? })
    }

    /// For each sample: its numbers, with a 1 behind them for the intercept, its loss and the slope of that in `z`.
    fn terms(&self, at: &[f64], mut visit: impl FnMut(&[f64], f64, f64, f64)) {
        let mut x = vec![1.0; self.width()];
        for (sample, &class) in self.samples.chunks_exact(self.features).zip(self.classes) {
            x[..self.features].copy_from_slice(sample);
            let t = class as f64;
            let (loss, slope) = BceWithLogits.term(dot(&x, at), t);
            visit(&x, t, loss, slope);
        }
    }

    fn value(&self, at: &[f64]) -> f64 {
        let mut sum = 0.0;
        self.terms(at, |_, _, loss, _| sum += loss);
        let weights = &at[..self.features];
        dot(weights, weights) / 2.0 + self.c * sum
    }

    /// The value, the gradient, and the columns of the matrix of second derivatives.
    fn expansion(&self, at: &[f64]) -> (f64, Vec<f64>, Vec<Vec<f64>>) {
        let width = self.width();
        let (mut gradient, mut hessian) = (vec![0.0; width], vec![vec![0.0; width]; width]);
        for j in 0..self.features {
            gradient[j] = at[j];
            hessian[j][j] = 1.0;
        }
        self.terms(at, |x, t, _, slope| {
            let probability = slope + t;
            let curvature = self.c * probability * (1.0 - probability);
            for (j, column) in hessian.iter_mut().enumerate() {
                gradient[j] += self.c * slope * x[j];
                column.iter_mut().zip(x).for_each(|(h, x_i)| *h += curvature * x[j] * x_i);
            }
        });
        (self.value(at), gradient, hessian)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::{StandardScaler, breast_cancer};

    #[test]
    fn the_solution_has_no_gradient() {
        let (samples, classes) = ([0.5, 1.0, -1.0, 2.0, 3.0, 0.5, 2.0, -2.0, 0.0, 0.0], [0, 1, 1, 0, 1]);
        let regression = LogisticRegression::new(3.0);
        let model = regression.fit(&samples, &classes).unwrap();
        let least = regression.objective(&model, &samples, &classes).unwrap();
        for i in 0..3 {
            let at = |step: f64| {
                let mut moved = model.clone();
                *moved.log_odds.coef.iter_mut().chain([&mut moved.log_odds.intercept]).nth(i).unwrap() += step;
                regression.objective(&moved, &samples, &classes).unwrap()
            };
            assert!(at(1e-4) > least && at(-1e-4) > least);
            assert!((at(1e-4) - at(-1e-4)).abs() < 1e-11);
        }
    }

    /// From afar a whole step of Newton's method goes too far.
    #[test]
    fn separated_classes_and_little_penalty() {
        let (samples, classes) = ([-3.0, -1.0, 1e-3, 200.0], [0, 0, 1, 1]);
        let model = LogisticRegression::new(1e6).fit(&samples, &classes).unwrap();
        assert_eq!(model.classes(&samples).unwrap(), classes);
    }

    #[test]
    fn tumours_are_told_apart() {
        for seed in 0..5 {
            let (train, test) = breast_cancer().unwrap().dataset::<30, 2, f64>().unwrap().split_stratified(0.25, seed);
            let scaler = StandardScaler::fit(train.all().inputs(), 30).unwrap();
            let scaled = |numbers: &[f64]| {
                let mut numbers = numbers.to_vec();
                scaler.transform(&mut numbers).unwrap();
                numbers
            };
            let model = LogisticRegression::new(1.0).fit(&scaled(train.all().inputs()), train.all().targets()).unwrap();
            let told = model.classes(&scaled(test.all().inputs())).unwrap();
            let right = told.iter().zip(test.all().targets()).filter(|(told, is)| told == is).count();
            assert!(right as f64 / test.len() as f64 >= 0.95, "{right} of {} with seed {seed}", test.len());
        }
    }

    #[test]
    fn bad_input_is_an_error() {
        let message = |c: f64, samples: &[f64], classes: &[usize]| LogisticRegression::new(c).fit(samples, classes).unwrap_err().to_string();
        assert_eq!(message(0.0, &[1.0, 2.0], &[0, 1]), "C: expected a finite number above 0, given 0");
        assert_eq!(message(f64::NAN, &[1.0, 2.0], &[0, 1]), "C: expected a finite number above 0, given NaN");
        assert_eq!(message(1.0, &[1.0, 2.0], &[0, 2]), "target 1: expected a class below 2, given 2");
        assert_eq!(message(1.0, &[1.0, 2.0], &[1, 1]), "classes among the targets: expected 2, given 1");
        assert_eq!(message(1.0, &[1.0, f64::NAN], &[0, 1]), "sample 1: expected a finite number, given NaN");
        assert_eq!(message(1.0, &[1.0, 2.0, 3.0], &[0, 1]), "input numbers: expected 2, given 3");
    }
}
