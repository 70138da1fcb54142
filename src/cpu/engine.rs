//! Runs a plan over a batch.

use super::aligned::Aligned;
use super::batch::{Batch, Chunk, PARTS, SHARED};
use super::pass::{Memory, Shared};
use super::pieces::in_pieces;
use super::plan::{Block, Node, Plan};
use super::pool::{Pool, available};
use super::steps::Deferred;
use super::together::{GradientPart, Meanwhile};
use super::whole_batch::Way;
use crate::engine::{Architecture, AttentionMap, ByParts, Engine, Flat, Gradients, Objective, OnTape, State};
use crate::error::Error;
use crate::float::{Float, OnDemand};
use crate::group::{Ranks, Share};
use crate::learn::{Changes, Optimizer, Pass};
use crate::noise::Noise;
use crate::statistics::Statistics;
use crate::storage::Storage;
use core::ops::Range;
use dfdx::prelude::{Backward as _, ReshapeTo, TensorFromVec, Trace};
use dfdx::shapes::HasShape;
use dfdx::tensor::Cpu;
use dfdx::tensor_ops::Device;
use std::sync::{Mutex, MutexGuard, PoisonError, TryLockError};

/// The static lowering on the CPU.
pub struct Static<E> {
    plan: Plan<E>,
    parameters: Aligned<E>,
    buffers: Vec<E>,
    gradients: Vec<E>,
    /// What steps know of the whole batch.
    known: Vec<E>,
    /// What steps have made of the parameters, in training.
    prepared: Aligned<E>,
    workspace: Workspace<E>,
    /// Where the inputs of a tensor are copied to; those of callers at the same time go elsewhere.
    inputs: Mutex<Aligned<E>>,
    parts: Vec<Mutex<Part<E>>>,
    /// One for each thread that can be at work.
    rooms: Vec<Mutex<Room<E>>>,
    threads: usize,
}

/// The memory of a batch; it grows to the largest one and is then used again and again.
#[derive(Default)]
struct Workspace<E> {
    data: Aligned<E>,
    grads: Aligned<E>,
    /// The share of each chunk in what steps have to know of the whole batch.
    shares: Aligned<E>,
}

/// What one part of a batch adds up.
struct Part<E> {
    gradients: Aligned<E>,
    loss: E,
}

/// What a thread works in.
struct Room<E> {
    scratch: Aligned<E>,
    /// The values of one chunk that goes forward only.
    values: Aligned<E>,
    /// The gradients of one block of parameters.
    block: Aligned<E>,
}

/// A panic in a step leaves numbers behind, and any numbers will do: they are all written before they are read.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A room that nobody is in, the thread's own if it can be: callers that do not wait for one another have one seat.
fn enter<T>(rooms: &[Mutex<T>], seat: usize) -> MutexGuard<'_, T> {
    let free = (0..rooms.len()).find_map(|i| match rooms[(seat + i) % rooms.len()].try_lock() {
        Ok(room) => Some(room),
        Err(TryLockError::Poisoned(room)) => Some(room.into_inner()),
        Err(TryLockError::WouldBlock) => None,
    });
    free.unwrap_or_else(|| lock(&rooms[seat]))
}

/// Steps that a batch goes through together.
struct Segment {
    nodes: Range<usize>,
    /// Whether it is the first; any other begins with a step that looks at the whole batch.
    is_first: bool,
}

/// A chunk, which samples of the batch it has, and what is there for it.
struct AtWork<'a, E> {
    samples: Range<usize>,
    chunk: Chunk<'a, E>,
    memory: Memory<'a, E>,
    share: &'a mut [E],
    scratch: &'a mut [E],
    gradients: &'a mut [E],
    loss: &'a mut E,
}

/// A batch, and the memory that it is computed in.
#[derive(Clone, Copy)]
struct InMemory<'a, E> {
    batch: Batch<'a, E>,
    memory: Memory<'a, E>,
    shares: Storage<'a, E>,
    /// What the caller does between chunks, and between blocks of parameters.
    meanwhile: Option<Meanwhile<'a>>,
}

