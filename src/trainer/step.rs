//! What is known of a run after each batch.

use core::ops::ControlFlow;

/// One step of a run: what the function given to [`Trainer::on_batch`](super::Trainer::on_batch) is shown.
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub struct Step {
    /// Which epoch it belongs to, counted from 1.
    pub epoch: u64,
    /// Which batch of its epoch it was made with, counted from 1.
    pub batch: u64,
    /// How many batches an epoch has.
    pub batches: u64,
    /// How many batches the model has learned from, this one included: the number that a checkpoint saved here has in its name.
    pub step: u64,
    /// How many samples the batch has.
    pub samples: usize,
    /// The loss of the batch, before the step.
    pub loss: f64,
    /// The learning rate of the step, if the optimizer says it.
    pub learning_rate: Option<f64>,
}

/// A function that is shown each step, and can end the run.
pub(super) type OnBatch<'a> = Box<dyn FnMut(&Step) -> ControlFlow<()> + 'a>;
