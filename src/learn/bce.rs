//! Binary cross-entropy.

use super::pointwise::{Pointwise, beside, pointwise};
use crate::engine::Flat;
use crate::float::Float;
use dfdx::prelude::{SumTo, TryAdd, TryMul, TrySub};
use dfdx::shapes::Rank0;
use dfdx::tensor::{Tape, Tensor};
use dfdx::tensor_ops::Device;

/// Binary cross-entropy of logits: `Σ -t log σ(y) - (1 - t) log(1 - σ(y))` over `n` numbers, divided by `n`.
///
/// Computed as `max(y, 0) - y t + log(1 + exp(-|y|))`, which does not overflow.
///
/// # Shapes
/// Outputs `[..]`, before any sigmoid; targets [`Values`](crate::data::Values) of the same shape, between 0 and 1.
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

pointwise!(BceWithLogits);

impl Pointwise for BceWithLogits {
    const KERNEL: &'static str = "bce_with_logits";

    #[inline(always)]
    fn term<E: Float>(&self, y: E, t: E) -> (E, E) {
        let decay = (-y.abs()).exp();
        let sigmoid = if y >= E::zero() { E::one() / (E::one() + decay) } else { decay / (E::one() + decay) };
        (y.max(E::zero()) - y * t + decay.ln_1p(), sigmoid - t)
    }

    fn taped<E: Float, D: Device<E>, T: Tape<E, D>>(&self, outputs: Flat<E, D, T>, targets: &[E]) -> Result<Tensor<Rank0, E, D, T>, D::Err> {
        let product = outputs.retaped::<T>().try_mul(beside(&outputs, targets, |t| t)?)?;
        // log(1 + exp(-|y|)) = -log σ(|y|), and σ(|y|) is never near 0.
        let log = outputs.retaped::<T>().try_abs()?.try_sigmoid()?.try_ln()?;
        // dfdx has max(y, 0) with slope 0 at 0, and |y| too: the halves that are missing there make σ(0) = 1/2.
        let half = outputs.retaped::<T>().try_abs()?.try_add(outputs)?.try_mul(E::of(0.5))?;
        half.try_sub(product)?.try_sub(log)?.try_sum()
    }
}
