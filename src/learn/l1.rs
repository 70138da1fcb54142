//! Mean absolute error.

use super::pointwise::{Pointwise, beside, pointwise};
use crate::engine::Flat;
use crate::float::Float;
use dfdx::prelude::{SumTo, TrySub};
use dfdx::shapes::Rank0;
use dfdx::tensor::{Tape, Tensor};
use dfdx::tensor_ops::Device;

/// The mean absolute error: `Σ |y - t| / n` over all `n` numbers of a batch. Where `y` is `t` its gradient is 0.
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
/// let data = Dataset::<Rank1<2>, Values<Rank1<2>>>::new(vec![1.0, 5.0], vec![1.0, 2.0]).unwrap();
/// let gradients = Model::<Nothing>::new(0).gradients(&data.all(), &L1).unwrap();
/// assert_eq!(gradients.loss, 1.5);
/// assert_eq!(gradients.inputs, [0.0, 0.5]);
/// ```
///
/// PyTorch's `nn.L1Loss`. Course notes: regression.
#[derive(Clone, Copy, Debug, Default)]
pub struct L1;

pointwise!(L1);

impl Pointwise for L1 {
    const KERNEL: &'static str = "l1";

    #[inline(always)]
    fn term<E: Float>(&self, y: E, t: E) -> (E, E) {
        let d = y - t;
        (d.abs(), if d == E::zero() { E::zero() } else { d.signum() })
    }

    fn taped<E: Float, D: Device<E>, T: Tape<E, D>>(&self, outputs: Flat<E, D, T>, targets: &[E]) -> Result<Tensor<Rank0, E, D, T>, D::Err> {
        let targets = beside(&outputs, targets, |t| t)?;
        outputs.try_sub(targets)?.try_abs()?.try_sum()
    }
}
