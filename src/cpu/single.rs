//! Runs a plan for one sample, in memory of its own.

use super::aligned::Aligned;
use super::batch::Chunk;
use super::pass::Shared;
use super::plan::Plan;
use super::pool::available;
use crate::engine::{Architecture, State};
use crate::float::Float;
use crate::storage::Storage;
use std::sync::Arc;

/// A network that is shown one sample at a time. Clones share the plan and the parameters, and have memory of their own.
#[derive(Clone)]
pub(crate) struct Single<E> {
    shared: Arc<Network<E>>,
    data: Vec<E>,
    scratch: Vec<E>,
    threads: usize,
}

/// What clones share.
struct Network<E> {
    plan: Plan<E>,
    parameters: Aligned<E>,
    buffers: Vec<E>,
}

impl<E: Float> Single<E> {
    pub(crate) fn new(network: &Architecture, state: State<E>) -> Self {
        let plan = Plan::new(network);
        let (data, scratch) = (vec![E::zero(); plan.per_sample[0]], vec![E::zero(); plan.scratch]);
        let shared = Network { plan, parameters: Aligned::of(&state.parameters), buffers: state.buffers };
        Single { shared: Arc::new(shared), data, scratch, threads: available() }
    }

    pub(crate) fn set_threads(&mut self, threads: usize) {
        self.threads = threads.max(1);
    }

    /// Writes what a sample becomes, without allocating.
    pub(crate) fn run(&mut self, inputs: &[E], outputs: &mut [E]) {
        let Network { plan, parameters, buffers } = &*self.shared;
        let chunk = Chunk { inputs, samples: 1, begin: 0, room: 1, noise: None };
        let shared =
            Shared { parameters, buffers, known: &[], prepared: &[], batch: None, has_first: true, wants_inputs: false, threads: Some(self.threads) };
        let data = Storage::new(&mut self.data);
        // SAFETY: the data are this function's.
        unsafe {
            plan.forward(0..plan.nodes.len(), shared, &chunk, data, &mut self.scratch);
            outputs.copy_from_slice(plan.value(plan.output, &chunk, data));
        }
    }
}
