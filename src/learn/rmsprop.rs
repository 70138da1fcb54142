//! RMSProp.

use super::kept::Kept;
use super::optimizer::{LearningRate, learning_rate};
use super::rule::{AnyRule, Pass, Rule, by_number};
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
    square: Kept<E>,
    mean: Kept<E>,
    velocity: Kept<E>,
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
            square: Kept::new(),
            mean: Kept::new(),
            velocity: Kept::new(),
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

by_number!(RmsProp, numbers: [square, mean, velocity], counts: []);

impl<E: Float> RmsProp<E> {
    fn next(&mut self, parameters: usize) -> Result<Pass<'_, E>, Error> {
        let [rate, alpha, fresh] = [self.learning_rate, self.alpha, 1.0 - self.alpha].map(E::of);
        let [epsilon, momentum, decay] = [self.epsilon, self.momentum, self.weight_decay].map(E::of);
        // A mean that stays 0 takes nothing from the mean square.
        let fresh_mean = if self.centered { fresh } else { E::zero() };
        let rule = AnyRule::RmsProp(RmsPropRule { rate, alpha, fresh, fresh_mean, epsilon, momentum, decay });
        let (square, mean) = (self.square.for_parameters(parameters)?, self.mean.for_parameters(parameters)?);
        Ok(Pass::new(rule, [Some(square), Some(mean), Some(self.velocity.for_parameters(parameters)?)]))
    }
}

/// Keeps the running means of the square and of the gradient, and the velocity.
#[derive(Clone, Copy)]
pub(crate) struct RmsPropRule<E> {
    rate: E,
    alpha: E,
    fresh: E,
    fresh_mean: E,
    epsilon: E,
    momentum: E,
    decay: E,
}

impl<E: Float> Rule<E, 3> for RmsPropRule<E> {
    const KERNEL: &'static str = "rms_prop";

    fn coefficients(self) -> Vec<E> {
        vec![self.rate, self.alpha, self.fresh, self.fresh_mean, self.epsilon, self.momentum, self.decay]
    }

    #[inline(always)]
    fn next(self, p: E, g: E, [v, a, b]: [E; 3]) -> (E, [E; 3]) {
        let g = g + self.decay * p;
        let v = self.alpha * v + self.fresh * g * g;
        let a = self.alpha * a + self.fresh_mean * g;
        // Rounding may make the variance of a steady gradient a little less than nothing.
        let variance = v - a * a;
        let variance = if variance < E::zero() { E::zero() } else { variance };
        let b = self.momentum * b + g / (variance.sqrt() + self.epsilon);
        (p - self.rate * b, [v, a, b])
    }
}
