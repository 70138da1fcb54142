//! Gradient clipping.

use super::adjust::Adjustment;
use crate::error::Error;
use crate::float::Float;

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
        gradients.iter().map(|g| g.f64() * g.f64()).sum::<f64>().sqrt()
    }
}

impl Adjustment for ClipNorm {
    fn adjust<E: Float>(&self, _parameters: &[E], gradients: &mut [E]) -> Result<(), Error> {
        let factor = self.max / (Self::norm(gradients) + 1e-6);
        if factor < 1.0 {
            gradients.iter_mut().for_each(|g| *g *= E::of(factor));
        }
        Ok(())
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
}
