//! Runs a plan over a batch.

use super::plan::{Node, Plan};
use super::pool::{Pool, available};
use super::steps::{Backward, Forward, Gradient};
use crate::engine::{Engine, Flat, Gradients, Objective};
use crate::error::Error;
use crate::float::Float;
use crate::learn::Optimizer;
use crate::noise::Noise;
use crate::types::{Dims, Spec};
use core::ops::Range;
use dfdx::prelude::{Backward as _, ReshapeTo, TensorFromVec, Trace};
use dfdx::shapes::HasShape;
use dfdx::tensor::Cpu;
use dfdx::tensor_ops::Device;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// How many samples run through the network together.
const CHUNK: usize = 8;

/// Into how many parts a batch is cut, each with a sum of gradients of its own. The parts depend on the batch alone, and
/// their sums are added in order, so results do not depend on the number of threads.
const PARTS: usize = 8;

/// The static lowering on the CPU.
pub struct Static<E> {
    plan: Plan<E>,
    parameters: Vec<E>,
    gradients: Vec<E>,
    parts: Vec<Mutex<Part<E>>>,
    input: Dims,
    threads: usize,
}

/// The memory that one part of a batch is computed in; it grows to the largest batch and is then used again and again.
struct Part<E> {
    /// A block of `CHUNK * per_sample` numbers for each chunk of samples.
    workspace: Vec<E>,
    scratch: Vec<E>,
    gradients: Vec<E>,
    loss: E,
}

/// A batch on its way through the plan.
#[derive(Clone, Copy)]
struct Batch<'a, E> {
    inputs: &'a [E],
    samples: usize,
    noise: Option<Noise>,
}

impl<E: Float> Batch<'_, E> {
    /// How many chunks each part has.
    fn chunks_per_part(&self) -> usize {
        self.samples.div_ceil(CHUNK).div_ceil(PARTS)
    }

    /// How many parts have any chunk.
    fn parts(&self) -> usize {
        self.samples.div_ceil(CHUNK).div_ceil(self.chunks_per_part().max(1))
    }

    /// The samples of each chunk of a part.
    fn chunks(&self, part: usize) -> impl Iterator<Item = Range<usize>> + use<E> {
        let (per_part, samples) = (self.chunks_per_part(), self.samples);
        let chunks = part * per_part..((part + 1) * per_part).min(samples.div_ceil(CHUNK));
        chunks.map(move |chunk| chunk * CHUNK..((chunk + 1) * CHUNK).min(samples))
    }

    fn chunk(&self, samples: Range<usize>) -> Chunk<'_, E> {
        let width = self.inputs.len() / self.samples;
        Chunk {
            inputs: &self.inputs[samples.start * width..samples.end * width],
            samples: samples.len(),
            noise: self.noise.map(|noise| (noise, samples.start)),
        }
    }
}

/// A few samples on their way through the plan.
struct Chunk<'a, E> {
    inputs: &'a [E],
    samples: usize,
    noise: Option<(Noise, usize)>,
}

impl<E> Chunk<'_, E> {
    /// Where a value of `numel` numbers per sample, placed at `at`, lies in the chunk's block.
    fn place(&self, at: usize, numel: usize) -> Range<usize> {
        at * CHUNK..at * CHUNK + self.samples * numel
    }

    fn noise_for(&self, node: &Node<E>) -> Option<(Noise, usize)> {
        self.noise.map(|(noise, first)| (noise.split(node.stream), first))
    }
}

impl<E: Float> Plan<E> {
    fn block(&self) -> usize {
        CHUNK * self.per_sample
    }

    fn forward(&self, parameters: &[E], chunk: &Chunk<'_, E>, block: &mut [E], scratch: &mut [E]) {
        for node in &self.nodes {
            let output = &self.values[node.output];
            let place = chunk.place(output.data.unwrap_or(0), output.numel);
            // Values lie in the order in which they are made, so all that a step reads is before what it writes.
            let (before, rest) = block.split_at_mut(place.start);
            let mut inputs: [&[E]; 2] = [&[]; 2];
            for (slot, input) in inputs.iter_mut().zip(&node.inputs) {
                *slot = self.data(input.value, chunk, before);
            }
            node.step.forward(Forward {
                samples: chunk.samples,
                inputs,
                params: &parameters[node.params.clone()],
                output: &mut rest[..place.len()],
                scratch,
                noise: chunk.noise_for(node),
            });
        }
    }

