//! Learning rates that change while a model learns.

use super::adjust::Changes;
use super::memory::Memory;
use super::optimizer::{LearningRate, Optimizer};
use super::rule::Pass;
use crate::error::Error;
use crate::float::Float;
use core::f64::consts::PI;

/// The learning rate `η(t)` of each step `t`, counted from 0; a step is one update of the parameters.
///
/// A number is the schedule that does not change, and any function of the step is one too: of the epoch, if it divides.
///
/// # Examples
/// ```
/// use formwork::prelude::*;
///
/// let per_epoch = 45;
/// let halved = StepLr::new(0.1, 10, 0.5);
/// let mut optimizer = Sgd::new(0.0).scheduled(move |step| halved.rate(step / per_epoch));
/// let mut parameters = [1.0];
/// optimizer.update(&mut parameters, &[1.0]).unwrap();
/// assert_eq!(parameters, [0.9]);
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a schedule of learning rates",
    label = "expected `StepLr`, a `Fn(u64) -> f64`, a number ..."
)]
pub trait Schedule {
    /// The learning rate of a step.
    fn rate(&self, step: u64) -> f64;
}

impl<F: Fn(u64) -> f64> Schedule for F {
    fn rate(&self, step: u64) -> f64 {
        self(step)
    }
}

impl Schedule for f64 {
    fn rate(&self, _step: u64) -> f64 {
        *self
    }
}

/// Multiplied by `γ` after every `k` steps: `η(t) = η₀ γ^⌊t / k⌋`.
///
/// # Examples
/// ```
/// use formwork::prelude::*;
///
/// let schedule = StepLr::new(0.1, 7, 0.5);
/// assert_eq!((schedule.rate(6), schedule.rate(7)), (0.1, 0.05));
/// ```
///
/// PyTorch's `StepLR`.
#[derive(Clone, Copy, Debug)]
pub struct StepLr {
    rate: f64,
    every: u64,
    gamma: f64,
}

impl StepLr {
    /// From `rate` on, multiplied by `gamma` after `every` so many steps; 0 is as 1.
    pub const fn new(rate: f64, every: u64, gamma: f64) -> Self {
        StepLr { rate, every, gamma }
    }
}

impl Schedule for StepLr {
    fn rate(&self, step: u64) -> f64 {
        self.rate * self.gamma.powf((step / self.every.max(1)) as f64)
    }
}

/// Multiplied by `γ` after every step: `η(t) = η₀ γᵗ`.
///
/// # Examples
/// ```
/// use formwork::prelude::*;
///
/// assert_eq!(ExponentialLr::new(0.5, 0.5).rate(2), 0.125);
/// ```
///
/// PyTorch's `ExponentialLR`.
#[derive(Clone, Copy, Debug)]
pub struct ExponentialLr {
    rate: f64,
    gamma: f64,
}

impl ExponentialLr {
    /// From `rate` on, multiplied by `gamma` after every step.
    pub const fn new(rate: f64, gamma: f64) -> Self {
        ExponentialLr { rate, gamma }
    }
}

impl Schedule for ExponentialLr {
    fn rate(&self, step: u64) -> f64 {
        StepLr::new(self.rate, 1, self.gamma).rate(step)
    }
}

/// Down half a cosine wave: `η(t) = η₁ + (η₀ - η₁) (1 + cos(π t / T)) / 2` up to step `T`, then `η₁`.
///
/// PyTorch's wave rises again behind `T`.
///
/// # Examples
/// ```
/// use formwork::prelude::*;
///
/// let schedule = CosineAnnealingLr::new(0.5, 20).minimum(0.25);
/// assert_eq!([0, 10, 20, 30].map(|step| schedule.rate(step)), [0.5, 0.375, 0.25, 0.25]);
/// ```
///
/// Loshchilov and Hutter, [SGDR](https://arxiv.org/abs/1608.03983), 2016; PyTorch's `CosineAnnealingLR`.
#[derive(Clone, Copy, Debug)]
pub struct CosineAnnealingLr {
    rate: f64,
    steps: u64,
    minimum: f64,
}

impl CosineAnnealingLr {
    /// From `rate` to 0 in so many steps.
    pub const fn new(rate: f64, steps: u64) -> Self {
        CosineAnnealingLr { rate, steps, minimum: 0.0 }
    }

    /// The same, but down to `η₁`.
    pub const fn minimum(mut self, rate: f64) -> Self {
        self.minimum = rate;
        self
    }
}

