//! Mean square error.

use super::pointwise::{Pointwise, beside, pointwise};
use crate::engine::Flat;
use crate::float::Float;
use dfdx::prelude::{SumTo, TrySub};
use dfdx::shapes::Rank0;
use dfdx::tensor::{Tape, Tensor};
use dfdx::tensor_ops::Device;

/// The mean square error: `Σ (y - t)² / n` over all `n` numbers of a batch.
///
/// # Shapes
/// Outputs `[..]`, targets [`Values`](crate::data::Values) of the same shape.
///
/// # Examples
/// ```
/// use formwork::prelude::*;
///
/// #[network([2] => [1])]
/// type Line = Linear<2, 1>;
///
/// let data = Dataset::<Rank1<2>, Values<Rank1<1>>>::new(vec![0.0, 1.0, 2.0, 3.0], vec![1.0, 5.0]).unwrap();
/// let mut model = Model::<Line>::new(0);
/// let before = model.evaluate(&data, &Mse).unwrap();
/// for _ in 0..100 {
///     model.train(&data.all(), &Mse, &mut Sgd::new(0.05)).unwrap();
/// }
/// assert!(model.evaluate(&data, &Mse).unwrap() < 0.01 * before);
/// ```
///
/// PyTorch's `nn.MSELoss`. Course notes: regression.
#[derive(Clone, Copy, Debug, Default)]
pub struct Mse;

pointwise!(Mse);

impl Pointwise for Mse {
    const KERNEL: &'static str = "mse";

    #[inline(always)]
    fn term<E: Float>(&self, y: E, t: E) -> (E, E) {
        let d = y - t;
        (d * d, d + d)
    }

    fn taped<E: Float, D: Device<E>, T: Tape<E, D>>(&self, outputs: Flat<E, D, T>, targets: &[E]) -> Result<Tensor<Rank0, E, D, T>, D::Err> {
        let targets = beside(&outputs, targets, |t| t)?;
        outputs.try_sub(targets)?.try_square()?.try_sum()
    }
}