    /// The numbers of a value.
    fn data<'a>(&self, value: usize, chunk: &Chunk<'a, E>, block: &'a [E]) -> &'a [E] {
        let buffer = &self.values[value];
        match buffer.data {
            Some(at) => &block[chunk.place(at, buffer.numel)],
            None => chunk.inputs,
        }
    }

    fn output<'a>(&self, chunk: &Chunk<'a, E>, block: &'a [E]) -> &'a [E] {
        self.data(self.output, chunk, block)
    }

    /// The output of the network, and the place for its gradient.
    fn output_and_gradient<'a>(&self, chunk: &Chunk<'a, E>, block: &'a mut [E]) -> (&'a [E], &'a mut [E]) {
        let buffer = &self.values[self.output];
        let (before, rest) = block.split_at_mut(buffer.grad * CHUNK);
        (self.data(self.output, chunk, before), &mut rest[..chunk.samples * buffer.numel])
    }

    fn backward(&self, parameters: &[E], chunk: &Chunk<'_, E>, part: PartMut<'_, E>, wants_inputs: bool) {
        for node in self.nodes.iter().rev() {
            let output = &self.values[node.output];
            let [x, dx_a, dx_b] = self.reads_and_writes(node, chunk, wants_inputs);
            let places = [x.clone(), chunk.place(output.data.unwrap_or(0), output.numel), chunk.place(output.grad, output.numel), dx_a, dx_b];
            let Ok([x_data, y, dy, dx_a, dx_b]) = part.block.get_disjoint_mut(places) else { unreachable!("values have places of their own") };
            let wanted = |i: usize| node.inputs.get(i).filter(|input| wants_inputs || input.value > 0);
            let d_inputs =
                [wanted(0).map(|input| Gradient { to: dx_a, add: input.add }), wanted(1).map(|input| Gradient { to: dx_b, add: input.add })];
            node.step.backward(Backward {
                samples: chunk.samples,
                input: if self.values[node.inputs[0].value].data.is_some() { x_data } else { chunk.inputs },
                output: y,
                d_output: dy,
                params: &parameters[node.params.clone()],
                d_params: &mut part.gradients[node.params.clone()],
                d_inputs,
                scratch: part.scratch,
                noise: chunk.noise_for(node),
            });
        }
    }

    /// Where a node's first input lies, and the gradients of both; empty where there is none.
    fn reads_and_writes(&self, node: &Node<E>, chunk: &Chunk<'_, E>, wants_inputs: bool) -> [Range<usize>; 3] {
        let gradient = |i: usize| match node.inputs.get(i) {
            Some(input) if wants_inputs || input.value > 0 => {
                let buffer = &self.values[input.value];
                chunk.place(buffer.grad, buffer.numel)
            }
            _ => 0..0,
        };
        let first = &self.values[node.inputs[0].value];
        let data = first.data.map_or(0..0, |at| chunk.place(at, first.numel));
        [data, gradient(0), gradient(1)]
    }
}

/// The memory of a part, with one block of its workspace.
struct PartMut<'a, E> {
    block: &'a mut [E],
    scratch: &'a mut [E],
    gradients: &'a mut [E],
}

/// A panic in a step leaves numbers behind, and any numbers will do: they are all written before they are read.
fn lock<E>(part: &Mutex<Part<E>>) -> MutexGuard<'_, Part<E>> {
    part.lock().unwrap_or_else(PoisonError::into_inner)
}

