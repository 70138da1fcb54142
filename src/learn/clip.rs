//! Gradient clipping.

use super::adjust::{Adjustment, AdjustmentKernel};
use crate::error::Error;
use crate::float::Float;
use crate::kernels::simd::{Job, with_best};
use core::iter;

/// Gradients no longer than a bound: `g ← g · min(1, max / (|g| + 1e-6))`, where `|g|` is the Euclidean norm of all gradients
/// together.
///
/// # Examples
/// ```
/// use formwork::prelude::*;
///
/// let mut optimizer = Sgd::new(1.0).clip_norm(1.0);
/// let mut parameters = [0.0f64; 2];
/// optimizer.update(&mut parameters, &[30.0, 40.0]).unwrap();
/// assert!((parameters[0] + 0.6).abs() < 1e-6 && (parameters[1] + 0.8).abs() < 1e-6);
/// ```
///
/// Pascanu, Mikolov and Bengio, [On the difficulty of training recurrent neural
/// networks](https://arxiv.org/abs/1211.5063), 2012; PyTorch's `nn.utils.clip_grad_norm_`.
#[derive(Clone, Copy, Debug)]
pub struct ClipNorm {
    max: f64,
}

impl ClipNorm {
    /// Gradients no longer than `max`.
    pub const fn new(max: f64) -> Self {
        ClipNorm { max }
    }

    /// The Euclidean norm of gradients, summed in double precision.
    pub fn norm<E: Float>(gradients: &[E]) -> f64 {
        let mut sums = [0.0; PARTS];
        with_best(AddSquares { gradients, sums: &mut sums });
        sums.iter().sum::<f64>().sqrt()
    }
}

impl Adjustment for ClipNorm {
    fn adjust<E: Float>(&self, _parameters: &[E], gradients: &mut [E]) -> Result<(), Error> {
        let factor = self.max / (Self::norm(gradients) + 1e-6);
        if factor < 1.0 {
            with_best(Shorten { gradients, factor: E::of(factor) });
        }
        Ok(())
    }

    fn kernel(&self, _parameters: usize) -> Result<Option<AdjustmentKernel>, Error> {
        Ok(Some(AdjustmentKernel { name: "clip_norm", coefficient: self.max, is_of_norm: true, ranges: Vec::new() }))
    }
}

/// How many partial sums there are that do not wait for one another.
const PARTS: usize = 16;

struct AddSquares<'a, E> {
    gradients: &'a [E],
    sums: &'a mut [f64; PARTS],
}

impl<E: Float> Job for AddSquares<'_, E> {
    #[inline(always)]
    fn run(self) {
        let (blocks, rest) = self.gradients.as_chunks::<PARTS>();
        for block in blocks {
            self.sums.iter_mut().zip(block).for_each(|(sum, g)| *sum += g.f64() * g.f64());
        }
        self.sums.iter_mut().zip(rest).for_each(|(sum, g)| *sum += g.f64() * g.f64());
    }
}

struct Shorten<'a, E> {
    gradients: &'a mut [E],
    factor: E,
}

impl<E: Float> Job for Shorten<'_, E> {
    #[inline(always)]
    fn run(self) {
        self.gradients.iter_mut().for_each(|g| *g *= self.factor);
    }
}

/// Gradients whose numbers stay within a bound: `g ← min(max(g, -v), v)`.
///
/// # Examples
/// ```
/// use formwork::prelude::*;
///
/// let mut optimizer = Sgd::new(1.0).clip_value(0.5);
/// let mut parameters = [0.0; 3];
/// optimizer.update(&mut parameters, &[30.0, 0.25, -40.0]).unwrap();
/// assert_eq!(parameters, [-0.5, -0.25, 0.5]);
/// ```
///
/// PyTorch's `nn.utils.clip_grad_value_`.
#[derive(Clone, Copy, Debug)]
pub struct ClipValue {
    max: f64,
}

impl ClipValue {
    /// Gradients between `-max` and `max`.
    pub const fn new(max: f64) -> Self {
        ClipValue { max }
    }
}

impl Adjustment for ClipValue {
    fn adjust<E: Float>(&self, _parameters: &[E], gradients: &mut [E]) -> Result<(), Error> {
        let max = E::of(self.max);
        for g in gradients {
            // Not `max(-v).min(v)`, which would make a bound of what is no number and so hide it.
            if g.abs() > max {
                *g = max.copysign(*g);
            }
        }
        Ok(())
    }

    fn kernel(&self, parameters: usize) -> Result<Option<AdjustmentKernel>, Error> {
        let ranges = iter::once(0..parameters).collect();
        Ok(Some(AdjustmentKernel { name: "clip_value", coefficient: self.max, is_of_norm: false, ranges }))
    }
}
