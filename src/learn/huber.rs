//! Huber's loss.

use super::pointwise::{Pointwise, beside, pointwise};
use crate::engine::Flat;
use crate::float::Float;
use dfdx::prelude::{SumTo, TryMul, TrySub};
use dfdx::shapes::Rank0;
use dfdx::tensor::{Tape, Tensor};
use dfdx::tensor_ops::Device;

/// Huber's loss: the square near the target and the distance far from it, the mean over all `n` numbers of a batch.
///
/// With `d = y - t`:
///
/// ```text
/// d² / 2           if |d| <= δ
/// δ (|d| - δ / 2)  if not
/// ```
///
/// Its gradient is `d` cut off at `±δ`, so an outlier pulls no harder than what is `δ` off.
///
/// # Shapes
/// Outputs `[..]`, targets [`Values`](crate::data::Values) of the same shape.
///
/// # Examples
/// ```
/// use formwork::prelude::*;
///
/// #[network([2] => [2])]
/// type Nothing = ();
///
/// let data = Dataset::<Rank1<2>, Values<Rank1<2>>>::new(vec![1.0, 5.0], vec![0.5, 2.0]).unwrap();
/// let gradients = Model::<Nothing>::new(0).gradients(&data.all(), &Huber::new(1.0)).unwrap();
/// assert_eq!(gradients.loss, (0.125 + 2.5) / 2.0);
/// assert_eq!(gradients.inputs, [0.5 / 2.0, 1.0 / 2.0]);
/// ```
///
/// Huber, "Robust estimation of a location parameter", 1964; PyTorch's `nn.HuberLoss`.
#[derive(Clone, Copy, Debug)]
pub struct Huber {
    delta: f64,
}

impl Huber {
    /// The loss that is a square up to `delta` from the target.
    pub const fn new(delta: f64) -> Self {
        Huber { delta }
    }
}

impl Default for Huber {
    /// With `δ = 1`.
    fn default() -> Self {
        Huber::new(1.0)
    }
}

pointwise!(Huber);

/// With `c`, which is `d` cut off at `±δ`, both cases are `c (d - c / 2)`.
impl Pointwise for Huber {
    const KERNEL: &'static str = "huber";

    fn coefficient(&self) -> f64 {
        self.delta
    }

    #[inline(always)]
    fn term<E: Float>(&self, y: E, t: E) -> (E, E) {
        let (d, delta) = (y - t, E::of(self.delta));
        let c = if d.abs() > delta { delta.copysign(d) } else { d };
        (c * (d - c * E::of(0.5)), c)
    }

    fn taped<E: Float, D: Device<E>, T: Tape<E, D>>(&self, outputs: Flat<E, D, T>, targets: &[E]) -> Result<Tensor<Rank0, E, D, T>, D::Err> {
        let targets = beside(&outputs, targets, |t| t)?;
        let d = outputs.try_sub(targets)?;
        let c = d.retaped::<T>().try_clamp(-self.delta, self.delta)?;
        let half = c.retaped::<T>().try_mul(E::of(0.5))?;
        d.try_sub(half)?.try_mul(c)?.try_sum()
    }
}