impl<E: Float> Static<E>
where
    Cpu: Device<E>,
{
    /// Runs `work` for each part of a batch, on several threads where that pays.
    fn for_each_part(&self, batch: &Batch<'_, E>, blocks: usize, work: &(dyn Fn(usize, &mut Part<E>) + Sync)) {
        Pool::global().run(self.threads, batch.parts(), &|i| {
            let mut part = lock(&self.parts[i]);
            let size = self.plan.block() * blocks;
            if part.workspace.len() < size {
                part.workspace.resize(size, E::zero());
            }
            work(i, &mut part);
        });
    }

    fn forward(&self, batch: &Batch<'_, E>, out: &mut [E]) {
        if batch.samples == 0 {
            return;
        }
        let width = out.len() / batch.samples;
        let per_part = (batch.chunks_per_part() * CHUNK * width).max(1);
        let out: Vec<Mutex<&mut [E]>> = out.chunks_mut(per_part).map(Mutex::new).collect();
        self.for_each_part(batch, 1, &|i, part| {
            let mut out = out[i].lock().unwrap_or_else(PoisonError::into_inner);
            for (samples, out) in batch.chunks(i).zip(out.chunks_mut((CHUNK * width).max(1))) {
                let chunk = batch.chunk(samples);
                self.plan.forward(&self.parameters, &chunk, &mut part.workspace, &mut part.scratch);
                out.copy_from_slice(self.plan.output(&chunk, &part.workspace));
            }
        });
    }

    /// Forward, loss and backward, chunk by chunk; the gradients of the parts are then ready to be added.
    fn fused(&self, batch: &Batch<'_, E>, objective: &dyn Objective<E, Cpu>, wants_inputs: bool) {
        self.for_each_part(batch, batch.chunks_per_part(), &|i, part| {
            part.gradients.fill(E::zero());
            part.loss = E::zero();
            for (samples, block) in batch.chunks(i).zip(part.workspace.chunks_exact_mut(self.plan.block())) {
                let chunk = batch.chunk(samples.clone());
                self.plan.forward(&self.parameters, &chunk, block, &mut part.scratch);
                let (outputs, d_outputs) = self.plan.output_and_gradient(&chunk, block);
                part.loss += objective.part(samples, outputs, d_outputs);
                let memory = PartMut { block, scratch: &mut part.scratch, gradients: &mut part.gradients };
                self.plan.backward(&self.parameters, &chunk, memory, wants_inputs);
            }
        });
    }

    /// The same with a loss that is written in dfdx operations: forward for the whole batch, the loss on dfdx's tape, and
    /// back from its gradient.
    fn taped(&self, batch: &Batch<'_, E>, objective: &dyn Objective<E, Cpu>, wants_inputs: bool) -> Result<E, Error> {
        let device = Cpu::default();
        let width = self.plan.values[self.plan.output].numel;
        let mut outputs = vec![E::zero(); batch.samples * width];
        self.forward_all(batch, &mut outputs);
        let outputs = device.try_tensor_from_vec(outputs, (batch.samples * width,)).map_err(Error::device("making a tensor of the outputs"))?;
        let loss = objective.taped(outputs.leaky_trace()).map_err(Error::device("computing the loss"))?;
        let value = loss.as_vec()[0];
        let mut gradients = loss.try_backward().map_err(Error::device("differentiating the loss"))?;
        gradients.try_alloc_for(&outputs).map_err(Error::device("differentiating the loss"))?;
        let mut d_outputs = vec![E::zero(); batch.samples * width];
        gradients.get(&outputs).copy_into(&mut d_outputs);
        self.for_each_part(batch, batch.chunks_per_part(), &|i, part| {
            part.gradients.fill(E::zero());
            for (samples, block) in batch.chunks(i).zip(part.workspace.chunks_exact_mut(self.plan.block())) {
                let chunk = batch.chunk(samples.clone());
                let (_, to) = self.plan.output_and_gradient(&chunk, block);
                to.copy_from_slice(&d_outputs[samples.start * width..samples.end * width]);
                let memory = PartMut { block, scratch: &mut part.scratch, gradients: &mut part.gradients };
                self.plan.backward(&self.parameters, &chunk, memory, wants_inputs);
            }
        });
        Ok(value)
    }

    /// Forward with a block for each chunk, so that the way back finds all values.
    fn forward_all(&self, batch: &Batch<'_, E>, outputs: &mut [E]) {
        let width = outputs.len() / batch.samples;
        self.for_each_part(batch, batch.chunks_per_part(), &|i, part| {
            for (samples, block) in batch.chunks(i).zip(part.workspace.chunks_exact_mut(self.plan.block())) {
                self.plan.forward(&self.parameters, &batch.chunk(samples), block, &mut part.scratch);
            }
        });
        for i in 0..batch.parts() {
            let part = lock(&self.parts[i]);
            for (samples, block) in batch.chunks(i).zip(part.workspace.chunks_exact(self.plan.block())) {
                let to = &mut outputs[samples.start * width..samples.end * width];
                to.copy_from_slice(self.plan.output(&batch.chunk(samples), block));
            }
        }
    }

    /// The loss, with the gradients of all parts added up in order.
    fn differentiate(&mut self, batch: &Batch<'_, E>, objective: &dyn Objective<E, Cpu>, wants_inputs: bool) -> Result<E, Error> {
        if batch.samples == 0 {
            self.gradients.fill(E::zero());
            return Ok(E::zero());
        }
        let taped = if objective.is_fused() {
            self.fused(batch, objective, wants_inputs);
            None
        } else {
            Some(self.taped(batch, objective, wants_inputs)?)
        };
        let mut loss = E::zero();
        self.gradients.fill(E::zero());
        for part in &self.parts[..batch.parts()] {
            let part = lock(part);
            loss += part.loss;
            self.gradients.iter_mut().zip(&part.gradients).for_each(|(sum, &g)| *sum += g);
        }
        Ok(taped.unwrap_or(loss))
    }
}

