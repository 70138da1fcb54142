//! A batch there and back.

use super::batch::{Batch, SHARED};
use super::engine::{AtWork, InMemory, Static, lock};
use super::pass::Shared;
use super::pieces::in_pieces;
use super::together::Meanwhile;
use super::whole_batch::Way;
use crate::engine::{ByParts, Objective, on_tape};
use crate::error::Error;
use crate::float::Float;
use crate::group::{Ranks, Share};
use crate::storage::Storage;
use core::ops::Range;
use dfdx::tensor::Cpu;
use dfdx::tensor_ops::Device;

/// Steps that a batch goes through together.
struct Segment {
    nodes: Range<usize>,
    /// Whether it is the first; any other begins with a step that looks at the whole batch.
    is_first: bool,
}

impl<E: Float> Static<E>
where
    Cpu: Device<E>,
{
    /// All chunks there and back; returns the loss. What is left is in the workspace, and in the parts.
    pub(super) fn differentiate(
        &mut self,
        batch: &Batch<'_, E>,
        share: &Share<'_>,
        objective: Objective<'_, E, Cpu>,
        wants_inputs: bool,
    ) -> Result<E, Error> {
        let loss = self.there(batch, share, objective, wants_inputs)?;
        (0..self.ahead(batch)).rev().for_each(|i| self.back_through(batch, share, i, wants_inputs, None));
        Ok(loss)
    }

    /// The same with ranks that have the other samples of the batch; the gradients are summed over all, and so is the loss. Parts of
    /// them are summed while others are computed.
    pub(super) fn differentiate_together(
        &mut self,
        batch: &Batch<'_, E>,
        share: &Share<'_>,
        ranks: Ranks<'_>,
        objective: Objective<'_, E, Cpu>,
    ) -> Result<E, Error> {
        let loss = self.there(batch, share, objective, false)?;
        let (mut gradients, parts) = (core::mem::take(&mut self.gradients), core::mem::take(&mut self.plan.gradients));
        let mut ahead = self.ahead(batch);
        let begins: Vec<usize> = parts.iter().map(|part| part.begin).collect();
        let loss = ranks.sum(&mut gradients, loss, &begins, &mut |i, gradients, go_on| {
            let (part, meanwhile) = (&parts[i], Some(Meanwhile::new(go_on)));
            while ahead > part.segment {
                ahead -= 1;
                self.back_through(batch, share, ahead, false, meanwhile);
            }
            self.collect_part(batch, part, gradients, meanwhile);
        });
        (self.gradients, self.plan.gradients) = (gradients, parts);
        Ok(loss)
    }

    /// Whether a batch has many chunks that read what steps have made of the parameters.
    pub(super) fn is_prepared(&self, batch: &Batch<'_, E>) -> bool {
        self.plan.prepared > 0 && !batch.is_shared_out && batch.chunks() > 1
    }

    /// Makes it.
    fn prepare(&mut self, batch: &Batch<'_, E>, wants_inputs: bool) {
        if self.is_prepared(batch) {
            self.prepared.grow(self.plan.prepared);
            self.plan.prepare(self.threads, &self.parameters, wants_inputs, &mut self.prepared);
        }
    }

    /// How many segments a batch goes through before the last one.
    fn ahead(&self, batch: &Batch<'_, E>) -> usize {
        batch.noise.map_or(0, |_| self.plan.segments.len() - 1)
    }

    /// All chunks go through a segment, then all through the next; the last segment they go through there and back, each while its
    /// numbers are still in the cache. Without steps that look at the whole batch there is no other. Returns the loss.
    fn there(&mut self, batch: &Batch<'_, E>, share: &Share<'_>, objective: Objective<'_, E, Cpu>, wants_inputs: bool) -> Result<E, Error> {
        let [data, grads] = self.plan.per_sample;
        self.workspace.data.grow(batch.samples * data);
        self.workspace.grads.grow(batch.samples * grads);
        // A smaller batch may have more chunks, but no more than samples.
        self.workspace.shares.grow(batch.samples * self.plan.known);
        self.prepare(batch, wants_inputs);
        let taped = self.in_memory(batch, |engine, at, known| {
            let ahead = &engine.plan.segments[..engine.ahead(batch)];
            for segment in ahead {
                let shared = engine.shared_of(batch, share, known, wants_inputs);
                // SAFETY: a chunk is one thread's.
                engine.for_each_chunk(at, &|at| unsafe {
                    engine.plan.forward(segment.clone(), shared, &at.chunk, at.memory.data, at.scratch);
                    engine.plan.observe(segment.end, &at.chunk, at.memory.data, at.share);
                });
                engine.merge(at, share, segment.end, Way::Forward, known);
            }
            let shared = engine.shared_of(batch, share, known, wants_inputs);
            let nodes = ahead.last().map_or(0, |segment| segment.end)..engine.plan.nodes.len();
            engine.turn(at, &Segment { nodes, is_first: ahead.is_empty() }, objective, shared)
        });
        let of_parts = self.parts[..batch.parts()].iter().fold(E::zero(), |sum, part| sum + lock(part).loss);
        Ok(taped?.unwrap_or(of_parts))
    }

    /// All chunks back through a segment, when they have gone back through those behind it.
    fn back_through(&mut self, batch: &Batch<'_, E>, share: &Share<'_>, segment: usize, wants_inputs: bool, meanwhile: Option<Meanwhile<'_>>) {
        self.in_memory(batch, |engine, at, known| {
            let nodes = engine.plan.segments[segment].clone();
            engine.merge(at, share, nodes.end, Way::Back, known);
            let shared = engine.shared_of(batch, share, known, wants_inputs);
            // The step behind the segment has waited for what is now known.
            let segment = Segment { nodes: nodes.start..nodes.end + 1, is_first: segment == 0 };
            engine.for_each_chunk(InMemory { meanwhile, ..at }, &|at| engine.back(&segment, shared, at));
        });
    }

    /// A segment back, but for the step that it begins with if that has to know of the whole batch first.
    fn back(&self, segment: &Segment, shared: Shared<'_, E>, at: AtWork<'_, E>) {
        let nodes = segment.nodes.start + usize::from(!segment.is_first)..segment.nodes.end;
        // SAFETY: a chunk is one thread's.
        unsafe {
            self.plan.backward(nodes, shared, &at.chunk, at.memory, [at.scratch, at.gradients]);
            if !segment.is_first {
                self.plan.observe_back(segment.nodes.start, shared, &at.chunk, at.memory, at.share);
            }
        }
    }

    /// The last segment forward, the loss, and the segment back.
    fn turn(&self, at: InMemory<'_, E>, segment: &Segment, objective: Objective<'_, E, Cpu>, shared: Shared<'_, E>) -> Result<Option<E>, Error> {
        let output = self.plan.output;
        for part in &self.parts[..at.batch.parts()] {
            let part = &mut *lock(part);
            self.plan.blocks.iter().filter(|block| block.node.is_none()).for_each(|block| part.gradients[block.params.clone()].fill(E::zero()));
            part.loss = E::zero();
        }
        match objective {
            Objective::ByParts(objective) => {
                // SAFETY: a chunk is one thread's, and the gradient of the output has a place of its own.
                self.for_each_chunk(at, &|at| unsafe {
                    self.plan.forward(segment.nodes.clone(), shared, &at.chunk, at.memory.data, at.scratch);
                    let d_outputs = at.memory.grads.write(self.plan.gradient(output, &at.chunk));
                    let outputs = self.plan.value(output, &at.chunk, at.memory.data);
                    *at.loss += self.loss(objective, at.samples.clone(), (outputs, d_outputs), shared.threads);
                    self.plan.clear_dead_ends(&at.chunk, at.memory.grads);
                    self.back(segment, shared, at);
                });
                Ok(None)
            }
            Objective::OnTape(objective) => {
                // SAFETY: as above.
                self.for_each_chunk(at, &|at| unsafe { self.plan.forward(segment.nodes.clone(), shared, &at.chunk, at.memory.data, at.scratch) });
                // SAFETY: no thread is at work.
                let outputs = unsafe { self.whole(at, output).0 };
                let (loss, d_outputs) = on_tape(objective, &Cpu::default(), outputs.to_vec())?;
                let width = d_outputs.len() / at.batch.samples;
                // SAFETY: as above.
                self.for_each_chunk(at, &|at| unsafe {
                    let to = at.memory.grads.write(self.plan.gradient(output, &at.chunk));
                    to.copy_from_slice(&d_outputs[at.samples.start * width..at.samples.end * width]);
                    self.plan.clear_dead_ends(&at.chunk, at.memory.grads);
                    self.back(segment, shared, at);
                });
                Ok(Some(loss))
            }
        }
    }

    /// The share of a chunk's samples in the loss, and its gradient.
    fn loss(&self, objective: &dyn ByParts<E>, samples: Range<usize>, (outputs, d_outputs): (&[E], &mut [E]), threads: Option<usize>) -> E {
        /// How many samples are worth waking a thread.
        const PIECE: usize = 64;
        let (count, mut losses) = (samples.len(), [E::zero(); SHARED / PIECE]);
        let Some(threads) = threads.filter(|_| count > PIECE && count <= SHARED) else { return objective.part(samples, outputs, d_outputs) };
        let (width, of_pieces) = (outputs.len() / count, Storage::new(&mut losses));
        in_pieces(threads, d_outputs, PIECE * width, &|begin, d_outputs| {
            let (first, outputs) = (begin / width, &outputs[begin..begin + d_outputs.len()]);
            let samples = samples.start + first..samples.start + first + outputs.len() / width;
            // SAFETY: each piece has one of them.
            let loss = unsafe { of_pieces.write(first / PIECE..first / PIECE + 1) };
            loss[0] = objective.part(samples, outputs, d_outputs);
        });
        losses.into_iter().fold(E::zero(), |sum, loss| sum + loss)
    }

    /// The share of each chunk in what the step at `node` has to know, in order, and how many samples it is of.
    fn shares_of<'a>(&self, at: InMemory<'a, E>, node: usize) -> impl Iterator<Item = (usize, &'a [E])> {
        let (place, width) = (self.plan.nodes[node].known.clone(), self.plan.known);
        (0..at.batch.chunks()).map(move |chunk| {
            let begin = chunk * width;
            // SAFETY: no thread is at work.
            (at.batch.samples_of(chunk).len(), unsafe { at.shares.read(begin + place.start..begin + place.end) })
        })
    }

    /// Merges what all chunks have observed of what the step at `node` has to know, and what all ranks have.
    fn merge(&self, at: InMemory<'_, E>, share: &Share<'_>, node: usize, way: Way, known: &mut [E]) {
        self.plan.merge(node, way, self.shares_of(at, node), known);
        self.plan.merge_ranks(node, way, share, known);
    }
}
