//! The way of one chunk through the steps of a plan, forward and back.

use super::batch::Chunk;
use super::plan::{Node, Plan};
use super::steps::{Backward, Forward, Gradient, Known, MAX_INPUTS, Observed};
use crate::float::Float;
use crate::storage::Storage;
use core::ops::Range;

/// The numbers that all chunks of a batch share.
#[derive(Clone, Copy)]
pub(super) struct Shared<'a, E> {
    pub parameters: &'a [E],
    pub buffers: &'a [E],
    /// What steps know of the whole batch.
    pub known: &'a [E],
    /// What steps have made of their parameters before it; empty if they have made nothing.
    pub prepared: &'a [E],
    /// How many samples the batch has, when the network is being trained: then those steps go by it.
    pub batch: Option<usize>,
    /// Whether the first of the samples here are the first of those.
    pub has_first: bool,
    /// Whether the gradient with respect to the inputs is wanted.
    pub wants_inputs: bool,
    /// How many threads each step may use, if there is but one chunk.
    pub threads: Option<usize>,
}

impl<'a, E> Shared<'a, E> {
    fn prepared(&self, node: &Node<E>) -> &'a [E] {
        if self.prepared.is_empty() { &[] } else { &self.prepared[node.prepared.clone()] }
    }

    fn known(&self, node: &Node<E>, chunk: &Chunk<'_, E>) -> Option<Known<'a, E>> {
        let samples = self.batch.filter(|_| !node.known.is_empty())?;
        Some(Known { samples, numbers: &self.known[node.known.clone()], is_first: self.has_first && chunk.begin == 0 })
    }
}

/// The memory of a batch: values and what steps leave for the way back; gradients of the values. A chunk is one thread's, and so
/// are the places of its samples.
#[derive(Clone, Copy)]
pub(super) struct Memory<'a, E> {
    pub data: Storage<'a, E>,
    pub grads: Storage<'a, E>,
}

impl<E: Float> Plan<E> {
    /// Some steps, forward.
    ///
    /// # Safety
    /// Nobody else has the chunk's places in `data`.
    pub unsafe fn forward(&self, nodes: Range<usize>, shared: Shared<'_, E>, chunk: &Chunk<'_, E>, data: Storage<'_, E>, scratch: &mut [E]) {
        for node in &self.nodes[nodes] {
            let output = &self.values[node.output];
            // SAFETY: the places are the chunk's, and the step's inputs, its output and what it leaves have places of their own.
            let (inputs, output, saved) = unsafe {
                let output = data.write(chunk.place(output.data.unwrap_or(0), output.numel));
                (self.inputs(node, chunk, data), output, data.write(chunk.place(node.saved.start, node.saved.len())))
            };
            node.step.forward(Forward {
                samples: chunk.samples,
                inputs,
                params: &shared.parameters[node.params.clone()],
                prepared: shared.prepared(node),
                buffers: &shared.buffers[node.buffers.clone()],
                output,
                saved,
                scratch,
                noise: chunk.noise.map(|(noise, first)| (noise.split(node.stream), first)),
                batch: shared.known(node, chunk),
                threads: shared.threads,
            });
        }
    }

