//! What losses that compare each number with a target of its own have in common.

use crate::engine::Flat;
use crate::float::Float;
use crate::kernels::simd::{Job, with_best};
use crate::kernels::sum::Partial;
use dfdx::shapes::Rank0;
use dfdx::tensor::{Tape, Tensor};
use dfdx::tensor_ops::Device;

/// A loss that is a sum over pairs of a number and its target.
pub(crate) trait Pointwise: Sync {
    /// Its kernel on GPUs.
    const KERNEL: &'static str;

    /// What the kernel is given.
    fn coefficient(&self) -> f64 {
        0.0
    }

    /// What a pair adds to the sum, `#[inline(always)]`, and the derivative of that with respect to the output `y`.
    fn term<E: Float>(&self, y: E, t: E) -> (E, E);

    /// By what the sum is divided, besides the number of samples, if each has so many numbers.
    fn terms(&self, numbers: usize) -> usize {
        numbers
    }

    /// The sum in dfdx operations.
    fn taped<E: Float, D: Device<E>, T: Tape<E, D>>(&self, outputs: Flat<E, D, T>, targets: &[E]) -> Result<Tensor<Rank0, E, D, T>, D::Err>;
}

/// The loss of some numbers times `scale`, and its derivatives.
pub(crate) fn part<E: Float>(loss: &impl Pointwise, numbers: [&[E]; 2], scale: E, slopes: &mut [E]) -> E {
    let mut sum = Partial::new();
    with_best(Part { loss, numbers, scale, slopes, sum: &mut sum });
    sum.total() * scale
}

struct Part<'a, L, E> {
    loss: &'a L,
    numbers: [&'a [E]; 2],
    scale: E,
    slopes: &'a mut [E],
    sum: &'a mut Partial<E>,
}

impl<L: Pointwise, E: Float> Job for Part<'_, L, E> {
    #[inline(always)]
    fn run(self) {
        let Part { loss, numbers: [outputs, targets], scale, slopes, sum } = self;
        let (mut outputs, mut targets) = (outputs.chunks(TOGETHER), targets.chunks(TOGETHER));
        for slopes in slopes.chunks_mut(TOGETHER) {
            let (Some(outputs), Some(targets)) = (outputs.next(), targets.next()) else { return };
            let mut terms = [E::zero(); TOGETHER];
            for (((term, slope), &y), &t) in terms.iter_mut().zip(slopes.iter_mut()).zip(outputs).zip(targets) {
                (*term, *slope) = loss.term(y, t);
                *slope *= scale;
            }
            *sum = sum.add(&terms[..slopes.len()], |term| term);
        }
    }
}

/// How many terms are written before they are added up.
const TOGETHER: usize = 256;

/// Makes a [`Pointwise`] loss a [`Loss`](super::Loss) of outputs of any shape, and values of the same.
macro_rules! pointwise {
    ($Loss:ident) => {
        impl<S: $crate::types::Plain> $crate::learn::Loss<S, $crate::data::Values<S>> for $Loss {
            fn part<E: $crate::float::Float>(&self, outputs: &[E], targets: &[E], scale: E, d_outputs: &mut [E]) -> E {
                $crate::learn::pointwise::part(self, [outputs, targets], scale, d_outputs)
            }

            fn terms(&self) -> usize {
                $crate::learn::pointwise::Pointwise::terms(self, S::NUMEL)
            }

            fn kernel(&self) -> Option<$crate::learn::LossKernel> {
                use $crate::learn::pointwise::Pointwise;
                Some($crate::learn::LossKernel { name: Self::KERNEL, coefficient: self.coefficient(), lines: None, labels: false })
            }

            fn taped<E: $crate::float::Float, D: dfdx::tensor_ops::Device<E>, T: dfdx::tensor::Tape<E, D>>(
                &self,
                outputs: $crate::engine::Flat<E, D, T>,
                _samples: usize,
                targets: &[E],
            ) -> Result<dfdx::tensor::Tensor<dfdx::shapes::Rank0, E, D, T>, D::Err> {
                $crate::learn::pointwise::Pointwise::taped(self, outputs, targets)
            }
        }
    };
}
pub(crate) use pointwise;

/// Numbers made of the targets, where the outputs are.
pub(crate) fn beside<E: Float, D: Device<E>, T>(outputs: &Flat<E, D, T>, targets: &[E], number: impl Fn(E) -> E) -> Result<Flat<E, D>, D::Err> {
    outputs.device().try_tensor_from_vec(targets.iter().map(|&t| number(t)).collect(), (targets.len(),))
}
