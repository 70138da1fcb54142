//! How surprised a model is.

use super::Metric;
use crate::data::Target;
use crate::float::Float;
use crate::learn::{Loss, summed};
use crate::types::Sample;

/// `exp` of the mean loss; [`perplexity`] makes it.
#[derive(Clone, Debug)]
pub struct Perplexity<L> {
    loss: L,
    sum: f64,
    samples: usize,
}

/// `exp` of the mean loss: of a cross-entropy, among how many equally likely classes the model chooses, as it were.
///
/// # Examples
/// ```
/// use formwork::metrics::{Metric, perplexity};
/// use formwork::prelude::*;
///
/// // Four scores that are alike.
/// let mut metric = perplexity(CrossEntropy::default());
/// Metric::<Rank1<4>, Class<4>>::add(&mut metric, &[0.0f32; 4], &[2]);
/// assert!((Metric::<Rank1<4>, Class<4>>::value(&metric) - 4.0).abs() < 1e-6);
/// ```
pub fn perplexity<L>(loss: L) -> Perplexity<L> {
    Perplexity { loss, sum: 0.0, samples: 0 }
}

impl<L: Loss<O, T>, O: Sample, T: Target, E: Float> Metric<O, T, E> for Perplexity<L> {
    fn name(&self) -> String {
        "perplexity".to_owned()
    }

    fn add(&mut self, outputs: &[E], targets: &[T::Number<E>]) {
        self.sum += summed(&self.loss, outputs, targets);
        self.samples += outputs.len() / O::WIDTH.max(1);
    }

    fn value(&self) -> f64 {
        (self.sum / self.samples as f64).exp()
    }

    fn reset(&mut self) {
        (self.sum, self.samples) = (0.0, 0);
    }
}