    /// What a step reads, from the values that are there.
    ///
    /// # Safety
    /// Nobody writes the chunk's places of these values.
    unsafe fn inputs<'a>(&self, node: &Node<E>, chunk: &Chunk<'a, E>, data: Storage<'a, E>) -> [&'a [E]; MAX_INPUTS] {
        let mut inputs: [&[E]; MAX_INPUTS] = [&[]; MAX_INPUTS];
        for (slot, input) in inputs.iter_mut().zip(&node.inputs) {
            // SAFETY: the caller's contract.
            *slot = unsafe { self.value(input.value, chunk, data) };
        }
        inputs
    }

    /// The numbers of a value.
    ///
    /// # Safety
    /// Nobody writes the chunk's places of this value.
    pub unsafe fn value<'a>(&self, value: usize, chunk: &Chunk<'a, E>, data: Storage<'a, E>) -> &'a [E] {
        let buffer = &self.values[value];
        match buffer.data {
            // SAFETY: the caller's contract.
            Some(at) => unsafe { data.read(chunk.place(at, buffer.numel)) },
            None => chunk.inputs,
        }
    }

    /// The place for a value's gradient.
    pub fn gradient(&self, value: usize, chunk: &Chunk<'_, E>) -> Range<usize> {
        let buffer = &self.values[value];
        chunk.place(buffer.grad, buffer.numel)
    }

    /// Clears what nobody writes and somebody reads.
    ///
    /// # Safety
    /// Nobody else has the chunk's places in `grads`.
    pub unsafe fn clear_dead_ends(&self, chunk: &Chunk<'_, E>, grads: Storage<'_, E>) {
        for &value in &self.dead_ends {
            // SAFETY: the caller's contract.
            unsafe { grads.write(self.gradient(value, chunk)) }.fill(E::zero());
        }
    }

    /// Some steps, back; `gradients` are the sums of the gradients of the parameters.
    ///
    /// # Safety
    /// Nobody else has the chunk's places in the memory.
    pub unsafe fn backward(
        &self,
        nodes: Range<usize>,
        shared: Shared<'_, E>,
        chunk: &Chunk<'_, E>,
        memory: Memory<'_, E>,
        [scratch, gradients]: [&mut [E]; 2],
    ) {
        for node in self.nodes[nodes].iter().rev() {
            let output = &self.values[node.output];
            // SAFETY: the places are the chunk's, values have places of their own, and none of `data` is written now.
            let (inputs, output, saved, d_output, d_inputs) = unsafe {
                let output = memory.data.read(chunk.place(output.data.unwrap_or(0), output.numel));
                let saved = memory.data.read(chunk.place(node.saved.start, node.saved.len()));
                let d_output = memory.grads.read(self.gradient(node.output, chunk));
                (self.inputs(node, chunk, memory.data), output, saved, d_output, self.d_inputs(node, shared, chunk, memory.grads))
            };
            node.step.backward(Backward {
                samples: chunk.samples,
                input: inputs[0],
                inputs,
                output,
                d_output,
                params: &shared.parameters[node.params.clone()],
                prepared: shared.prepared(node),
                buffers: &shared.buffers[node.buffers.clone()],
                d_params: if node.is_deferred { &mut [] } else { &mut gradients[node.params.clone()] },
                d_inputs,
                saved,
                scratch,
                noise: chunk.noise.map(|(noise, first)| (noise.split(node.stream), first)),
                batch: shared.known(node, chunk),
                threads: shared.threads,
            });
        }
    }

    /// The gradients of a step's inputs that are wanted.
    ///
    /// # Safety
    /// Nobody else has the chunk's places of these gradients.
    unsafe fn d_inputs<'a>(
        &self,
        node: &Node<E>,
        shared: Shared<'_, E>,
        chunk: &Chunk<'_, E>,
        grads: Storage<'a, E>,
    ) -> [Option<Gradient<'a, E>>; MAX_INPUTS] {
        core::array::from_fn(|i| {
            let input = node.inputs.get(i).filter(|input| shared.wants_inputs || input.value > 0)?;
            // SAFETY: the caller's contract, and a step's inputs are values of their own.
            Some(Gradient { to: unsafe { grads.write(self.gradient(input.value, chunk)) }, add: input.add })
        })
    }

    /// Writes a chunk's share in what the step at `node` has to know of the whole batch, before it goes forward.
    ///
    /// # Safety
    /// Nobody writes the chunk's places in `data`.
    pub unsafe fn observe(&self, node: usize, chunk: &Chunk<'_, E>, data: Storage<'_, E>, share: &mut [E]) {
        let node = &self.nodes[node];
        let Some(step) = node.step.whole_batch() else { return };
        // SAFETY: the caller's contract.
        let [input, ..] = unsafe { self.inputs(node, chunk, data) };
        step.observe(chunk.samples, input, &mut share[node.known.clone()]);
    }

    /// The same before it goes back.
    ///
    /// # Safety
    /// Nobody writes the chunk's places in the memory.
    pub unsafe fn observe_back(&self, node: usize, shared: Shared<'_, E>, chunk: &Chunk<'_, E>, memory: Memory<'_, E>, share: &mut [E]) {
        let node = &self.nodes[node];
        let (Some(step), Some(batch)) = (node.step.whole_batch(), shared.known(node, chunk)) else { return };
        // SAFETY: the caller's contract.
        let ([input, ..], d_output) = unsafe { (self.inputs(node, chunk, memory.data), memory.grads.read(self.gradient(node.output, chunk))) };
        step.observe_back(Observed { input, d_output, batch }, &mut share[node.known.clone()]);
    }
}