/// For each number type by name, so that the engine is compiled here, once, and not again in every crate with a model.
macro_rules! engine {
    ($E:ident) => {
        impl Engine<$E, Cpu> for Static<$E> {
            fn new(_: &Cpu, spec: &'static Spec, input: Dims, parameters: Vec<$E>) -> Result<Self, Error> {
                let plan = Plan::new(spec, input);
                assert_eq!(plan.params, parameters.len(), "the plan and the table of parameters come from one spec");
                let part = || Part { workspace: Vec::new(), scratch: vec![0.0; plan.scratch], gradients: vec![0.0; plan.params], loss: 0.0 };
                let parts = (0..PARTS).map(|_| Mutex::new(part())).collect();
                let gradients = vec![0.0; plan.params];
                Ok(Static { plan, parameters, gradients, parts, input, threads: available() })
            }

            fn parameters(&self) -> Vec<$E> {
                self.parameters.clone()
            }

            fn set_parameters(&mut self, parameters: &[$E]) -> Result<(), Error> {
                self.parameters.copy_from_slice(parameters);
                Ok(())
            }

            fn infer(&self, inputs: Flat<$E, Cpu>, samples: usize) -> Result<Flat<$E, Cpu>, Error> {
                let device = inputs.device().clone();
                let mut numbers = vec![0.0; inputs.shape().0];
                let contiguous = inputs.try_contiguous().map_err(Error::device("reading the inputs"))?;
                contiguous.copy_into(&mut numbers);
                let mut outputs = vec![0.0; samples * self.plan.values[self.plan.output].numel];
                self.forward(&Batch { inputs: &numbers, samples, noise: None }, &mut outputs);
                let shape = (outputs.len(),);
                device.try_tensor_from_vec(outputs, shape).map_err(Error::device("making a tensor of the outputs"))
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
                optimizer.update(&mut self.parameters, &self.gradients)?;
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
                let width = self.input.numel();
                let mut d_inputs = vec![0.0; samples * width];
                for i in 0..batch.parts() {
                    let part = lock(&self.parts[i]);
                    for (samples, block) in batch.chunks(i).zip(part.workspace.chunks_exact(self.plan.block())) {
                        let place = batch.chunk(samples.clone()).place(self.plan.values[0].grad, width);
                        d_inputs[samples.start * width..samples.end * width].copy_from_slice(&block[place]);
                    }
                }
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
