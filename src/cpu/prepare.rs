//! What steps make of their parameters before a batch of many chunks, so that each chunk reads them faster.

use super::plan::Plan;
use super::pool::Pool;
use crate::float::Float;
use crate::storage::Storage;

/// How many numbers are worth waking a thread.
const WORTH: usize = 1 << 15;

impl<E: Float> Plan<E> {
    /// Makes them all, with `wants_inputs` also those for the gradient with respect to the network's inputs.
    pub fn prepare(&self, threads: usize, parameters: &[E], wants_inputs: bool, prepared: &mut [E]) {
        let (threads, prepared) = (if self.prepared < WORTH { 1 } else { threads }, Storage::new(prepared));
        Pool::global().run(threads, self.nodes.len(), &|_, i| {
            let node = &self.nodes[i];
            let goes_back = wants_inputs || node.inputs.iter().any(|input| input.value > 0);
            // SAFETY: each step has its own.
            node.step.prepare(&parameters[node.params.clone()], goes_back, unsafe { prepared.write(node.prepared.clone()) });
        });
    }
}
