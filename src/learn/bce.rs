//! Binary cross-entropy.

use super::Loss;
use crate::data::Values;
use crate::engine::Flat;
use crate::float::Float;
use crate::types::Plain;
use dfdx::prelude::{SumTo, TryAdd, TryMul, TrySub};
use dfdx::shapes::Rank0;
use dfdx::tensor::{Tape, Tensor};
use dfdx::tensor_ops::Device;

/// Binary cross-entropy of logits: `Σ -t log σ(y) - (1 - t) log(1 - σ(y))` over `n` numbers, divided by `n`.
///
/// Computed as `max(y, 0) - y t + log(1 + exp(-|y|))`, which does not overflow.
///
/// # Shapes
/// Outputs `[..]`, before any sigmoid; targets [`Values`] of the same shape, between 0 and 1.
///
/// # Examples
/// ```
/// use formwork::prelude::*;
///
/// #[network([2] => [1])]
/// type Logistic = Linear<2, 1>;
///
/// let data = Dataset::<Rank1<2>, Values<Rank1<1>>>::new(vec![0.0, 1.0, 2.0, 0.0], vec![0.0, 1.0]).unwrap();
/// let mut model = Model::<Logistic>::new(0);
/// let loss = model.train(&data.all(), &BceWithLogits, &mut Sgd::new(0.5)).unwrap();
/// assert!(loss.is_finite());
/// ```
///
/// PyTorch's `nn.BCEWithLogitsLoss`. Course notes: logistic regression.
#[derive(Clone, Copy, Debug, Default)]
pub struct BceWithLogits;

impl<S: Plain> Loss<S, Values<S>> for BceWithLogits {
    fn part<E: Float>(&self, outputs: &[E], targets: &[E], scale: E, d_outputs: &mut [E]) -> E {
        let mut sum = E::zero();
        for ((&y, &t), d) in outputs.iter().zip(targets).zip(d_outputs) {
            let decay = (-y.abs()).exp();
            sum += y.max(E::zero()) - y * t + decay.ln_1p();
            let sigmoid = if y >= E::zero() { E::one() / (E::one() + decay) } else { decay / (E::one() + decay) };
            *d = (sigmoid - t) * scale;
        }
        sum * scale
    }

    fn terms(&self) -> usize {
        S::NUMEL
    }

    fn taped<E: Float, D: Device<E>, Tp: Tape<E, D>>(
        &self,
        outputs: Flat<E, D, Tp>,
        _samples: usize,
        targets: &[E],
    ) -> Result<Tensor<Rank0, E, D, Tp>, D::Err> {
        let targets = outputs.device().try_tensor_from_vec(targets.to_vec(), (targets.len(),))?;
        let product = outputs.retaped::<Tp>().try_mul(targets)?;
        // log(1 + exp(-|y|)) = -log σ(|y|), and σ(|y|) is never near 0.
        let log = outputs.retaped::<Tp>().try_abs()?.try_sigmoid()?.try_ln()?;
        // dfdx has max(y, 0) with slope 0 at 0, and |y| too: the halves that are missing there make σ(0) = 1/2.
        let half = outputs.retaped::<Tp>().try_abs()?.try_add(outputs)?.try_mul(E::of(0.5))?;
        half.try_sub(product)?.try_sub(log)?.try_sum()
    }
}