/// The gradients of some parameters that are computed when all samples have gone back: which of its layer's parameters a step
/// learns there, and from what.
struct Deferral<'a, E> {
    step: &'a dyn Deferred<E>,
    params: Range<usize>,
    input: &'a [E],
    d_output: &'a [E],
}

impl<E: Float> Static<E>
where
    Cpu: Device<E>,
{
    fn with(plan: Plan<E>, state: State<E>) -> Self {
        let lens = [state.parameters.len(), state.buffers.len()];
        assert_eq!([plan.params, plan.buffers], lens, "the plan and the table of parameters come from one spec");
        let zeros = |numbers: usize| vec![E::zero(); numbers];
        let block = plan.blocks.iter().map(|block| block.params.len()).max().unwrap_or(0);
        let rooms = (0..Pool::global().seats(usize::MAX)).map(|_| Room {
            scratch: Aligned::zeros(plan.scratch),
            values: Aligned::zeros(0),
            block: Aligned::zeros(block),
        });
        let parts = (0..PARTS).map(|_| Part { gradients: Aligned::zeros(plan.params), loss: E::zero() });
        Static {
            gradients: zeros(plan.params),
            known: zeros(plan.known),
            prepared: Aligned::zeros(0),
            workspace: Workspace { data: Aligned::zeros(0), grads: Aligned::zeros(0), shares: Aligned::zeros(0) },
            inputs: Mutex::new(Aligned::zeros(0)),
            rooms: rooms.map(Mutex::new).collect(),
            parts: parts.map(Mutex::new).collect(),
            plan,
            parameters: Aligned::of(&state.parameters),
            buffers: state.buffers,
            threads: available(),
        }
    }

    fn batch<'a>(&self, inputs: &'a [E], samples: usize, noise: Option<Noise>) -> Batch<'a, E> {
        Batch::new(inputs, samples, noise, self.plan.chunk)
    }

    /// Calls `task(seat, 0)`, .., `task(seat, total - 1)` for parts of a batch, on several threads unless these share out what steps do.
    fn share_out(&self, batch: Batch<'_, E>, total: usize, task: &(dyn Fn(usize, usize) + Sync)) {
        Pool::global().run(if batch.is_shared_out { 1 } else { self.threads }, total, task);
    }

    /// Runs `work` for each chunk, which finds its memory as it has left it; the chunks of a part one after the other.
    fn for_each_chunk(&self, at: InMemory<'_, E>, work: &(dyn Fn(AtWork<'_, E>) + Sync)) {
        self.share_out(at.batch, at.batch.parts(), &|seat, i| {
            let (mut room, mut part) = (lock(&self.rooms[seat]), lock(&self.parts[i]));
            let Part { gradients, loss } = &mut *part;
            for chunk in at.batch.chunks_of(i) {
                let share = chunk * self.plan.known..(chunk + 1) * self.plan.known;
                work(AtWork {
                    samples: at.batch.samples_of(chunk),
                    chunk: at.batch.chunk(chunk),
                    memory: at.memory,
                    // SAFETY: a chunk is in one part, which one thread has.
                    share: unsafe { at.shares.write(share) },
                    scratch: &mut room.scratch,
                    gradients,
                    loss,
                });
                at.meanwhile.inspect(Meanwhile::go_on);
            }
        });
    }

    /// The outputs of some samples; nothing is kept for a way back.
    fn forward(&self, batch: &Batch<'_, E>, out: &mut [E]) {
        let (width, out) = (out.len() / batch.samples, Storage::new(out));
        let shared = self.shared(batch, &[], false);
        self.share_out(*batch, batch.chunks(), &|seat, i| {
            let Room { scratch, values, .. } = &mut *enter(&self.rooms, seat);
            values.grow(batch.chunk_len() * self.plan.per_sample[0]);
            let (chunk, samples, data) = (batch.chunk_alone(i), batch.samples_of(i), Storage::new(values));
            // SAFETY: the values are in this thread's room, and the outputs are those of the chunk's samples.
            unsafe {
                self.plan.forward(0..self.plan.nodes.len(), shared, &chunk, data, scratch);
                out.write(samples.start * width..samples.end * width).copy_from_slice(self.plan.value(self.plan.output, &chunk, data));
            }
        });
    }

    fn outputs(&self, inputs: &[E], samples: usize) -> Vec<E> {
        let mut outputs = vec![E::zero(); samples * self.plan.values[self.plan.output].numel];
        if samples > 0 {
            self.forward(&self.batch(inputs, samples, None), &mut outputs);
        }
        outputs
    }

    /// The weights of attention of all samples, which steps leave for the way back.
    fn attention(&self, batch: &Batch<'_, E>) -> Vec<AttentionMap<E>> {
        let shown = |node: &&Node<E>| node.step.attention().is_some();
        let mut maps: Vec<AttentionMap<E>> = self.plan.nodes.iter().filter_map(|node| node.step.attention()).map(AttentionMap::empty).collect();
        let shared = self.shared(batch, &[], false);
        let Room { scratch, values, .. } = &mut *enter(&self.rooms, 0);
        values.grow(batch.chunk_len() * self.plan.per_sample[0]);
        for chunk in (0..batch.chunks()).map(|i| batch.chunk_alone(i)) {
            // SAFETY: the values are in a room that nobody else is in.
            unsafe { self.plan.forward(0..self.plan.nodes.len(), shared, &chunk, Storage::new(values), scratch) };
            for (map, node) in maps.iter_mut().zip(self.plan.nodes.iter().filter(shown)) {
                map.weights.extend_from_slice(&values[chunk.place(node.saved.start, node.saved.len())]);
            }
        }
        maps
    }

    fn shared<'a>(&'a self, batch: &Batch<'_, E>, known: &'a [E], wants_inputs: bool) -> Shared<'a, E> {
        Shared { prepared: &[], ..self.shared_of(batch, &Share::whole(batch.samples), known, wants_inputs) }
    }

    /// The same for a share of a batch in training, before which steps have prepared what they can.
    fn shared_of<'a>(&'a self, batch: &Batch<'_, E>, share: &Share<'_>, known: &'a [E], wants_inputs: bool) -> Shared<'a, E> {
        let Static { parameters, buffers, .. } = self;
        // Threads share out chunks, or what the steps of a chunk do.
        let threads = batch.is_shared_out.then_some(self.threads);
        let has_first = share.normalized_over().is_none() || share.samples.start == 0;
        let prepared = if self.is_prepared(batch) { &self.prepared[..] } else { &[] };
        let samples = batch.noise.map(|_| share.normalized());
        Shared { parameters, buffers, known, prepared, batch: samples, has_first, wants_inputs, threads }
    }

    /// All chunks there and back; returns the loss. What is left is in the workspace, and in the parts.
    fn differentiate(&mut self, batch: &Batch<'_, E>, share: &Share<'_>, objective: Objective<'_, E, Cpu>, wants_inputs: bool) -> Result<E, Error> {
        let loss = self.there(batch, share, objective, wants_inputs)?;
        (0..self.ahead(batch)).rev().for_each(|i| self.back_through(batch, share, i, wants_inputs, None));
        Ok(loss)
    }

    /// The same with ranks that have the other samples of the batch; the gradients are summed over all, and so is the loss. Parts of
    /// them are summed while others are computed.
    fn differentiate_together(
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
    fn is_prepared(&self, batch: &Batch<'_, E>) -> bool {
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
                let (loss, d_outputs) = on_tape(objective, outputs.to_vec())?;
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

    /// A value of the whole batch, and its gradient.
    ///
    /// # Safety
    /// Nobody writes them.
    unsafe fn whole<'a>(&self, at: InMemory<'a, E>, value: usize) -> (&'a [E], &'a [E]) {
        let (buffer, samples) = (&self.plan.values[value], at.batch.samples);
        let place = |begin: usize| begin * samples..(begin + buffer.numel) * samples;
        // SAFETY: the caller's contract.
        unsafe {
            let numbers = buffer.data.map_or(at.batch.inputs, |begin| at.memory.data.read(place(begin)));
            (numbers, at.memory.grads.read(place(buffer.grad)))
        }
    }

    /// Calls `with` with a batch, the memory that it has been computed in, and what steps know of the whole of it.
    fn in_memory<R>(&mut self, batch: &Batch<'_, E>, with: impl FnOnce(&Self, InMemory<'_, E>, &mut [E]) -> R) -> R {
        let (mut workspace, mut known) = (core::mem::take(&mut self.workspace), core::mem::take(&mut self.known));
        let Workspace { data, grads, shares } = &mut workspace;
        let memory = Memory { data: Storage::new(data), grads: Storage::new(grads) };
        let result = with(self, InMemory { batch: *batch, memory, shares: Storage::new(shares), meanwhile: None }, &mut known);
        (self.workspace, self.known) = (workspace, known);
        result
    }

    /// How many threads are worth waking for all blocks: a few multiplications are done sooner by the thread whose cache has the
    /// numbers.
    fn threads_for_blocks(&self, at: InMemory<'_, E>) -> usize {
        const WORTH: usize = 1 << 19;
        if at.batch.samples * self.plan.params < WORTH && self.plan.params < WORTH / 8 { 1 } else { self.threads }
    }

    /// The gradients of a block of parameters: over the whole batch where they were deferred, and otherwise over its parts, in
    /// order.
    fn block_gradients(&self, at: InMemory<'_, E>, block: &Block, gradients: &mut [E]) {
        if at.batch.samples == 0 {
            return gradients.fill(E::zero());
        }
        let Some(Deferral { step, params, input, d_output }) = self.deferral(at, block) else {
            for (i, part) in self.parts[..at.batch.parts()].iter().enumerate() {
                let part = &lock(part).gradients[block.params.clone()];
                if i == 0 {
                    gradients.copy_from_slice(part);
                } else {
                    gradients.iter_mut().zip(part).for_each(|(sum, &g)| *sum += g);
                }
            }
            return;
        };
        step.gradients(params, input, d_output, gradients);
    }

    /// Of what the gradients of a block are made, if they were deferred; all chunks have gone back.
    fn deferral<'a>(&'a self, at: InMemory<'a, E>, block: &Block) -> Option<Deferral<'a, E>> {
        let node = &self.plan.nodes[block.node?];
        let (step, begin) = (node.step.deferred()?, node.params.start);
        // SAFETY: nobody writes values or their gradients any more.
        let (input, d_output) = unsafe { (self.whole(at, node.inputs[0].value).0, self.whole(at, node.output).1) };
        Some(Deferral { step, params: block.params.start - begin..block.params.end - begin, input, d_output })
    }

    /// All gradients, for who wants to see them.
    fn collect(&mut self, batch: &Batch<'_, E>) {
        let (mut gradients, parts) = (core::mem::take(&mut self.gradients), core::mem::take(&mut self.plan.gradients));
        let mut left = &mut gradients[..];
        for part in &parts {
            let (before, of_part) = left.split_at_mut(part.begin);
            self.collect_part(batch, part, of_part, None);
            left = before;
        }
        (self.gradients, self.plan.gradients) = (gradients, parts);
    }

    /// The gradients of one part, from its first parameter on.
    fn collect_part(&mut self, batch: &Batch<'_, E>, part: &GradientPart, gradients: &mut [E], meanwhile: Option<Meanwhile<'_>>) {
        let of_part = Storage::new(gradients);
        self.in_memory(batch, |engine, at, _| {
            Pool::global().run_weighted(engine.threads_for_blocks(at), &part.ends, &|_, i| {
                let block = &engine.plan.blocks[part.blocks[i]];
                // SAFETY: blocks are disjoint.
                let gradients = unsafe { of_part.write(block.params.start - part.begin..block.params.end - part.begin) };
                engine.block_gradients(at, block, gradients);
                meanwhile.inspect(Meanwhile::go_on);
            });
        });
    }

    /// A step of an optimizer, when all chunks have gone back; the gradients may be `summed` already.
    fn update(&mut self, batch: &Batch<'_, E>, optimizer: &mut dyn Optimizer<E>, summed: bool) -> Result<(), Error> {
        let pass = optimizer.begin(self.plan.params, Changes::default())?;
        let at_once = !summed && pass.as_ref().is_some_and(|pass| pass.changes.is_empty());
        if !summed && !at_once {
            self.collect(batch);
        }
        let Some(pass) = pass else { return optimizer.update(&mut self.parameters, &self.gradients) };
        pass.changes.make(&self.parameters, &mut self.gradients)?;
        self.step(batch, pass, at_once);
        Ok(())
    }

    /// Moves each block of parameters: `at_once` as soon as its gradients are there, or against those that are summed and changed.
    fn step(&mut self, batch: &Batch<'_, E>, pass: Pass<'_, E>, at_once: bool) {
        let mut parameters = core::mem::take(&mut self.parameters);
        let (rule, moved) = (pass.rule, Storage::new(&mut parameters));
        let mut lists = pass.lists().into_iter().map(Storage::new);
        let kept: [Option<Storage<'_, E>>; 3] = core::array::from_fn(|i| lists.next().filter(|_| i < rule.keeps()));
        self.in_memory(batch, |engine, at, _| {
            Pool::global().run_weighted(engine.threads_for_blocks(at), &engine.plan.block_ends, &|seat, i| {
                let block = &engine.plan.blocks[i];
                // SAFETY: blocks are disjoint.
                let (moved, kept) = unsafe {
                    let of_block = kept.map(|list| list.map_or::<&mut [E], _>(&mut [], |list| list.write(block.params.clone())));
                    (moved.write(block.params.clone()), of_block)
                };
                if !at_once {
                    return rule.apply(moved, &engine.gradients[block.params.clone()], kept);
                }
                if let Some(gradients) = engine.deferral(at, block).and_then(|of| of.step.rank_one(of.params, of.input, of.d_output)) {
                    return rule.apply_rank_one(moved, gradients, kept);
                }
                let gradients = &mut lock(&engine.rooms[seat]).block[..block.params.len()];
                engine.block_gradients(at, block, gradients);
                rule.apply(moved, gradients, kept);
            });
        });
        self.parameters = parameters;
    }

    /// Looks at what a batch has left of a layer: its outputs, and the gradient with respect to them.
    fn visit_layer(&self, layer: usize, inputs: &[E], samples: usize, look: &mut dyn FnMut(&[E], &[E])) {
        let value = &self.plan.values[self.plan.layers[layer]];
        let place = |begin: usize| begin * samples..(begin + value.numel) * samples;
        let numbers = value.data.map_or(inputs, |begin| &self.workspace.data[place(begin)]);
        look(numbers, &self.workspace.grads[place(value.grad)]);
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

/// The numbers of a tensor, in a room that grows to their number.
fn numbers<E: Float>(tensor: Flat<E, Cpu>, room: &mut Aligned<E>) -> Result<&[E], Error>
where
    Cpu: Device<E>,
{
    let numel = tensor.shape().0;
    room.grow(numel);
    tensor.try_contiguous().map_err(Error::device("reading the inputs"))?.copy_into(&mut room[..numel]);
    Ok(&room[..numel])
}

/// The loss of some outputs on dfdx's tape, and its gradient with respect to them.
fn on_tape<E: Float>(objective: &dyn OnTape<E, Cpu>, outputs: Vec<E>) -> Result<(E, Vec<E>), Error>
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

/// Numbers that a network can be looked at in, layer by layer, as it computes with them on the host: `f32` and `f64`.
pub trait Observe: Float {
    /// The signals and gradients of some samples, layer by layer.
    ///
    /// # Errors
    /// Those of the device.
    fn statistics(
        network: Architecture,
        state: State<Self>,
        batch: (&[Self], usize),
        noise: Noise,
        objective: &dyn ByParts<Self>,
    ) -> Result<Statistics, Error>;
}

/// For `f32` by name, so that the engine is compiled here, once, and not again in every crate with a model. For `f64` it is
/// compiled where somebody wants it: half of all the code would be for what few use.
macro_rules! engine {
    ($E:ident $(, for $any:ident)?) => {
        impl$(<$E: $any>)? Engine<$E, Cpu> for Static<$E>
        where
            Cpu: Device<$E>,
        {
            fn new(_: &Cpu, network: Architecture, state: State<$E>) -> Result<Self, Error> {
                Ok(Self::with(Plan::new(&network), state))
            }

            fn parameters(&self) -> Vec<$E> {
                self.parameters.to_vec()
            }

            fn set_parameters(&mut self, parameters: &[$E]) -> Result<(), Error> {
                self.parameters.copy_from_slice(parameters);
                Ok(())
            }

            fn buffers(&self) -> Vec<$E> {
                self.buffers.clone()
            }

            fn set_buffers(&mut self, buffers: &[$E]) -> Result<(), Error> {
                self.buffers.copy_from_slice(buffers);
                Ok(())
            }

            fn infer(&self, inputs: Flat<$E, Cpu>, samples: usize) -> Result<Flat<$E, Cpu>, Error> {
                let (device, mut elsewhere, mut kept) = (inputs.device().clone(), Aligned::zeros(0), self.inputs.try_lock().ok());
                let outputs = self.outputs(numbers(inputs, kept.as_deref_mut().unwrap_or(&mut elsewhere))?, samples);
                let shape = (outputs.len(),);
                device.try_tensor_from_vec(outputs, shape).map_err(Error::device("making a tensor of the outputs"))
            }

            fn predict(&self, inputs: &[$E], samples: usize) -> Result<Vec<$E>, Error> {
                Ok(self.outputs(inputs, samples))
            }

            fn attention(&self, inputs: Flat<$E, Cpu>, samples: usize) -> Result<Vec<AttentionMap<$E>>, Error> {
                Ok(self.attention(&self.batch(numbers(inputs, &mut Aligned::zeros(0))?, samples, None)))
            }

            fn objective<'a>(loss: &'a (impl ByParts<$E> + OnTape<$E, Cpu>)) -> Objective<'a, $E, Cpu> {
                Objective::ByParts(loss)
            }

            fn train_share(
                &mut self,
                inputs: &[$E],
                share: &Share<'_>,
                noise: Option<Noise>,
                objective: Objective<'_, $E, Cpu>,
                optimizer: &mut dyn Optimizer<$E>,
            ) -> Result<$E, Error> {
                let batch = self.batch(inputs, share.len(), noise).behind(share.samples.start);
                let loss = match share.ranks {
                    Some(ranks) => self.differentiate_together(&batch, share, ranks, objective)?,
                    None => self.differentiate(&batch, share, objective, false)?,
                };
                self.update(&batch, optimizer, share.ranks.is_some())?;
                if noise.is_some() && share.normalized() > 0 {
                    self.plan.remember(share.normalized(), &self.known, &mut self.buffers);
                }
                Ok(loss)
            }

            fn gradients(
                &mut self,
                inputs: &[$E],
                samples: usize,
                noise: Option<Noise>,
                objective: Objective<'_, $E, Cpu>,
            ) -> Result<Gradients<$E>, Error> {
                let batch = self.batch(inputs, samples, noise);
                let loss = self.differentiate(&batch, &Share::whole(samples), objective, true)?;
                self.collect(&batch);
                // SAFETY: no thread is at work.
                let inputs = self.in_memory(&batch, |engine, at, _| unsafe { engine.whole(at, 0).1.to_vec() });
                Ok(Gradients { loss, inputs, parameters: self.gradients.clone() })
            }

            fn set_threads(&mut self, threads: usize) {
                self.threads = threads.max(1);
            }
        }

        impl$(<$E: $any<Host = Cpu>>)? Observe for $E
        where
            Cpu: Device<$E>,
        {
            fn statistics(
                network: Architecture,
                state: State<$E>,
                (inputs, samples): (&[$E], usize),
                noise: Noise,
                objective: &dyn ByParts<$E>,
            ) -> Result<Statistics, Error> {
                let mut engine = Static::with(Plan::observed(&network), state);
                let gradients = engine.gradients(inputs, samples, Some(noise), Objective::ByParts(objective))?;
                let values = |layer: usize, look: &mut dyn FnMut(&[$E], &[$E])| engine.visit_layer(layer, inputs, samples, look);
                Ok(Statistics::of(network.spec, &gradients.parameters, values))
            }
        }
    };
}
engine!(f32);
engine!(E, for OnDemand);
