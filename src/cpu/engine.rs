//! Runs a plan over a batch.

use super::batch::{Batch, CHUNK, Chunk, PARTS};
use super::pass::{Block, Returning, Shared};
use super::plan::{Node, Plan};
use super::pool::{Pool, available};
use crate::engine::{Architecture, AttentionMap, Engine, Flat, Gradients, Objective, State};
use crate::error::Error;
use crate::float::Float;
use crate::learn::Optimizer;
use crate::noise::Noise;
use core::ops::Range;
use dfdx::prelude::{Backward as _, ReshapeTo, TensorFromVec, Trace};
use dfdx::shapes::HasShape;
use dfdx::tensor::Cpu;
use dfdx::tensor_ops::Device;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// The static lowering on the CPU.
pub struct Static<E> {
    plan: Plan<E>,
    state: State<E>,
    gradients: Vec<E>,
    /// What steps know of the whole batch.
    known: Vec<E>,
    parts: Vec<Mutex<Part<E>>>,
    threads: usize,
}

/// The memory that one part of a batch is computed in; it grows to the largest batch and is then used again and again.
struct Part<E> {
    /// A block for each chunk of samples.
    workspace: Vec<E>,
    scratch: Vec<E>,
    gradients: Vec<E>,
    loss: E,
}

/// A panic in a step leaves numbers behind, and any numbers will do: they are all written before they are read.
fn lock<E>(part: &Mutex<Part<E>>) -> MutexGuard<'_, Part<E>> {
    part.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Steps that a batch goes through together.
struct Segment {
    nodes: Range<usize>,
    /// Whether it is the first; any other begins with a step that looks at the whole batch.
    is_first: bool,
}

/// A chunk, which samples of the batch it has, and its memory.
struct AtWork<'a, 'b, E> {
    samples: Range<usize>,
    chunk: &'a Chunk<'a, E>,
    block: &'a mut Block<'b, E>,
    scratch: &'a mut [E],
    gradients: &'a mut [E],
    loss: &'a mut E,
}

impl<'b, E> AtWork<'_, 'b, E> {
    fn returning(&mut self) -> Returning<'_, 'b, E> {
        Returning { block: self.block, scratch: self.scratch, gradients: self.gradients }
    }
}

