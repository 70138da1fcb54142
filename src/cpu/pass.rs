//! The way of one chunk through the steps of a plan, forward and back.

use super::batch::{CHUNK, Chunk};
use super::plan::{Node, Plan};
use super::steps::{Backward, Forward, Gradient, Known, MAX_INPUTS, Observed};
use crate::float::Float;
use core::ops::Range;

/// The numbers that all chunks of a batch share.
#[derive(Clone, Copy)]
pub(super) struct Shared<'a, E> {
    pub parameters: &'a [E],
    pub buffers: &'a [E],
    /// What steps know of the whole batch.
    pub known: &'a [E],
    /// How many samples the batch has, when the network is being trained: then those steps go by it.
    pub batch: Option<usize>,
    /// Whether the gradient with respect to the inputs is wanted.
    pub wants_inputs: bool,
}

impl<'a, E> Shared<'a, E> {
    fn known(&self, node: &Node<E>) -> Option<Known<'a, E>> {
        let samples = self.batch.filter(|_| !node.known.is_empty())?;
        Some(Known { samples, numbers: &self.known[node.known.clone()] })
    }
}

/// The memory of a chunk: values and what steps leave for the way back; gradients of the values; its share in what steps
/// know of the whole batch.
pub(super) struct Block<'a, E> {
    pub data: &'a mut [E],
    pub grads: &'a mut [E],
    pub share: &'a mut [E],
}

impl<E: Float> Plan<E> {
    /// How many numbers a [`Block`] has.
    pub fn block_len(&self) -> usize {
        CHUNK * (self.per_sample[0] + self.per_sample[1]) + self.known
    }

