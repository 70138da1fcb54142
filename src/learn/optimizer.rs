//! What optimizers have in common.

use super::accumulate::Accumulated;
use super::adjust::{Adjusted, Adjustment, Changes};
use super::clip::{ClipNorm, ClipValue};
use super::memory::Memory;
use super::penalty::Penalty;
use super::rule::Pass;
use super::schedule::{Schedule, Scheduled};
use crate::error::Error;
use crate::float::Float;

/// Moves parameters against their gradients.
///
/// Both are flat buffers of all parameters of a network. An optimizer that keeps state does so for one model.
///
/// The other methods make optimizers of optimizers, as the methods of an iterator make iterators. What is written last comes
/// first to the gradients.
///
/// # Examples
/// ```
/// use formwork::prelude::*;
///
/// let mut optimizer = Sgd::new(0.1).penalty_l1(0.5).clip_value(1.0).scheduled(ExponentialLr::new(1.0, 0.5));
/// let mut parameters = [1.0];
/// optimizer.update(&mut parameters, &[8.0]).unwrap();
/// // The gradient 8 is clipped to 1, the penalty adds 0.5, and the first step is as long as that.
/// assert_eq!(parameters, [-0.5]);
/// ```
///
/// One that is chosen while the program runs:
/// ```
/// use formwork::prelude::*;
///
/// let name = "momentum";
/// let mut optimizer: Box<dyn Optimizer<f32>> = match name {
///     "momentum" => Box::new(Sgd::new(0.5).momentum(0.9)),
///     _ => Box::new(Adam::new(1e-3)),
/// };
/// let mut parameters = [1.0];
/// optimizer.update(&mut parameters, &[1.0]).unwrap();
/// assert_eq!(parameters, [0.5]);
/// ```
pub trait Optimizer<E: Float> {
    /// One step.
    ///
    /// # Errors
    /// [`Error::Optimizer`] if the optimizer has begun with another number of parameters.
    fn update(&mut self, parameters: &mut [E], gradients: &[E]) -> Result<(), Error>;

    /// Begins one step, if the optimizer moves each parameter by itself when some changes of the gradients were made, to which it may
    /// add others: an engine then does both where the gradients are, and moves parameters as soon as it knows their gradients if none
    /// is changed. Any other optimizer has nothing to lend.
    ///
    /// # Errors
    /// As for [`Optimizer::update`].
    fn begin<'a>(&'a mut self, parameters: usize, changes: Changes<'a, E>) -> Result<Option<Pass<'a, E>>, Error> {
        let _ = (parameters, changes);
        Ok(None)
    }

    /// Shows everything that it remembers between steps, so that training can be saved and go on another day as if it had never
    /// stopped. One that remembers nothing does nothing here.
    fn remember(&mut self, memory: &mut dyn Memory<E>);

    /// The learning rate of its next step; none if it does not say. [`Trainer::on_batch`](crate::trainer::Trainer::on_batch) shows it.
    ///
    /// # Examples
    /// ```
    /// use formwork::learn::Optimizer;
    /// use formwork::prelude::*;
    ///
    /// let mut optimizer = Sgd::new(0.1).scheduled(ExponentialLr::new(0.5, 0.1)).clip_norm(1.0);
    /// optimizer.update(&mut [1.0], &[1.0]).unwrap();
    /// assert_eq!(optimizer.rate(), Some(0.05));
    /// ```
    fn rate(&self) -> Option<f64> {
        None
    }

    /// The same with the means of the gradients of `batches` batches in a row, for batches that would not fit into memory: see
    /// [`Accumulated`].
    fn accumulated(self, batches: usize) -> Accumulated<E, Self>
    where
        Self: Sized,
    {
        Accumulated::new(batches, self)
    }

    /// The same with gradients that are no longer than `max` as one vector: see [`ClipNorm`].
    fn clip_norm(self, max: f64) -> Adjusted<E, ClipNorm, Self>
    where
        Self: Sized,
    {
        self.adjusted(ClipNorm::new(max))
    }

    /// The same with each number of the gradients between `-max` and `max`: see [`ClipValue`].
    fn clip_value(self, max: f64) -> Adjusted<E, ClipValue, Self>
    where
        Self: Sized,
    {
        self.adjusted(ClipValue::new(max))
    }

    /// The same with the penalty `λ Σ |p|` of all parameters added to the loss: see [`Penalty::l1`].
    fn penalty_l1(self, lambda: f64) -> Adjusted<E, Penalty, Self>
    where
        Self: Sized,
    {
        self.adjusted(Penalty::l1(lambda))
    }

    /// The same with the penalty `λ Σ p²` of all parameters added to the loss: see [`Penalty::l2`].
    fn penalty_l2(self, lambda: f64) -> Adjusted<E, Penalty, Self>
    where
        Self: Sized,
    {
        self.adjusted(Penalty::l2(lambda))
    }

    /// The same behind any change of the gradients.
    fn adjusted<A: Adjustment>(self, adjustment: A) -> Adjusted<E, A, Self>
    where
        Self: Sized,
    {
        Adjusted::new(adjustment, self)
    }

    /// The same with a learning rate that follows a schedule.
    fn scheduled<S: Schedule>(self, schedule: S) -> Scheduled<S, Self>
    where
        Self: LearningRate + Sized,
    {
        Scheduled::new(schedule, self)
    }
}

/// The methods of the optimizer behind a pointer, whose type need not be known: one that is lent, or chosen while the program runs.
macro_rules! behind_a_pointer {
    ($Pointer:ty) => {
        impl<E: Float, O: Optimizer<E> + ?Sized> Optimizer<E> for $Pointer {
            fn update(&mut self, parameters: &mut [E], gradients: &[E]) -> Result<(), Error> {
                (**self).update(parameters, gradients)
            }

            fn begin<'a>(&'a mut self, parameters: usize, changes: Changes<'a, E>) -> Result<Option<Pass<'a, E>>, Error> {
                (**self).begin(parameters, changes)
            }

            fn remember(&mut self, memory: &mut dyn Memory<E>) {
                (**self).remember(memory);
            }

            fn rate(&self) -> Option<f64> {
                (**self).rate()
            }
        }
    };
}

behind_a_pointer!(&mut O);
behind_a_pointer!(Box<O>);

/// An optimizer whose learning rate can be changed at any time.
#[diagnostic::on_unimplemented(
    message = "the learning rate of `{Self}` cannot be set",
    label = "expected an optimizer without a schedule",
    note = "an optimizer follows one schedule; `WarmUp::new(steps, schedule)` makes one schedule of two"
)]
pub trait LearningRate {
    /// The learning rate of the next step.
    fn learning_rate(&self) -> f64;

    /// Another learning rate from now on.
    fn set_learning_rate(&mut self, learning_rate: f64);
}

/// [`LearningRate`] for an optimizer with a field `learning_rate`.
macro_rules! learning_rate {
    ($Optimizer:ident) => {
        impl<E> LearningRate for $Optimizer<E> {
            fn learning_rate(&self) -> f64 {
                self.learning_rate
            }

            fn set_learning_rate(&mut self, learning_rate: f64) {
                self.learning_rate = learning_rate;
            }
        }
    };
}
pub(crate) use learning_rate;

/// Room for a number of each parameter: zeros at first, made when the number of parameters is known.
pub(crate) fn state<E: Float>(buffer: &mut Vec<E>, parameters: usize) -> Result<&mut [E], Error> {
    if buffer.is_empty() {
        buffer.resize(parameters, E::zero());
    }
    if buffer.len() != parameters {
        return Err(Error::Optimizer { expected: buffer.len(), given: parameters });
    }
    Ok(buffer)
}
