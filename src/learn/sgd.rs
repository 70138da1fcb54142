//! Stochastic gradient descent.

use super::kept::Kept;
use super::optimizer::{LearningRate, learning_rate};
use super::rule::{AnyRule, Pass, Rule, by_number};
use crate::error::Error;
use crate::float::Float;

/// Stochastic gradient descent, with momentum where it is wanted.
///
/// With the gradient `g`, learning rate `η`, momentum `μ`, dampening `τ` and weight decay `λ`:
///
/// ```text
/// g ← g + λ p
/// b ← g in the first step, then μ b + (1 - τ) g
/// p ← p - η b, or with Nesterov's momentum p - η (g + μ b)
/// ```
///
/// # Examples
/// ```
/// use formwork::prelude::*;
///
/// let mut optimizer = Sgd::new(0.1).momentum(0.9);
/// let (mut parameters, gradients) = ([1.0, 2.0], [0.5, -0.5]);
/// optimizer.update(&mut parameters, &gradients).unwrap();
/// assert_eq!(parameters, [0.95, 2.05]);
/// ```
///
/// PyTorch's `optim.SGD`; Sutskever et al., "On the importance of initialization and momentum in deep learning", 2013.
/// Course notes: gradient descent.
#[derive(Clone, Debug)]
pub struct Sgd<E = f32> {
    learning_rate: f64,
    momentum: f64,
    dampening: f64,
    weight_decay: f64,
    nesterov: bool,
    velocity: Kept<E>,
    steps: u64,
}

impl<E: Float> Sgd<E> {
    /// Plain gradient descent with this learning rate.
    pub fn new(learning_rate: f64) -> Self {
        Sgd { learning_rate, momentum: 0.0, dampening: 0.0, weight_decay: 0.0, nesterov: false, velocity: Kept::new(), steps: 0 }
    }

    /// The same with momentum `μ`.
    pub fn momentum(mut self, momentum: f64) -> Self {
        self.momentum = momentum;
        self
    }

    /// The same with dampening `τ`.
    pub fn dampening(mut self, dampening: f64) -> Self {
        self.dampening = dampening;
        self
    }

    /// The same with weight decay `λ`.
    pub fn weight_decay(mut self, weight_decay: f64) -> Self {
        self.weight_decay = weight_decay;
        self
    }

    /// The same with Nesterov's momentum.
    pub fn nesterov(mut self) -> Self {
        self.nesterov = true;
        self
    }
}

learning_rate!(Sgd);

by_number!(Sgd, numbers: [velocity], counts: [steps]);

impl<E: Float> Sgd<E> {
    fn next(&mut self, parameters: usize) -> Result<Pass<'_, E>, Error> {
        let [rate, momentum, decay] = [self.learning_rate, self.momentum, self.weight_decay].map(E::of);
        let descent = SgdRule { rate, decay };
        if self.momentum == 0.0 {
            return Ok(Pass::new(AnyRule::Sgd(descent), [None, None, None]));
        }
        let fresh = if self.steps == 0 { E::one() } else { E::of(1.0 - self.dampening) };
        let rule = AnyRule::Momentum(MomentumRule { descent, momentum, fresh, nesterov: self.nesterov });
        let velocity = self.velocity.for_parameters(parameters)?;
        self.steps += 1;
        Ok(Pass::new(rule, [Some(velocity), None, None]))
    }
}

/// Without momentum.
#[derive(Clone, Copy)]
pub(crate) struct SgdRule<E> {
    rate: E,
    decay: E,
}

impl<E: Float> Rule<E, 0> for SgdRule<E> {
    const KERNEL: &'static str = "sgd";

    fn coefficients(self) -> Vec<E> {
        vec![self.rate, self.decay]
    }

    #[inline(always)]
    fn next(self, p: E, g: E, kept: [E; 0]) -> (E, [E; 0]) {
        (p - self.rate * (g + self.decay * p), kept)
    }
}

/// With momentum; keeps the velocity.
#[derive(Clone, Copy)]
pub(crate) struct MomentumRule<E> {
    descent: SgdRule<E>,
    momentum: E,
    /// What the gradient is multiplied with before it joins the velocity.
    fresh: E,
    nesterov: bool,
}

impl<E: Float> Rule<E, 1> for MomentumRule<E> {
    const KERNEL: &'static str = "momentum";

    fn coefficients(self) -> Vec<E> {
        let nesterov = if self.nesterov { E::one() } else { E::zero() };
        vec![self.descent.rate, self.descent.decay, self.momentum, self.fresh, nesterov]
    }

    #[inline(always)]
    fn next(self, p: E, g: E, [b]: [E; 1]) -> (E, [E; 1]) {
        let g = g + self.descent.decay * p;
        let b = self.momentum * b + self.fresh * g;
        (p - self.descent.rate * if self.nesterov { g + self.momentum * b } else { b }, [b])
    }
}