    pub fn block<'a>(&self, memory: &'a mut [E]) -> Block<'a, E> {
        let (data, rest) = memory.split_at_mut(CHUNK * self.per_sample[0]);
        let (grads, share) = rest.split_at_mut(CHUNK * self.per_sample[1]);
        Block { data, grads, share }
    }

    /// Some steps, forward.
    pub fn forward(&self, nodes: Range<usize>, shared: Shared<'_, E>, chunk: &Chunk<'_, E>, data: &mut [E], scratch: &mut [E]) {
        for node in &self.nodes[nodes] {
            let output = &self.values[node.output];
            let place = chunk.place(output.data.unwrap_or(0), output.numel);
            let saved = chunk.place(node.saved.start, node.saved.len());
            // Values lie in the order in which they are made, so all that a step reads is before what it writes; behind all
            // values is what is left for the way back.
            let (before, rest) = data.split_at_mut(place.start);
            let (output, left) = rest.split_at_mut(place.len());
            node.step.forward(Forward {
                samples: chunk.samples,
                inputs: self.inputs(node, chunk, before),
                params: &shared.parameters[node.params.clone()],
                buffers: &shared.buffers[node.buffers.clone()],
                output,
                saved: if saved.is_empty() { &mut [] } else { &mut left[saved.start - place.end..][..saved.len()] },
                scratch,
                noise: chunk.noise.map(|(noise, first)| (noise.split(node.stream), first)),
                batch: shared.known(node),
            });
        }
    }

    /// What a step reads, from the values that are there.
    fn inputs<'a>(&self, node: &Node<E>, chunk: &Chunk<'a, E>, data: &'a [E]) -> [&'a [E]; MAX_INPUTS] {
        let mut inputs: [&[E]; MAX_INPUTS] = [&[]; MAX_INPUTS];
        for (slot, input) in inputs.iter_mut().zip(&node.inputs) {
            *slot = self.value(input.value, chunk, data);
        }
        inputs
    }

    /// The numbers of a value.
    pub fn value<'a>(&self, value: usize, chunk: &Chunk<'a, E>, data: &'a [E]) -> &'a [E] {
        let buffer = &self.values[value];
        match buffer.data {
            Some(at) => &data[chunk.place(at, buffer.numel)],
            None => chunk.inputs,
        }
    }

    /// The output of the network.
    pub fn output<'a>(&self, chunk: &Chunk<'a, E>, data: &'a [E]) -> &'a [E] {
        self.value(self.output, chunk, data)
    }

    /// The place for a value's gradient.
    pub fn gradient(&self, value: usize, chunk: &Chunk<'_, E>) -> Range<usize> {
        let buffer = &self.values[value];
        chunk.place(buffer.grad, buffer.numel)
    }

    /// Clears what nobody writes and somebody reads.
    pub fn clear_dead_ends(&self, chunk: &Chunk<'_, E>, grads: &mut [E]) {
        for &value in &self.dead_ends {
            grads[self.gradient(value, chunk)].fill(E::zero());
        }
    }

    /// Some steps, back.
    pub fn backward(&self, nodes: Range<usize>, shared: Shared<'_, E>, chunk: &Chunk<'_, E>, memory: Returning<'_, '_, E>) {
        for node in self.nodes[nodes].iter().rev() {
            let output = &self.values[node.output];
            let data = &*memory.block.data;
            let inputs = self.inputs(node, chunk, data);
            let (d_output, d_inputs) = self.gradients(node, shared, chunk, memory.block.grads);
            node.step.backward(Backward {
                samples: chunk.samples,
                input: inputs[0],
                inputs,
                output: &data[chunk.place(output.data.unwrap_or(0), output.numel)],
                d_output,
                params: &shared.parameters[node.params.clone()],
                buffers: &shared.buffers[node.buffers.clone()],
                d_params: &mut memory.gradients[node.params.clone()],
                d_inputs,
                saved: &data[chunk.place(node.saved.start, node.saved.len())],
                scratch: memory.scratch,
                noise: chunk.noise.map(|(noise, first)| (noise.split(node.stream), first)),
                batch: shared.known(node),
            });
        }
    }

    /// The gradient of a step's output, and those of its inputs that are wanted.
    fn gradients<'a>(
        &self,
        node: &Node<E>,
        shared: Shared<'_, E>,
        chunk: &Chunk<'_, E>,
        grads: &'a mut [E],
    ) -> (&'a [E], [Option<Gradient<'a, E>>; MAX_INPUTS]) {
        let wanted = |i: usize| node.inputs.get(i).filter(|input| shared.wants_inputs || input.value > 0);
        let mut places: [Range<usize>; MAX_INPUTS + 1] = core::array::from_fn(|i| wanted(i).map_or(0..0, |input| self.gradient(input.value, chunk)));
        places[MAX_INPUTS] = self.gradient(node.output, chunk);
        let Ok(slices) = grads.get_disjoint_mut(places) else { unreachable!("values have places of their own") };
        let mut slices = slices.into_iter();
        let d_inputs = core::array::from_fn(|i| slices.next().and_then(|to| wanted(i).map(|input| Gradient { to, add: input.add })));
        let d_output: &'a [E] = slices.next().map_or(&[], |d_output| d_output);
        (d_output, d_inputs)
    }

    /// Writes a chunk's share in what the step at `node` has to know of the whole batch, before it goes forward.
    pub fn observe(&self, node: usize, chunk: &Chunk<'_, E>, block: &mut Block<'_, E>) {
        let node = &self.nodes[node];
        let Some(step) = node.step.whole_batch() else { return };
        let [input, ..] = self.inputs(node, chunk, block.data);
        step.observe(chunk.samples, input, &mut block.share[node.known.clone()]);
    }

    /// The same before it goes back.
    pub fn observe_back(&self, node: usize, shared: Shared<'_, E>, chunk: &Chunk<'_, E>, block: &mut Block<'_, E>) {
        let node = &self.nodes[node];
        let (Some(step), Some(batch)) = (node.step.whole_batch(), shared.known(node)) else { return };
        let [input, ..] = self.inputs(node, chunk, block.data);
        let d_output = &block.grads[self.gradient(node.output, chunk)];
        step.observe_back(Observed { input, d_output, batch }, &mut block.share[node.known.clone()]);
    }
}

/// The memory that a chunk needs on the way back.
pub(super) struct Returning<'a, 'b, E> {
    pub block: &'a mut Block<'b, E>,
    pub scratch: &'a mut [E],
    /// The sums of the gradients of the parameters.
    pub gradients: &'a mut [E],
}
