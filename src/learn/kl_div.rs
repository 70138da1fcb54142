//! Kullback-Leibler divergence.

use super::pointwise::{Pointwise, beside, pointwise};
use crate::engine::Flat;
use crate::float::Float;
use dfdx::prelude::{SumTo, TryAdd, TryMul};
use dfdx::shapes::Rank0;
use dfdx::tensor::{Tape, Tensor};
use dfdx::tensor_ops::Device;

/// The Kullback-Leibler divergence of the outputs `y`, which are logarithms of probabilities, from probabilities `p`:
/// `Σ p (log p - y)` with `0 log 0 = 0`, divided by the number of all numbers, or of samples: see [`KlDiv::batch_mean`].
///
/// # Shapes
/// Outputs `[..]`, behind a [`LogSoftmax`](crate::layers::softmax::LogSoftmax); targets [`Values`](crate::data::Values) of
/// the same shape.
///
/// # Examples
/// ```
/// use formwork::prelude::*;
///
/// #[network([2] => [2])]
/// type Probabilities = LogSoftmax;
///
/// let data = Dataset::<Rank1<2>, Values<Rank1<2>>>::new(vec![0.0, 0.0], vec![1.0, 0.0]).unwrap();
/// let model = Model::<Probabilities>::new(0);
/// let divergence = model.evaluate(&data, &KlDiv::default().batch_mean()).unwrap();
/// assert!((divergence - 2.0f32.ln()).abs() < 1e-6);
/// ```
///
/// PyTorch's `nn.KLDivLoss`. Course notes: entropy.
#[derive(Clone, Copy, Debug, Default)]
pub struct KlDiv {
    batch_mean: bool,
    log_target: bool,
}

impl KlDiv {
    /// The same divided by the number of samples: the mean of their divergences, which is what the formula means.
    pub const fn batch_mean(mut self) -> Self {
        self.batch_mean = true;
        self
    }

    /// The same for targets that are logarithms of probabilities too.
    pub const fn log_target(mut self) -> Self {
        self.log_target = true;
        self
    }

    /// A target's probability.
    fn probability<E: Float>(&self, t: E) -> E {
        if self.log_target { t.exp() } else { t }
    }

    /// `p log p` of a target.
    fn information<E: Float>(&self, t: E) -> E {
        match (self.log_target, t == E::zero()) {
            (true, _) => t.exp() * t,
            (false, true) => E::zero(),
            (false, false) => t * t.ln(),
        }
    }
}

pointwise!(KlDiv);

impl Pointwise for KlDiv {
    const KERNEL: &'static str = "kl_div";

    fn coefficient(&self) -> f64 {
        f64::from(u8::from(self.log_target))
    }

    #[inline(always)]
    fn term<E: Float>(&self, y: E, t: E) -> (E, E) {
        let p = self.probability(t);
        (self.information(t) - p * y, -p)
    }

    fn terms(&self, numbers: usize) -> usize {
        if self.batch_mean { 1 } else { numbers }
    }

    fn taped<E: Float, D: Device<E>, T: Tape<E, D>>(&self, outputs: Flat<E, D, T>, targets: &[E]) -> Result<Tensor<Rank0, E, D, T>, D::Err> {
        let slope = beside(&outputs, targets, |t| -self.probability(t))?;
        let information = beside(&outputs, targets, |t| self.information(t))?;
        outputs.try_mul(slope)?.try_add(information)?.try_sum()
    }
}