impl<E: Float> Static<E>
where
    Cpu: Device<E>,
{
    /// An engine that keeps what each layer writes, to be looked at.
    pub(crate) fn observed(network: Architecture, state: State<E>) -> Self {
        Self::with(Plan::observed(&network), state)
    }

    fn with(plan: Plan<E>, state: State<E>) -> Self {
        let lens = [state.parameters.len(), state.buffers.len()];
        assert_eq!([plan.params, plan.buffers], lens, "the plan and the table of parameters come from one spec");
        let zeros = |numbers: usize| vec![E::zero(); numbers];
        let part = || Part { workspace: Vec::new(), scratch: zeros(plan.scratch), gradients: zeros(plan.params), loss: E::zero() };
        let parts = (0..PARTS).map(|_| Mutex::new(part())).collect();
        let (gradients, known) = (zeros(plan.params), zeros(plan.known));
        Static { plan, state, gradients, known, parts, threads: available() }
    }

    /// Runs `work` for each part of a batch, with memory for `blocks` chunks, on several threads where that pays.
    fn for_each_part(&self, batch: &Batch<'_, E>, blocks: usize, work: &(dyn Fn(usize, &mut Part<E>) + Sync)) {
        Pool::global().run(self.threads, batch.parts(), &|i| {
            let mut part = lock(&self.parts[i]);
            let size = self.plan.block_len() * blocks;
            if part.workspace.len() < size {
                part.workspace.resize(size, E::zero());
            }
            work(i, &mut part);
        });
    }

    /// Runs `work` for each chunk, which finds its memory as it has left it.
    fn for_each_chunk(&self, batch: &Batch<'_, E>, work: &(dyn Fn(AtWork<'_, '_, E>) + Sync)) {
        self.for_each_part(batch, batch.chunks_per_part(), &|i, part| {
            let Part { workspace, scratch, gradients, loss } = part;
            for (samples, memory) in batch.chunks(i).zip(workspace.chunks_exact_mut(self.plan.block_len())) {
                let (chunk, mut block) = (batch.chunk(samples.clone()), self.plan.block(memory));
                work(AtWork { samples, chunk: &chunk, block: &mut block, scratch, gradients, loss });
            }
        });
    }

    /// The outputs of some samples; nothing is kept for a way back.
    fn forward(&self, batch: &Batch<'_, E>, out: &mut [E]) {
        if batch.samples == 0 {
            return;
        }
        let width = out.len() / batch.samples;
        let per_part = (batch.chunks_per_part() * CHUNK * width).max(1);
        let out: Vec<Mutex<&mut [E]>> = out.chunks_mut(per_part).map(Mutex::new).collect();
        let shared = self.shared(batch, &[], false);
        self.for_each_part(batch, 1, &|i, part| {
            let mut out = out[i].lock().unwrap_or_else(PoisonError::into_inner);
            let block = self.plan.block(&mut part.workspace[..self.plan.block_len()]);
            for (samples, out) in batch.chunks(i).zip(out.chunks_mut((CHUNK * width).max(1))) {
                let chunk = batch.chunk(samples);
                self.plan.forward(0..self.plan.nodes.len(), shared, &chunk, block.data, &mut part.scratch);
                out.copy_from_slice(self.plan.output(&chunk, block.data));
            }
        });
    }

    /// The weights of attention of all samples, which steps leave for the way back.
    fn attention(&self, batch: &Batch<'_, E>) -> Vec<AttentionMap<E>> {
        let shown = |node: &&Node<E>| node.step.attention().is_some();
        let mut maps: Vec<AttentionMap<E>> = self.plan.nodes.iter().filter_map(|node| node.step.attention()).map(AttentionMap::empty).collect();
        let shared = self.shared(batch, &[], false);
        let mut part = lock(&self.parts[0]);
        let Part { workspace, scratch, .. } = &mut *part;
        workspace.resize(workspace.len().max(self.plan.block_len()), E::zero());
        let block = self.plan.block(&mut workspace[..self.plan.block_len()]);
        for samples in (0..batch.parts()).flat_map(|i| batch.chunks(i)) {
            let chunk = batch.chunk(samples);
            self.plan.forward(0..self.plan.nodes.len(), shared, &chunk, block.data, scratch);
            for (map, node) in maps.iter_mut().zip(self.plan.nodes.iter().filter(shown)) {
                map.weights.extend_from_slice(&block.data[chunk.place(node.saved.start, node.saved.len())]);
            }
        }
        maps
    }

    fn shared<'a>(&'a self, batch: &Batch<'_, E>, known: &'a [E], wants_inputs: bool) -> Shared<'a, E> {
        let State { parameters, buffers } = &self.state;
        Shared { parameters, buffers, known, batch: batch.noise.map(|_| batch.samples), wants_inputs }
    }

    /// The loss, with the gradients of all parts added up in order.
    fn differentiate(&mut self, batch: &Batch<'_, E>, objective: &dyn Objective<E, Cpu>, wants_inputs: bool) -> Result<E, Error> {
        self.gradients.fill(E::zero());
        if batch.samples == 0 {
            return Ok(E::zero());
        }
        let mut known = core::mem::take(&mut self.known);
        let loss = self.there_and_back(batch, objective, &mut known, wants_inputs);
        self.known = known;
        let taped = loss?;
        let mut loss = E::zero();
        for part in &self.parts[..batch.parts()] {
            let part = lock(part);
            loss += part.loss;
            self.gradients.iter_mut().zip(&part.gradients).for_each(|(sum, &g)| *sum += g);
        }
        Ok(taped.unwrap_or(loss))
    }

    /// All chunks go through a segment, then all through the next, and so back; without steps that look at the whole batch
    /// there is one segment, and each chunk goes there and back while its numbers are still in the cache. Returns the loss
    /// where it was computed on dfdx's tape; otherwise each part has its share.
    fn there_and_back(
        &self,
        batch: &Batch<'_, E>,
        objective: &dyn Objective<E, Cpu>,
        known: &mut [E],
        wants_inputs: bool,
    ) -> Result<Option<E>, Error> {
        let whole = 0..self.plan.nodes.len();
        let segments: &[Range<usize>] = if batch.noise.is_some() { &self.plan.segments } else { core::slice::from_ref(&whole) };
        let last = segments.len() - 1;
        for segment in &segments[..last] {
            let shared = self.shared(batch, known, wants_inputs);
            self.for_each_chunk(batch, &|at| {
                self.plan.forward(segment.clone(), shared, at.chunk, at.block.data, at.scratch);
                self.plan.observe(segment.end, at.chunk, at.block);
            });
            self.merge(batch, segment.end, known);
        }
        let shared = self.shared(batch, known, wants_inputs);
        let taped = self.turn(batch, &Segment { nodes: segments[last].clone(), is_first: last == 0 }, objective, shared)?;
        for (i, nodes) in segments[..last].iter().enumerate().rev() {
            self.merge_back(batch, nodes.end, known);
            let shared = self.shared(batch, known, wants_inputs);
            // The step behind the segment has waited for what is now known.
            let segment = Segment { nodes: nodes.start..nodes.end + 1, is_first: i == 0 };
            self.for_each_chunk(batch, &|at| self.back(&segment, shared, at));
        }
        Ok(taped)
    }

    /// A segment back, but for the step that it begins with if that has to know of the whole batch first.
    fn back(&self, segment: &Segment, shared: Shared<'_, E>, mut at: AtWork<'_, '_, E>) {
        let first = segment.nodes.start;
        if segment.is_first {
            return self.plan.backward(segment.nodes.clone(), shared, at.chunk, at.returning());
        }
        self.plan.backward(first + 1..segment.nodes.end, shared, at.chunk, at.returning());
        self.plan.observe_back(first, shared, at.chunk, at.block);
    }

    /// The last segment forward, the loss, and the segment back.
    fn turn(&self, batch: &Batch<'_, E>, segment: &Segment, objective: &dyn Objective<E, Cpu>, shared: Shared<'_, E>) -> Result<Option<E>, Error> {
        for part in &self.parts[..batch.parts()] {
            let mut part = lock(part);
            part.gradients.fill(E::zero());
            part.loss = E::zero();
        }
        let back = |at: AtWork<'_, '_, E>| {
            self.plan.clear_dead_ends(at.chunk, at.block.grads);
            self.back(segment, shared, at);
        };
        let there = |at: &mut AtWork<'_, '_, E>| self.plan.forward(segment.nodes.clone(), shared, at.chunk, at.block.data, at.scratch);
        if objective.is_fused() {
            self.for_each_chunk(batch, &|mut at| {
                there(&mut at);
                let d_outputs = &mut at.block.grads[self.plan.gradient(self.plan.output, at.chunk)];
                *at.loss += objective.part(at.samples.clone(), self.plan.output(at.chunk, at.block.data), d_outputs);
                back(at);
            });
            return Ok(None);
        }
        self.for_each_chunk(batch, &|mut at| there(&mut at));
        let (loss, d_outputs) = on_tape(objective, self.outputs(batch))?;
        let width = d_outputs.len() / batch.samples;
        self.for_each_chunk(batch, &|at| {
            let place = self.plan.gradient(self.plan.output, at.chunk);
            at.block.grads[place].copy_from_slice(&d_outputs[at.samples.start * width..at.samples.end * width]);
            back(at);
        });
        Ok(Some(loss))
    }

    /// The outputs of all chunks.
    fn outputs(&self, batch: &Batch<'_, E>) -> Vec<E> {
        let mut outputs = Vec::with_capacity(batch.samples * self.plan.values[self.plan.output].numel);
        self.visit(batch, |chunk, block| outputs.extend_from_slice(self.plan.output(chunk, block.data)));
        outputs
    }

    /// Looks at all chunks in order.
    fn visit(&self, batch: &Batch<'_, E>, mut look: impl FnMut(&Chunk<'_, E>, &Block<'_, E>)) {
        for i in 0..batch.parts() {
            let mut part = lock(&self.parts[i]);
            for (samples, memory) in batch.chunks(i).zip(part.workspace.chunks_exact_mut(self.plan.block_len())) {
                look(&batch.chunk(samples), &self.plan.block(memory));
            }
        }
    }

    /// Looks at what a batch has left of a layer, chunk by chunk: its outputs, and the gradient with respect to them.
    pub(crate) fn visit_layer(&self, layer: usize, inputs: &[E], samples: usize, mut look: impl FnMut(&[E], &[E])) {
        let value = self.plan.layers[layer];
        self.visit(&Batch { inputs, samples, noise: None }, |chunk, block| {
            look(self.plan.value(value, chunk, block.data), &block.grads[self.plan.gradient(value, chunk)]);
        });
    }

    /// Merges what all chunks have observed before the step at `node`.
    fn merge(&self, batch: &Batch<'_, E>, node: usize, known: &mut [E]) {
        let (place, mut before) = (self.plan.nodes[node].known.clone(), 0);
        let Some(step) = self.plan.nodes[node].step.whole_batch() else { return };
        self.visit(batch, |chunk, block| {
            step.merge(before, chunk.samples, &block.share[place.clone()], &mut known[place.clone()]);
            before += chunk.samples;
        });
    }

    /// The same on the way back.
    fn merge_back(&self, batch: &Batch<'_, E>, node: usize, known: &mut [E]) {
        let (place, mut first) = (self.plan.nodes[node].known.clone(), true);
        let Some(step) = self.plan.nodes[node].step.whole_batch() else { return };
        self.visit(batch, |_, block| {
            step.merge_back(first, &block.share[place.clone()], &mut known[place.clone()]);
            first = false;
        });
    }

    /// Takes what steps know of the batch into their buffers.
    fn remember(&mut self, samples: usize) {
        for node in self.plan.nodes.iter().filter(|node| !node.known.is_empty()) {
            if let Some(step) = node.step.whole_batch() {
                step.remember(samples, &self.known[node.known.clone()], &mut self.state.buffers[node.buffers.clone()]);
            }
        }
    }
}