impl Schedule for CosineAnnealingLr {
    fn rate(&self, step: u64) -> f64 {
        cosine(self.rate, self.minimum, progress(step as f64, self.steps as f64))
    }
}

/// From one multiple of a rate to another on a straight line: `η(t) = η₀ (a + (b - a) min(t / T, 1))`.
///
/// # Examples
/// ```
/// use formwork::prelude::*;
///
/// let warm_up = LinearLr::new(1.0, 8).factors(0.5, 1.0);
/// assert_eq!([0, 4, 8, 9].map(|step| warm_up.rate(step)), [0.5, 0.75, 1.0, 1.0]);
/// ```
///
/// PyTorch's `LinearLR`.
#[derive(Clone, Copy, Debug)]
pub struct LinearLr {
    rate: f64,
    steps: u64,
    factors: [f64; 2],
}

impl LinearLr {
    /// From a third of `rate` to all of it in so many steps.
    pub const fn new(rate: f64, steps: u64) -> Self {
        LinearLr { rate, steps, factors: [1.0 / 3.0, 1.0] }
    }

    /// The same from another factor `a` to another factor `b`.
    pub const fn factors(mut self, start: f64, end: f64) -> Self {
        self.factors = [start, end];
        self
    }
}

impl Schedule for LinearLr {
    fn rate(&self, step: u64) -> f64 {
        let [start, end] = self.factors;
        self.rate * (start + (end - start) * progress(step as f64, self.steps as f64))
    }
}

/// From almost nothing to where another schedule begins, and on with that one: `η(t) = η(0) (t + 1) / w` for `t < w`, then
/// `η(t - w)` of the other.
///
/// # Examples
/// ```
/// use formwork::prelude::*;
///
/// let schedule = WarmUp::new(2, CosineAnnealingLr::new(1.0, 4));
/// assert_eq!([0, 1, 2, 4, 6].map(|step| schedule.rate(step)), [0.5, 1.0, 1.0, 0.5, 0.0]);
/// assert_eq!(WarmUp::new(10, 0.1).rate(4), 0.05);
/// ```
///
/// Goyal et al., [Accurate, large minibatch SGD](https://arxiv.org/abs/1706.02677), 2017.
#[derive(Clone, Copy, Debug)]
pub struct WarmUp<S> {
    steps: u64,
    then: S,
}

impl<S: Schedule> WarmUp<S> {
    /// So many steps, and `then` another schedule.
    pub const fn new(steps: u64, then: S) -> Self {
        WarmUp { steps, then }
    }
}

impl<S: Schedule> Schedule for WarmUp<S> {
    fn rate(&self, step: u64) -> f64 {
        match step.checked_sub(self.steps) {
            Some(behind) => self.then.rate(behind),
            None => self.then.rate(0) * (step + 1) as f64 / self.steps as f64,
        }
    }
}

/// Up to the largest rate and down to almost nothing in one cycle, each on half a cosine wave.
///
/// With the largest rate `η`, `T` steps, a share `s` of them for the way up, and divisors `a` and `b`:
///
/// ```text
/// η / a  →  η            in the steps from 0 to s T - 1
/// η      →  η / (a b)    in the steps up to T - 1, and then stays
/// x → y at share q of the way is y + (x - y) (1 + cos(π q)) / 2
/// ```
///
/// # Examples
/// ```
/// use formwork::prelude::*;
///
/// let schedule = OneCycleLr::new(1.0, 100);
/// assert!((schedule.rate(0) - 1.0 / 25.0).abs() < 1e-12);
/// assert!((schedule.rate(29) - 1.0).abs() < 1e-12);
/// assert!((schedule.rate(99) - 1.0 / 25e4).abs() < 1e-12);
/// ```
///
/// Smith, [A disciplined approach to neural network hyper-parameters](https://arxiv.org/abs/1803.09820), 2018, with straight
/// lines; PyTorch's `OneCycleLR`.
#[derive(Clone, Copy, Debug)]
pub struct OneCycleLr {
    rate: f64,
    steps: u64,
    rising: f64,
    divisors: [f64; 2],
}

impl OneCycleLr {
    /// A cycle of so many steps up to `rate`, with `s = 0.3`, `a = 25` and `b = 10⁴`.
    pub const fn new(rate: f64, steps: u64) -> Self {
        OneCycleLr { rate, steps, rising: 0.3, divisors: [25.0, 1e4] }
    }

    /// The same with another share `s` of the steps on the way up.
    pub const fn rising(mut self, share: f64) -> Self {
        self.rising = share;
        self
    }

