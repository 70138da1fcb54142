//! Adam.

use super::kept::Kept;
use super::optimizer::{LearningRate, learning_rate};
use super::rule::{AnyRule, Pass, Rule, by_number};
use crate::error::Error;
use crate::float::Float;

/// Adam: steps scaled by running means of the gradient and of its square.
///
/// With the gradient `g` at step `t` (from 1), learning rate `η`, weight decay `λ` and decoupled weight decay `ω`:
///
/// ```text
/// g ← g + λ p
/// m ← β₁ m + (1 - β₁) g          v ← β₂ v + (1 - β₂) g²
/// p ← (1 - η ω) p - η (m / (1 - β₁ᵗ)) / (√(v / (1 - β₂ᵗ)) + ε)
/// ```
///
/// With decoupled weight decay this is AdamW.
///
/// The course notes write the powers `βᵗ` in the running means; they belong in the correction of their bias, as here and
/// in the paper.
///
/// # Examples
/// ```
/// use formwork::prelude::*;
///
/// let mut optimizer = Adam::new(0.1);
/// let (mut parameters, gradients) = ([1.0f64, 2.0], [0.5, -0.001]);
/// optimizer.update(&mut parameters, &gradients).unwrap();
/// // The first step is as long as the learning rate, whatever the gradient.
/// assert!((parameters[0] - 0.9).abs() < 1e-6 && (parameters[1] - 2.1).abs() < 1e-5);
/// ```
///
/// Kingma and Ba, [Adam](https://arxiv.org/abs/1412.6980), 2014; Loshchilov and Hutter, [Decoupled weight decay
/// regularization](https://arxiv.org/abs/1711.05101), 2017; PyTorch's `optim.Adam` and `optim.AdamW`. Course notes: gradient
/// descent.
#[derive(Clone, Debug)]
#[doc(alias = "AdamW")]
pub struct Adam<E = f32> {
    learning_rate: f64,
    betas: [f64; 2],
    epsilon: f64,
    weight_decay: f64,
    decoupled_weight_decay: f64,
    steps: u64,
    mean: Kept<E>,
    square: Kept<E>,
}

impl<E: Float> Adam<E> {
    /// Adam with this learning rate, `β = (0.9, 0.999)` and `ε = 1e-8`.
    pub fn new(learning_rate: f64) -> Self {
        Adam {
            learning_rate,
            betas: [0.9, 0.999],
            epsilon: 1e-8,
            weight_decay: 0.0,
            decoupled_weight_decay: 0.0,
            steps: 0,
            mean: Kept::new(),
            square: Kept::new(),
        }
    }

    /// The same with other `β`.
    pub fn betas(mut self, first: f64, second: f64) -> Self {
        self.betas = [first, second];
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

    /// The same with weight decay `ω` that is no part of the gradient, and so of no running mean: AdamW.
    pub fn decoupled_weight_decay(mut self, weight_decay: f64) -> Self {
        self.decoupled_weight_decay = weight_decay;
        self
    }
}

learning_rate!(Adam);

by_number!(Adam, numbers: [mean, square], counts: [steps]);

impl<E: Float> Adam<E> {
    fn next(&mut self, parameters: usize) -> Result<Pass<'_, E>, Error> {
        let (mean, square) = (self.mean.for_parameters(parameters)?, self.square.for_parameters(parameters)?);
        self.steps += 1;
        let steps = i32::try_from(self.steps).unwrap_or(i32::MAX);
        let [correct_mean, correct_square] = self.betas.map(|beta| 1.0 - beta.powi(steps));
        let rule = AnyRule::Adam(AdamRule {
            rate: E::of(self.learning_rate / correct_mean),
            root: E::of(correct_square.sqrt()),
            keep: self.betas.map(E::of),
            fresh: self.betas.map(|beta| E::of(1.0 - beta)),
            epsilon: E::of(self.epsilon),
            decay: E::of(self.weight_decay),
            keep_parameter: E::of(1.0 - self.learning_rate * self.decoupled_weight_decay),
        });
        Ok(Pass::new(rule, [Some(mean), Some(square), None]))
    }
}

/// Keeps the running means of the gradient and of its square.
#[derive(Clone, Copy)]
pub(crate) struct AdamRule<E> {
    rate: E,
    root: E,
    keep: [E; 2],
    fresh: [E; 2],
    epsilon: E,
    decay: E,
    keep_parameter: E,
}

impl<E: Float> Rule<E, 2> for AdamRule<E> {
    const KERNEL: &'static str = "adam";

    fn coefficients(self) -> Vec<E> {
        let [first, second] = self.keep;
        let [fresh_first, fresh_second] = self.fresh;
        vec![self.rate, self.root, first, second, fresh_first, fresh_second, self.epsilon, self.decay, self.keep_parameter]
    }

    #[inline(always)]
    fn next(self, p: E, g: E, [m, v]: [E; 2]) -> (E, [E; 2]) {
        let g = g + self.decay * p;
        let m = self.keep[0] * m + self.fresh[0] * g;
        let v = self.keep[1] * v + self.fresh[1] * g * g;
        (self.keep_parameter * p - self.rate * m / (v.sqrt() / self.root + self.epsilon), [m, v])
    }
}
