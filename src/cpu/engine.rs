//! What a plan is run with: the numbers of a network, and memory for batches and threads.

use super::aligned::Aligned;
use super::batch::{Batch, Chunk, PARTS};
use super::pass::{Memory, Shared};
use super::plan::{Node, Plan};
use super::pool::{Pool, available};
use super::together::Meanwhile;
use crate::engine::{Architecture, AttentionMap, ByParts, Engine, Flat, Gradients, Objective, OnTape, State};
use crate::error::Error;
use crate::float::{Float, OnDemand};
use crate::group::Share;
use crate::learn::Optimizer;
use crate::noise::Noise;
use crate::statistics::Statistics;
use crate::storage::Storage;
use core::ops::Range;
use dfdx::prelude::{ReshapeTo, TensorFromVec};
use dfdx::shapes::HasShape;
use dfdx::tensor::Cpu;
use dfdx::tensor_ops::Device;
use std::sync::{Mutex, MutexGuard, PoisonError, TryLockError};

/// The static lowering on the CPU.
pub struct Static<E> {
    pub(super) plan: Plan<E>,
    pub(super) parameters: Aligned<E>,
    buffers: Vec<E>,
    pub(super) gradients: Vec<E>,
    /// What steps know of the whole batch.
    known: Vec<E>,
    /// What steps have made of the parameters, in training.
    pub(super) prepared: Aligned<E>,
    pub(super) workspace: Workspace<E>,
    /// Where the inputs of a tensor are copied to; those of callers at the same time go elsewhere.
    inputs: Mutex<Aligned<E>>,
    pub(super) parts: Vec<Mutex<Part<E>>>,
    /// One for each thread that can be at work.
    pub(super) rooms: Vec<Mutex<Room<E>>>,
    pub(super) threads: usize,
}

/// The memory of a batch; it grows to the largest one and is then used again and again.
#[derive(Default)]
pub(super) struct Workspace<E> {
    pub data: Aligned<E>,
    pub grads: Aligned<E>,
    /// The share of each chunk in what steps have to know of the whole batch.
    pub shares: Aligned<E>,
}

/// What one part of a batch adds up.
pub(super) struct Part<E> {
    pub gradients: Aligned<E>,
    pub loss: E,
}

/// What a thread works in.
pub(super) struct Room<E> {
    scratch: Aligned<E>,
    /// The values of one chunk that goes forward only.
    values: Aligned<E>,
    /// The gradients of one block of parameters.
    pub block: Aligned<E>,
}

/// A panic in a step leaves numbers behind, and any numbers will do: they are all written before they are read.
pub(super) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
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

/// A chunk, which samples of the batch it has, and what is there for it.
pub(super) struct AtWork<'a, E> {
    pub samples: Range<usize>,
    pub chunk: Chunk<'a, E>,
    pub memory: Memory<'a, E>,
    pub share: &'a mut [E],
    pub scratch: &'a mut [E],
    pub gradients: &'a mut [E],
    pub loss: &'a mut E,
}

/// A batch, and the memory that it is computed in.
#[derive(Clone, Copy)]
pub(super) struct InMemory<'a, E> {
    pub batch: Batch<'a, E>,
    pub memory: Memory<'a, E>,
    pub shares: Storage<'a, E>,
    /// What the caller does between chunks, and between blocks of parameters.
    pub meanwhile: Option<Meanwhile<'a>>,
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
    pub(super) fn for_each_chunk(&self, at: InMemory<'_, E>, work: &(dyn Fn(AtWork<'_, E>) + Sync)) {
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
    pub(super) fn shared_of<'a>(&'a self, batch: &Batch<'_, E>, share: &Share<'_>, known: &'a [E], wants_inputs: bool) -> Shared<'a, E> {
        let Static { parameters, buffers, .. } = self;
        // Threads share out chunks, or what the steps of a chunk do.
        let threads = batch.is_shared_out.then_some(self.threads);
        let has_first = share.normalized_over().is_none() || share.samples.start == 0;
        let prepared = if self.is_prepared(batch) { &self.prepared[..] } else { &[] };
        let samples = batch.noise.map(|_| share.normalized());
        Shared { parameters, buffers, known, prepared, batch: samples, has_first, wants_inputs, threads }
    }

    /// A value of the whole batch, and its gradient.
    ///
    /// # Safety
    /// Nobody writes them.
    pub(super) unsafe fn whole<'a>(&self, at: InMemory<'a, E>, value: usize) -> (&'a [E], &'a [E]) {
        let (buffer, samples) = (&self.plan.values[value], at.batch.samples);
        let place = |begin: usize| begin * samples..(begin + buffer.numel) * samples;
        // SAFETY: the caller's contract.
        unsafe {
            let numbers = buffer.data.map_or(at.batch.inputs, |begin| at.memory.data.read(place(begin)));
            (numbers, at.memory.grads.read(place(buffer.grad)))
        }
    }

    /// Calls `with` with a batch, the memory that it has been computed in, and what steps know of the whole of it.
    pub(super) fn in_memory<R>(&mut self, batch: &Batch<'_, E>, with: impl FnOnce(&Self, InMemory<'_, E>, &mut [E]) -> R) -> R {
        let (mut workspace, mut known) = (core::mem::take(&mut self.workspace), core::mem::take(&mut self.known));
        let Workspace { data, grads, shares } = &mut workspace;
        let memory = Memory { data: Storage::new(data), grads: Storage::new(grads) };
        let result = with(self, InMemory { batch: *batch, memory, shares: Storage::new(shares), meanwhile: None }, &mut known);
        (self.workspace, self.known) = (workspace, known);
        result
    }

    /// Looks at what a batch has left of a layer: its outputs, and the gradient with respect to them.
    fn visit_layer(&self, layer: usize, inputs: &[E], samples: usize, look: &mut dyn FnMut(&[E], &[E])) {
        let value = &self.plan.values[self.plan.layers[layer]];
        let place = |begin: usize| begin * samples..(begin + value.numel) * samples;
        let numbers = value.data.map_or(inputs, |begin| &self.workspace.data[place(begin)]);
        look(numbers, &self.workspace.grads[place(value.grad)]);
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
