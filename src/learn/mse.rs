//! Mean square error.

use super::Loss;
use crate::data::Values;
use crate::engine::Flat;
use crate::float::Float;
use crate::types::Plain;
use dfdx::prelude::{SumTo, TrySub};
use dfdx::shapes::Rank0;
use dfdx::tensor::{Tape, Tensor};
use dfdx::tensor_ops::Device;

/// The mean square error: `Σ (y - t)² / n` over all `n` numbers of a batch.
///
/// # Shapes
/// Outputs `[..]`, targets [`Values`] of the same shape.
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

impl<S: Plain> Loss<S, Values<S>> for Mse {
    fn part<E: Float>(&self, outputs: &[E], targets: &[E], scale: E, d_outputs: &mut [E]) -> E {
        let mut sum = E::zero();
        for ((&y, &t), d) in outputs.iter().zip(targets).zip(d_outputs) {
            sum += (y - t) * (y - t);
            *d = E::of(2.0) * (y - t) * scale;
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
        outputs.try_sub(targets)?.try_square()?.try_sum()
    }
}