/// The numbers of a tensor.
fn numbers<E: Float>(tensor: Flat<E, Cpu>) -> Result<Vec<E>, Error>
where
    Cpu: Device<E>,
{
    let mut numbers = vec![E::zero(); tensor.shape().0];
    tensor.try_contiguous().map_err(Error::device("reading the inputs"))?.copy_into(&mut numbers);
    Ok(numbers)
}

/// The loss of some outputs on dfdx's tape, and its gradient with respect to them.
fn on_tape<E: Float>(objective: &dyn Objective<E, Cpu>, outputs: Vec<E>) -> Result<(E, Vec<E>), Error>
where
    Cpu: Device<E>,
{
    let mut d_outputs = vec![E::zero(); outputs.len()];
    let shape = (outputs.len(),);
    let outputs = Cpu::default().try_tensor_from_vec(outputs, shape).map_err(Error::device("making a tensor of the outputs"))?;
    let loss = objective.taped(outputs.leaky_trace()).map_err(Error::device("computing the loss"))?;
    let value = loss.as_vec()[0];
    let mut gradients = loss.try_backward().map_err(Error::device("differentiating the loss"))?;
    gradients.try_alloc_for(&outputs).map_err(Error::device("differentiating the loss"))?;
    gradients.get(&outputs).copy_into(&mut d_outputs);
    Ok((value, d_outputs))
}

