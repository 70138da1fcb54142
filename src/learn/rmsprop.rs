//! RMSProp.

use super::optimizer::{LearningRate, Optimizer, learning_rate, state};
use crate::error::Error;
use crate::float::Float;

/// RMSProp: steps scaled by a running mean of the square of the gradient.
///
/// With the gradient `g`, learning rate `η`, smoothing `α`, momentum `μ` and weight decay `λ`:
///
/// ```text
/// g ← g + λ p
/// v ← α v + (1 - α) g²
/// a ← α a + (1 - α) g if centred, or else 0
/// b ← μ b + g / (√(v - a²) + ε)
/// p ← p - η b
/// ```
///
/// # Examples
/// ```
/// use formwork::prelude::*;
///
/// let mut optimizer = RmsProp::new(0.01);
/// let (mut parameters, gradients) = ([1.0f64, 2.0], [0.5, -0.5]);
/// optimizer.update(&mut parameters, &gradients).unwrap();
/// // The mean begins at 0, so the first step is 1 / √(1 - α) = 10 learning rates long.
/// assert!((parameters[0] - 0.9).abs() < 1e-6 && (parameters[1] - 2.1).abs() < 1e-6);
/// ```
///
/// Tieleman and Hinton, "Lecture 6.5: RMSProp", 2012; Graves, [Generating sequences with recurrent neural
/// networks](https://arxiv.org/abs/1308.0850), 2013, for the centred one; PyTorch's `optim.RMSprop`. Course notes: gradient
/// descent.
#[derive(Clone, Debug)]
#[doc(alias = "RMSprop")]
pub struct RmsProp<E = f32> {
    learning_rate: f64,
    alpha: f64,
    epsilon: f64,
    momentum: f64,
    weight_decay: f64,
    centered: bool,
    square: Vec<E>,
    mean: Vec<E>,
    velocity: Vec<E>,
}

impl<E: Float> RmsProp<E> {
    /// RMSProp with this learning rate, `α = 0.99` and `ε = 1e-8`.
    pub fn new(learning_rate: f64) -> Self {
        RmsProp {
            learning_rate,
            alpha: 0.99,
            epsilon: 1e-8,
            momentum: 0.0,
            weight_decay: 0.0,
            centered: false,
            square: Vec::new(),
            mean: Vec::new(),
            velocity: Vec::new(),
        }
    }

    /// The same with another `α`.
    pub fn alpha(mut self, alpha: f64) -> Self {
        self.alpha = alpha;
        self
    }

    /// The same with another `ε`.
    pub fn epsilon(mut self, epsilon: f64) -> Self {
        self.epsilon = epsilon;
        self
    }

    /// The same with momentum `μ`.
    pub fn momentum(mut self, momentum: f64) -> Self {
        self.momentum = momentum;
        self
    }

    /// The same with weight decay `λ`, as part of the gradient.
    pub fn weight_decay(mut self, weight_decay: f64) -> Self {
        self.weight_decay = weight_decay;
        self
    }

    /// The same with the variance of the gradient in place of its mean square.
    pub fn centered(mut self) -> Self {
        self.centered = true;
        self
    }
}

learning_rate!(RmsProp);

impl<E: Float> Optimizer<E> for RmsProp<E> {
    fn update(&mut self, parameters: &mut [E], gradients: &[E]) -> Result<(), Error> {
        let square = state(&mut self.square, parameters)?;
        let mean = state(&mut self.mean, parameters)?;
        let velocity = state(&mut self.velocity, parameters)?;
        let [rate, alpha, fresh] = [self.learning_rate, self.alpha, 1.0 - self.alpha].map(E::of);
        let [epsilon, momentum, decay] = [self.epsilon, self.momentum, self.weight_decay].map(E::of);
        // A mean that stays 0 takes nothing from the mean square.
        let fresh_mean = if self.centered { fresh } else { E::zero() };
        for ((((p, &g), v), a), b) in parameters.iter_mut().zip(gradients).zip(square).zip(mean).zip(velocity) {
            let g = g + decay * *p;
            *v = alpha * *v + fresh * g * g;
            *a = alpha * *a + fresh_mean * g;
            // Rounding may make the variance of a steady gradient a little less than nothing.
            let variance = (*v - *a * *a).max(E::zero());
            *b = momentum * *b + g / (variance.sqrt() + epsilon);
            *p -= rate * *b;
        }
        Ok(())
    }
}
