//! Runs a plan position by position.

use super::batch::Chunk;
use super::pass::Shared;
use super::plan::Plan;
use crate::engine::{Architecture, State};
use crate::float::Float;
use crate::storage::Storage;

/// A network that is shown a sequence position by position, with what it carries from one to the next.
pub(crate) struct Streaming<E> {
    plan: Plan<E>,
    state: State<E>,
    data: Vec<E>,
    scratch: Vec<E>,
}

impl<E: Float> Streaming<E> {
    pub(crate) fn new(network: &Architecture, state: State<E>) -> Self {
        let plan = Plan::streaming(network);
        let (data, scratch) = (vec![E::zero(); plan.per_sample[0]], vec![E::zero(); plan.scratch]);
        Streaming { plan, state, data, scratch }
    }

    /// Forgets all positions.
    pub(crate) fn reset(&mut self) {
        self.data.fill(E::zero());
    }

    /// Shows the next position, and returns what it becomes.
    pub(crate) fn next(&mut self, inputs: &[E]) -> &[E] {
        let chunk = Chunk { inputs, samples: 1, begin: 0, room: 1, noise: None };
        let State { parameters, buffers } = &self.state;
        let shared = Shared { parameters, buffers, known: &[], prepared: &[], batch: None, has_first: true, wants_inputs: false, threads: None };
        // SAFETY: the data are this function's.
        unsafe { self.plan.forward(0..self.plan.nodes.len(), shared, &chunk, Storage::new(&mut self.data), &mut self.scratch) };
        for carried in &self.plan.carried {
            let [from, to] = [carried.from, carried.to].map(|value| {
                let buffer = &self.plan.values[value];
                chunk.place(buffer.data.unwrap_or(0), buffer.numel)
            });
            self.data.copy_within(from, to.start);
        }
        let output = &self.plan.values[self.plan.output];
        &self.data[chunk.place(output.data.unwrap_or(0), output.numel)]
    }
}
