//! Regression: the coefficients that scikit-learn finds, in double precision.

use super::family::Family;
use super::reference::Golden;
use formwork::prelude::Error;
use formwork::regression::{Lasso, LinearModel, LogisticModel, LogisticRegression, Ridge};
use serde::Deserialize;

#[derive(Deserialize)]
struct Hyper {
    fit_intercept: bool,
}

/// ```python
/// model = sklearn.linear_model.Ridge(alpha, fit_intercept=fit_intercept).fit(X, y)
/// ```
pub fn ridge(family: &mut Family) {
    family.penalties(|alpha, intercept, samples, targets| {
        let ridge = Ridge::new(alpha);
        if intercept { ridge } else { ridge.without_intercept() }.fit(samples, targets)
    });
}

/// ```python
/// model = sklearn.linear_model.Lasso(alpha, fit_intercept=fit_intercept, tol=1e-14, max_iter=1000000).fit(X, y)
/// ```
pub fn lasso(family: &mut Family) {
    for name in family.waiting() {
        let golden = Golden::open(name);
        let expected = golden.numbers::<f64>("coef");
        assert!(expected.contains(&0.0), "{name} has no zeros to find");
    }
    family.penalties(|alpha, intercept, samples, targets| {
        let lasso = Lasso::new(alpha);
        if intercept { lasso } else { lasso.without_intercept() }.fit(samples, targets)
    });
}

/// ```python
/// model = sklearn.linear_model.LogisticRegression(C, fit_intercept=fit_intercept, tol=1e-12, solver='newton-cholesky').fit(X, t)
/// ```
pub fn logistic(family: &mut Family) {
    for name in family.waiting() {
        let golden = family.open(name);
        let samples = golden.numbers::<f64>("X");
        let classes: Vec<usize> = golden.numbers::<f64>("t").into_iter().map(|t| t as usize).collect();
        let fit = |c: f64| -> Result<(LogisticModel, f64), Error> {
            let regression = LogisticRegression::new(c);
            let regression = if golden.hyper::<Hyper>().fit_intercept { regression } else { regression.without_intercept() };
            let model = regression.fit(&samples, &classes)?;
            let objective = regression.objective(&model, &samples, &classes)?;
            Ok((model, objective))
        };
        let fitted: Result<Vec<(LogisticModel, f64)>, Error> = golden.numbers("Cs").into_iter().map(fit).collect();
        let mut comparison = golden.compare("f64");
        let outcome = fitted.map(|fitted| {
            let (models, objectives): (Vec<LogisticModel>, Vec<f64>) = fitted.into_iter().unzip();
            comparison.tensor("coef", &models.iter().flat_map(|model| &model.log_odds.coef).copied().collect::<Vec<f64>>());
            comparison.tensor("intercept", &models.iter().map(|model| model.log_odds.intercept).collect::<Vec<f64>>());
            comparison.tensor("objective", &objectives);
        });
        family.record(comparison, outcome);
    }
}

impl Family {
    /// Models for each of several penalties; what scikit-learn has as exactly 0 is to be that.
    fn penalties(&mut self, fit: impl Fn(f64, bool, &[f64], &[f64]) -> Result<LinearModel, Error>) {
        for name in self.waiting() {
            let golden = self.open(name);
            let (samples, targets) = (golden.numbers::<f64>("X"), golden.numbers::<f64>("y"));
            let intercept = golden.hyper::<Hyper>().fit_intercept;
            let models: Result<Vec<LinearModel>, Error> =
                golden.numbers("alphas").into_iter().map(|alpha| fit(alpha, intercept, &samples, &targets)).collect();
            let mut comparison = golden.compare("f64");
            let outcome = models.map(|models| {
                let coef: Vec<f64> = models.iter().flat_map(|model| &model.coef).copied().collect();
                for (given, expected) in coef.iter().zip(golden.numbers::<f64>("coef")) {
                    assert_eq!(*given == 0.0, expected == 0.0, "{name}: expected {expected}, given {given}");
                }
                comparison.tensor("coef", &coef);
                comparison.tensor("intercept", &models.iter().map(|model| model.intercept).collect::<Vec<f64>>());
            });
            self.record(comparison, outcome);
        }
    }
}