/// For each number type by name, so that the engine is compiled here, once, and not again in every crate with a model.
macro_rules! engine {
    ($E:ident) => {
        impl Engine<$E, Cpu> for Static<$E> {
            fn new(_: &Cpu, network: Architecture, state: State<$E>) -> Result<Self, Error> {
                Ok(Self::with(Plan::new(&network), state))
            }

            fn parameters(&self) -> Vec<$E> {
                self.state.parameters.clone()
            }

            fn set_parameters(&mut self, parameters: &[$E]) -> Result<(), Error> {
                self.state.parameters.copy_from_slice(parameters);
                Ok(())
            }

            fn buffers(&self) -> Vec<$E> {
                self.state.buffers.clone()
            }

            fn set_buffers(&mut self, buffers: &[$E]) -> Result<(), Error> {
                self.state.buffers.copy_from_slice(buffers);
                Ok(())
            }

            fn infer(&self, inputs: Flat<$E, Cpu>, samples: usize) -> Result<Flat<$E, Cpu>, Error> {
                let device = inputs.device().clone();
                let numbers = numbers(inputs)?;
                let mut outputs = vec![0.0; samples * self.plan.values[self.plan.output].numel];
                self.forward(&Batch { inputs: &numbers, samples, noise: None }, &mut outputs);
                let shape = (outputs.len(),);
                device.try_tensor_from_vec(outputs, shape).map_err(Error::device("making a tensor of the outputs"))
            }

            fn attention(&self, inputs: Flat<$E, Cpu>, samples: usize) -> Result<Vec<AttentionMap<$E>>, Error> {
                Ok(self.attention(&Batch { inputs: &numbers(inputs)?, samples, noise: None }))
            }

            fn train(
                &mut self,
                inputs: &[$E],
                samples: usize,
                noise: Option<Noise>,
                objective: &dyn Objective<$E, Cpu>,
                optimizer: &mut dyn Optimizer<$E>,
            ) -> Result<$E, Error> {
                let loss = self.differentiate(&Batch { inputs, samples, noise }, objective, false)?;
                optimizer.update(&mut self.state.parameters, &self.gradients)?;
                if noise.is_some() {
                    self.remember(samples);
                }
                Ok(loss)
            }

            fn gradients(
                &mut self,
                inputs: &[$E],
                samples: usize,
                noise: Option<Noise>,
                objective: &dyn Objective<$E, Cpu>,
            ) -> Result<Gradients<$E>, Error> {
                let batch = Batch { inputs, samples, noise };
                let loss = self.differentiate(&batch, objective, true)?;
                let mut d_inputs = Vec::with_capacity(inputs.len());
                self.visit(&batch, |chunk, block| d_inputs.extend_from_slice(&block.grads[self.plan.gradient(0, chunk)]));
                Ok(Gradients { loss, inputs: d_inputs, parameters: self.gradients.clone() })
            }

            fn set_threads(&mut self, threads: usize) {
                self.threads = threads.max(1);
            }
        }
    };
}
engine!(f32);
engine!(f64);