    /// The same with other divisors: it begins at `η / a` and ends at `η / (a b)`.
    pub const fn divisors(mut self, a: f64, b: f64) -> Self {
        self.divisors = [a, b];
        self
    }
}

impl Schedule for OneCycleLr {
    fn rate(&self, step: u64) -> f64 {
        let (t, last) = (step as f64, self.steps as f64 - 1.0);
        let top = self.rising * self.steps as f64 - 1.0;
        let begin = self.rate / self.divisors[0];
        if t <= top { cosine(begin, self.rate, progress(t, top)) } else { cosine(self.rate, begin / self.divisors[1], progress(t - top, last - top)) }
    }
}

/// How much of the way is done, from 0 to 1; all of it where there is no way.
fn progress(done: f64, all: f64) -> f64 {
    if done < all { done / all } else { 1.0 }
}

/// From one number to another on half a cosine wave.
fn cosine(from: f64, to: f64, progress: f64) -> f64 {
    to + (from - to) * (1.0 + (PI * progress).cos()) / 2.0
}

/// An optimizer whose learning rate follows a schedule; [`Optimizer::scheduled`] makes it.
#[derive(Clone, Debug)]
pub struct Scheduled<S, O> {
    schedule: S,
    optimizer: O,
    steps: u64,
}

impl<S: Schedule, O: LearningRate> Scheduled<S, O> {
    pub(crate) fn new(schedule: S, optimizer: O) -> Self {
        Scheduled { schedule, optimizer, steps: 0 }
    }

    /// The learning rate of the next step.
    pub fn learning_rate(&self) -> f64 {
        self.schedule.rate(self.steps)
    }
}

impl<E: Float, S: Schedule, O: Optimizer<E> + LearningRate> Optimizer<E> for Scheduled<S, O> {
    fn update(&mut self, parameters: &mut [E], gradients: &[E]) -> Result<(), Error> {
        self.optimizer.set_learning_rate(self.learning_rate());
        self.optimizer.update(parameters, gradients)?;
        self.steps += 1;
        Ok(())
    }

    fn begin<'a>(&'a mut self, parameters: usize, changes: Changes<'a, E>) -> Result<Option<Pass<'a, E>>, Error> {
        self.optimizer.set_learning_rate(self.learning_rate());
        let pass = self.optimizer.begin(parameters, changes)?;
        self.steps += u64::from(pass.is_some());
        Ok(pass)
    }

    fn remember(&mut self, memory: &mut dyn Memory<E>) {
        memory.count("schedule.steps", &mut self.steps);
        self.optimizer.remember(memory);
    }

    fn rate(&self) -> Option<f64> {
        Some(self.learning_rate())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn close(given: f64, expected: f64) {
        assert!((given - expected).abs() < 1e-12, "expected {expected}, given {given}");
    }

    /// The numbers are those of PyTorch's formula with `total_steps=11, pct_start=0.4545.., div_factor=10,
    /// final_div_factor=100`, by hand: up in steps 0 to 4, down in steps 4 to 10.
    #[test]
    fn one_cycle() {
        let schedule = OneCycleLr::new(2.0, 11).rising(5.0 / 11.0).divisors(10.0, 100.0);
        let (low, end, half) = (0.2, 0.002, 0.5f64.sqrt());
        close(schedule.rate(0), low);
        close(schedule.rate(1), low + 1.8 * (1.0 - half) / 2.0);
        close(schedule.rate(2), (low + 2.0) / 2.0);
        close(schedule.rate(4), 2.0);
        close(schedule.rate(6), end + (2.0 - end) * 0.75);
        close(schedule.rate(7), (2.0 + end) / 2.0);
        close(schedule.rate(10), end);
        close(schedule.rate(1000), end);
    }

    #[test]
    fn schedules_of_no_steps_are_at_their_end() {
        close(CosineAnnealingLr::new(1.0, 0).minimum(0.5).rate(0), 0.5);
        close(LinearLr::new(1.0, 0).rate(0), 1.0);
        close(WarmUp::new(0, 1.0).rate(0), 1.0);
        close(StepLr::new(1.0, 0, 0.5).rate(1), 0.5);
        close(OneCycleLr::new(1.0, 0).rate(0), 1.0 / 25e4);
        close(OneCycleLr::new(1.0, 10).rising(0.0).rate(0), 1.0 * (1.0 + (PI / 10.0).cos()) / 2.0 + (1.0 - (1.0 + (PI / 10.0).cos()) / 2.0) / 25e4);
    }
}
