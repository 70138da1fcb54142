//! What losses have in common.

use crate::data::Target;
use crate::engine::{ByParts, Criterion, Flat, OnTape, TapedScalar};
use crate::float::Float;
use crate::types::{Plain, Sample};
use core::marker::PhantomData;
use core::ops::Range;
use dfdx::prelude::ReshapeTo;
use dfdx::shapes::Rank0;
use dfdx::tensor::{OwnedTape, Tape, Tensor};
use dfdx::tensor_ops::Device;

/// A loss that compares outputs of shape `Output` with targets of kind `T`: both are types, so a loss of ten classes does
/// not compile against three outputs.
///
/// A loss of one's own needs no type: see [`Model::train_with`](crate::Model::train_with).
#[diagnostic::on_unimplemented(
    message = "`{Self}` does not compare outputs of shape `{Output}` with targets of kind `{T}`",
    label = "this loss is for other outputs or other targets",
    note = "`CrossEntropy` compares `(Const<C>, ..)` with `Labels<C, (..)>` or with values of the same shape, `TokenCrossEntropy` compares `(Const<T>, Const<C>)` with `Labels<C, (Const<T>,)>`; the other losses compare equal shapes"
)]
pub trait Loss<Output: Sample, T: Target>: Sync {
    /// The loss of some samples times `scale`; writes its gradient with respect to their outputs.
    fn part<E: Float>(&self, outputs: &[E], targets: &[T::Number<E>], scale: E, d_outputs: &mut [E]) -> E;

    /// By how many terms for each sample the mean divides, besides the number of samples.
    fn terms(&self) -> usize;

    /// Its kernel on GPUs. A loss without one is computed on the CPU, which outputs and their gradients are copied for.
    fn kernel(&self) -> Option<LossKernel> {
        None
    }

    /// The sum of the loss over a batch, in dfdx operations.
    ///
    /// # Errors
    /// Those of the device.
    fn taped<E: Float, D: Device<E>, Tp: Tape<E, D>>(
        &self,
        outputs: Flat<E, D, Tp>,
        samples: usize,
        targets: &[T::Number<E>],
    ) -> Result<Tensor<Rank0, E, D, Tp>, D::Err>;
}

/// How a loss of this crate is computed on GPUs, by [`gpu::Fused`](crate::gpu::Fused).
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct LossKernel {
    pub(crate) name: &'static str,
    pub(crate) coefficient: f64,
    /// How many logits belong together, and how far they are apart; none where each number is looked at by itself.
    pub(crate) lines: Option<[usize; 2]>,
    /// Whether targets are classes.
    pub(crate) labels: bool,
}

/// The loss summed over some samples: for looking at, without its gradient.
pub(crate) fn summed<O: Sample, T: Target, E: Float>(loss: &impl Loss<O, T>, outputs: &[E], targets: &[T::Number<E>]) -> f64 {
    let scale = E::one() / E::of(loss.terms() as f64);
    loss.part(outputs, targets, scale, &mut vec![E::zero(); outputs.len()]).f64()
}

/// A loss bound to the targets of a batch, or of a share of it.
pub(crate) struct Bound<'a, L, O, T: Target, E: Float> {
    loss: &'a L,
    targets: &'a [T::Number<E>],
    samples: usize,
    /// How many samples the whole batch has: the mean is over them.
    batch: usize,
    output: PhantomData<fn() -> O>,
}

impl<'a, L: Loss<O, T>, O: Sample, T: Target, E: Float> Bound<'a, L, O, T, E> {
    pub(crate) fn new(loss: &'a L, targets: &'a [T::Number<E>], samples: usize) -> Self {
        Self::share(loss, targets, samples, samples)
    }

    /// Bound to `samples` of the samples of a batch: the losses and gradients of all shares add up to those of the batch.
    pub(crate) fn share(loss: &'a L, targets: &'a [T::Number<E>], samples: usize, batch: usize) -> Self {
        Bound { loss, targets, samples, batch, output: PhantomData }
    }

    fn scale(&self) -> E {
        E::one() / E::of((self.batch * self.loss.terms()) as f64)
    }
}

impl<L: Loss<O, T>, O: Sample, T: Target, E: Float> ByParts<E> for Bound<'_, L, O, T, E> {
    fn part(&self, samples: Range<usize>, outputs: &[E], d_outputs: &mut [E]) -> E {
        let targets = &self.targets[samples.start * T::PER_SAMPLE..samples.end * T::PER_SAMPLE];
        self.loss.part(outputs, targets, self.scale(), d_outputs)
    }

    fn criterion(&self) -> Option<Criterion<E>> {
        let targets = || self.targets.iter().map(|&target| T::number(target)).collect();
        self.loss.kernel().map(|kernel| Criterion { kernel, targets: targets(), scale: self.scale() })
    }
}

impl<L: Loss<O, T>, O: Sample, T: Target, E: Float, D: Device<E>> OnTape<E, D> for Bound<'_, L, O, T, E> {
    fn taped(&self, outputs: Flat<E, D, OwnedTape<E, D>>) -> Result<TapedScalar<E, D>, D::Err> {
        use dfdx::prelude::TryMul;
        self.loss.taped(outputs, self.samples, self.targets)?.try_mul(self.scale())
    }
}

/// A loss that is written in dfdx operations on a typed output.
pub(crate) struct ByTape<'a, O, F> {
    pub loss: &'a F,
    pub samples: usize,
    pub output: PhantomData<fn() -> O>,
}

impl<O, F, E, D> OnTape<E, D> for ByTape<'_, O, F>
where
    O: Plain,
    E: Float,
    D: Device<E>,
    F: Fn(Tensor<O::Batch<usize>, E, D, OwnedTape<E, D>>) -> TapedScalar<E, D> + Sync,
{
    fn taped(&self, outputs: Flat<E, D, OwnedTape<E, D>>) -> Result<TapedScalar<E, D>, D::Err> {
        Ok((self.loss)(outputs.try_reshape_like(&O::batch(self.samples))?))
    }
}
