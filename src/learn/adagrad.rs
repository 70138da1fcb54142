//! AdaGrad.

use super::kept::Kept;
use super::optimizer::{LearningRate, learning_rate};
use super::rule::{AnyRule, Pass, Rule, by_number};
use crate::error::Error;
use crate::float::Float;

/// AdaGrad: a step of its own for each parameter, the shorter the larger its gradients have been.
///
/// With the gradient `g` at step `t` (from 1), learning rate `η`, its decay `δ` and weight decay `λ`:
///
/// ```text
/// g ← g + λ p
/// s ← s + g²
/// p ← p - η / (1 + (t - 1) δ) · g / (√s + ε)
/// ```
///
/// # Examples
/// ```
/// use formwork::prelude::*;
///
/// let mut optimizer = Adagrad::new(0.1);
/// let (mut parameters, gradients) = ([1.0f64, 2.0], [0.5, -0.001]);
/// optimizer.update(&mut parameters, &gradients).unwrap();
/// // The first step is as long as the learning rate, whatever the gradient.
/// assert!((parameters[0] - 0.9).abs() < 1e-6 && (parameters[1] - 2.1).abs() < 1e-6);
/// ```
///
/// Duchi, Hazan and Singer, "Adaptive subgradient methods for online learning and stochastic optimization", 2011; PyTorch's
/// `optim.Adagrad`. Course notes: gradient descent.
#[derive(Clone, Debug)]
pub struct Adagrad<E = f32> {
    learning_rate: f64,
    learning_rate_decay: f64,
    epsilon: f64,
    weight_decay: f64,
    steps: u64,
    squares: Kept<E>,
}

impl<E: Float> Adagrad<E> {
    /// AdaGrad with this learning rate and `ε = 1e-10`.
    pub fn new(learning_rate: f64) -> Self {
        Adagrad { learning_rate, learning_rate_decay: 0.0, epsilon: 1e-10, weight_decay: 0.0, steps: 0, squares: Kept::new() }
    }

    /// The same with a learning rate that decays by `δ`.
    pub fn learning_rate_decay(mut self, decay: f64) -> Self {
        self.learning_rate_decay = decay;
        self
    }

    /// The same with another `ε`.
    pub fn epsilon(mut self, epsilon: f64) -> Self {
        self.epsilon = epsilon;
        self
    }

    /// The same with weight decay `λ`, as part of the gradient.
    pub fn weight_decay(mut self, weight_decay: f64) -> Self {
        self.weight_decay = weight_decay;
        self
    }
}

learning_rate!(Adagrad);

by_number!(Adagrad, numbers: [squares], counts: [steps]);

impl<E: Float> Adagrad<E> {
    fn next(&mut self, parameters: usize) -> Result<Pass<'_, E>, Error> {
        let rate = E::of(self.learning_rate / (1.0 + self.steps as f64 * self.learning_rate_decay));
        let rule = AdagradRule { rate, epsilon: E::of(self.epsilon), decay: E::of(self.weight_decay) };
        let squares = self.squares.for_parameters(parameters)?;
        self.steps += 1;
        Ok(Pass::new(AnyRule::Adagrad(rule), [Some(squares), None, None]))
    }
}

/// Keeps the sum of squares.
#[derive(Clone, Copy)]
pub(crate) struct AdagradRule<E> {
    rate: E,
    epsilon: E,
    decay: E,
}

impl<E: Float> Rule<E, 1> for AdagradRule<E> {
    const KERNEL: &'static str = "adagrad";

    fn coefficients(self) -> Vec<E> {
        vec![self.rate, self.epsilon, self.decay]
    }

    #[inline(always)]
    fn next(self, p: E, g: E, [s]: [E; 1]) -> (E, [E; 1]) {
        let g = g + self.decay * p;
        let s = s + g * g;
        (p - self.rate * g / (s.sqrt() + self.epsilon), [s])
    }
}
