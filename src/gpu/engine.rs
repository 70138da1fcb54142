//! Runs the calls of a network.

use super::call::{Call, Place, Space};
use super::machine::{Machine, Memory};
use super::planner::{Plan, Planner, Purpose, SEED, Shown};
use super::step::{Step, Way};
use super::update::{ROOM, Update};
use crate::engine::{Architecture, AttentionMap, ByParts, Criterion, Engine, Flat, Gradients, Objective, OnTape, Precision, State, on_tape};
use crate::error::Error;
use crate::float::Float;
use crate::group::Share;
use crate::learn::kept::{Away, Kept};
use crate::learn::{Changes, Optimizer, Pass};
use crate::noise::Noise;
use dfdx::prelude::TensorFromVec;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

/// The fused lowering: one list of calls for a network and a batch size, without a tape.
///
/// Parameters and what optimizers keep stay in the machine's memory from step to step, as long as the optimizer is one of this crate,
/// behind any of its adjustments; another one, or one that accumulates, moves them on the host.
pub struct Fused<E: Float, M: Machine<E>> {
    machine: M,
    device: M::Device,
    network: Architecture,
    precision: Precision,
    /// How many parameters and buffers there are.
    scalars: [usize; 2],
    held: Arc<Mutex<Held<E, M>>>,
}

/// What lies in the machine's memory from step to step.
struct Held<E: Float, M: Machine<E>> {
    memory: Memory<E, M>,
    /// The step that the memory was last used for, which is the next one too more often than not.
    ready: Option<Step<E, M>>,
    /// Others that were, the one that was used last at the end.
    resting: Vec<Step<E, M>>,
    /// What the last optimizer does.
    update: Option<(Update, M::Recording)>,
    /// Whose numbers are those that an optimizer keeps.
    lent: Option<Arc<Lent<E>>>,
    /// How many lists they are.
    lists: usize,
}

/// How many steps rest at most. Two sizes of batches, for the last one of an epoch may be small, are trained with and looked at.
const RESTING: usize = 3;

/// The numbers of an optimizer that another one's have replaced; none while they are in the machine's memory.
type Lent<E> = OnceLock<Vec<E>>;

/// A list of numbers that an optimizer has lent to an engine.
struct Taken<E: Float, M: Machine<E>> {
    machine: M,
    held: Arc<Mutex<Held<E, M>>>,
    lent: Arc<Lent<E>>,
    list: usize,
}

impl<E: Float, M: Machine<E>> Away<E> for Taken<E, M> {
    /// From a machine that is lost there come numbers that are none.
    fn fetch(&self, numbers: &mut [E]) {
        let begin = self.list * numbers.len();
        // The lock is taken first: until then another optimizer's step may replace the numbers.
        let held = lock(&self.held);
        match self.lent.get() {
            Some(replaced) => numbers.copy_from_slice(&replaced[begin..][..numbers.len()]),
            None => {
                if self.machine.read(&held.memory.numbers[Space::Kept as usize], begin, numbers).is_err() {
                    numbers.fill(E::nan());
                }
            }
        }
    }

    fn place(&self) -> (*const (), usize) {
        (Arc::as_ptr(&self.lent).cast(), self.list)
    }
}

/// A batch, as it is given to a step.
struct Batch<'a, E> {
    inputs: &'a [E],
    purpose: Purpose,
    noise: Option<Noise>,
    /// The number of the first sample.
    first: usize,
}

impl<E: Float, M: Machine<E>> Fused<E, M> {
    /// Whether every layer of a network has kernels.
    pub fn takes(network: &Architecture) -> bool {
        Planner::new(Purpose::outputs(1, Precision::Float32)).network(network).is_some()
    }

    /// Makes the memory ready for a batch, and copies it there.
    fn admit(&self, held: &mut Held<E, M>, batch: &Batch<'_, E>) -> Result<(), Error> {
        if held.ready.as_ref().is_none_or(|ready| ready.purpose != batch.purpose) {
            self.turn_to(held, batch.purpose)?;
        }
        self.machine.write(held.memory.space(Space::Given), 0, batch.inputs)?;
        let (seed, first) = (batch.noise.map_or(0, Noise::seed), batch.first as u64);
        let words: [i32; SEED] = [seed, seed >> 32, first, first >> 32].map(|word| word as u32 as i32);
        self.machine.write_table(&mut held.memory.table, &words)
    }

    /// Makes the memory ready for a step, which is new or has rested.
    fn turn_to(&self, held: &mut Held<E, M>, purpose: Purpose) -> Result<(), Error> {
        if let Some(mut last) = held.ready.take() {
            last.change_places(&mut held.memory);
            held.resting.push(last);
        }
        let mut step = match held.resting.iter().position(|step| step.purpose == purpose) {
            Some(at) => held.resting.remove(at),
            None => self.prepare(&mut held.resting, purpose)?,
        };
        step.change_places(&mut held.memory);
        held.ready = Some(step);
        Ok(())
    }

    /// Plans a step and makes room for it, of those that have rested the longest if need be.
    fn prepare(&self, resting: &mut Vec<Step<E, M>>, purpose: Purpose) -> Result<Step<E, M>, Error> {
        let mut planner = Planner::new(purpose);
        let Some(output) = planner.network(&self.network) else {
            return Err(refused("planning the network", "a layer has no kernels for this engine"));
        };
        let mut plan = planner.finish(output);
        if i32::try_from(plan.largest.max(self.scalars[0])).is_err() {
            return Err(refused("planning the network", "of this batch a layer makes more numbers than 31 bits can count"));
        }
        resting.drain(..resting.len().saturating_sub(RESTING));
        let needed = ((plan.given + plan.work) * size_of::<E>() + plan.table.len() * size_of::<i32>()) as u64;
        while let Some(free) = self.machine.free()?.filter(|&free| free < needed) {
            if resting.is_empty() {
                return Err(Error::Memory { needed, free });
            }
            resting.remove(0);
        }
        let gradients = Call::Zero { at: Place { space: Space::Gradients, begin: 0 }, count: self.scalars[0] };
        if self.scalars[0] > 0 {
            plan.backward.insert(0, gradients);
        }
        let constants: Vec<E> = plan.constants.iter().map(|&number| E::of(number)).collect();
        let sizes = [plan.given, plan.work, constants.len()].map(|size| size.max(1));
        let mut numbers = [self.machine.room(sizes[0])?, self.machine.room(sizes[1])?, self.machine.room(sizes[2])?];
        self.machine.write(&mut numbers[2], 0, &constants)?;
        let table = self.machine.table(&plan.table)?;
        Ok(Step { purpose, plan, recordings: Vec::new(), numbers, table })
    }

    /// Runs a part of the step that the memory is ready for.
    fn run(&self, held: &mut Held<E, M>, way: Way, calls: impl FnOnce(&Plan) -> Vec<Call>) -> Result<(), Error> {
        let Held { memory, ready: Some(ready), .. } = held else { unreachable!("a step was prepared") };
        let recording = ready.recording(way, |plan| self.machine.record(memory, &calls(plan)))?;
        self.machine.replay(memory, recording)
    }

    /// Numbers in the machine's memory.
    fn read(&self, memory: &mut Memory<E, M>, at: Place, count: usize) -> Result<Vec<E>, Error> {
        let mut numbers = vec![E::zero(); count];
        self.machine.read(memory.space(at.space), at.begin, &mut numbers)?;
        Ok(numbers)
    }

    /// The outputs of a batch.
    fn forward(&self, held: &mut Held<E, M>, batch: &Batch<'_, E>) -> Result<Vec<E>, Error> {
        self.admit(held, batch)?;
        self.run(held, Way::There, |plan| plan.forward.clone())?;
        let Held { memory, ready: Some(ready), .. } = held else { unreachable!("a step was prepared") };
        self.read(memory, ready.plan.output, batch.purpose.samples * self.network.output.numel())
    }

    /// Leaves the gradients of a batch in the machine's memory, and the loss too unless it was computed here.
    fn differentiate(&self, held: &mut Held<E, M>, batch: &Batch<'_, E>, objective: Objective<'_, E, M::Device>) -> Result<Option<E>, Error> {
        let criterion = if let Objective::ByParts(loss) = &objective { loss.criterion() } else { None };
        if let Some(criterion) = criterion {
            self.differentiate_there(held, batch, &criterion)?;
            return Ok(None);
        }
        let outputs = self.forward(held, batch)?;
        let (loss, d_outputs) = match objective {
            Objective::ByParts(loss) => by_parts(loss, &outputs, batch.purpose.samples),
            Objective::OnTape(loss) => on_tape(loss, &self.device, outputs)?,
        };
        let Held { memory, ready: Some(ready), .. } = &mut *held else { unreachable!("a step was prepared") };
        let to = ready.plan.d_output;
        self.machine.write(memory.space(to.space), to.begin, &d_outputs)?;
        self.run(held, Way::Back, |plan| plan.backward.clone())?;
        Ok(Some(loss))
    }

    /// There and back without a stop.
    fn differentiate_there(&self, held: &mut Held<E, M>, batch: &Batch<'_, E>, criterion: &Criterion<E>) -> Result<(), Error> {
        self.admit(held, batch)?;
        let Held { memory, ready: Some(ready), .. } = &mut *held else { unreachable!("a step was prepared") };
        let to = ready.plan.scored.targets;
        self.machine.write(memory.space(to.space), to.begin, &criterion.targets)?;
        let (kernel, scale) = (criterion.kernel, criterion.scale.f64());
        self.run(held, Way::Both(kernel, scale), |plan| {
            let loss = plan.scored.calls(&kernel, scale, [plan.output, plan.d_output]);
            plan.forward.iter().cloned().chain(loss).chain(plan.backward.iter().cloned()).collect()
        })
    }

    /// The loss that [`Fused::differentiate`] has returned or left.
    fn loss(&self, held: &mut Held<E, M>, here: Option<E>) -> Result<E, Error> {
        if let Some(loss) = here {
            return Ok(loss);
        }
        let Held { memory, ready: Some(ready), .. } = held else { unreachable!("a step was prepared") };
        Ok(self.read(memory, ready.plan.scored.loss, 1)?[0])
    }

    /// The parameters' gradients.
    fn d_parameters(&self, held: &mut Held<E, M>) -> Result<Vec<E>, Error> {
        self.read(&mut held.memory, Place { space: Space::Gradients, begin: 0 }, self.scalars[0])
    }

    /// The numbers that are in a part of the memory as they were written; a machine that cannot read them any more has none.
    fn held(&self, space: Space, count: usize) -> Vec<E> {
        let mut held = lock(&self.held);
        self.read(&mut held.memory, Place { space, begin: 0 }, count).unwrap_or_default()
    }

    /// A step of an optimizer against the gradients in the machine's memory.
    fn update(&mut self, optimizer: &mut dyn Optimizer<E>) -> Result<(), Error> {
        match optimizer.begin(self.scalars[0], Changes::default())? {
            Some(pass) => self.update_there(pass),
            None => {
                let (mut parameters, gradients) = (self.parameters(), self.d_parameters(&mut lock(&self.held))?);
                optimizer.update(&mut parameters, &gradients)?;
                self.set_parameters(&parameters)
            }
        }
    }

    /// A step of an optimizer that moves each parameter by itself, where the parameters are.
    fn update_there(&self, pass: Pass<'_, E>) -> Result<(), Error> {
        let ((kernel, coefficients), lists) = (pass.rule.kernel(), pass.rule.keeps());
        let changes = match pass.changes.kernels(self.scalars[0])? {
            Some(changes) => changes,
            None => {
                self.change_here(&pass.changes)?;
                Vec::new()
            }
        };
        let mut kept: Vec<&mut Kept<E>> = pass.kept.into_iter().flatten().take(lists).collect();
        if !self.has(&kept) {
            self.take_over(&mut kept)?;
        }
        let mut held = lock(&self.held);
        let Held { memory, update: last, .. } = &mut *held;
        self.machine.write(memory.space(Space::Coefficients), 0, &coefficients)?;
        let update = Update { kernel, changes };
        if last.as_ref().is_none_or(|(last, _)| *last != update) {
            let recording = self.machine.record(memory, &update.calls(self.scalars[0]))?;
            *last = Some((update, recording));
        }
        last.iter().try_for_each(|(_, recording)| self.machine.replay(memory, recording))
    }

    /// Makes changes of the gradients that have no kernels.
    fn change_here(&self, changes: &Changes<'_, E>) -> Result<(), Error> {
        let (parameters, mut held) = (self.parameters(), lock(&self.held));
        let mut gradients = self.d_parameters(&mut held)?;
        changes.make(&parameters, &mut gradients)?;
        self.machine.write(held.memory.space(Space::Gradients), 0, &gradients)
    }

    /// Whether what an optimizer keeps is here already.
    fn has(&self, kept: &[&mut Kept<E>]) -> bool {
        let held = lock(&self.held);
        let lent = held.lent.as_ref().map(|lent| Arc::as_ptr(lent).cast());
        kept.iter().enumerate().all(|(list, kept)| kept.place().is_some_and(|place| Some(place) == lent.map(|lent| (lent, list))))
    }

    /// Takes what an optimizer keeps, in the place of what another one has.
    fn take_over(&self, kept: &mut [&mut Kept<E>]) -> Result<(), Error> {
        let numbers: Vec<E> = kept.iter_mut().flat_map(|kept| kept.here().clone()).collect();
        let (mut held, lent) = (lock(&self.held), Arc::new(Lent::new()));
        // Nobody asks for numbers whose optimizer is gone, or has them again.
        if let Some(replaced) = held.lent.take().filter(|lent| Arc::strong_count(lent) > 1) {
            let at = Place { space: Space::Kept, begin: 0 };
            let count = held.lists * self.scalars[0];
            let _ = replaced.set(self.read(&mut held.memory, at, count)?);
        }
        if held.lists != kept.len() {
            *held.memory.space(Space::Kept) = self.machine.room(numbers.len().max(1))?;
            held.lists = kept.len();
            held.update = None;
        }
        self.machine.write(held.memory.space(Space::Kept), 0, &numbers)?;
        held.lent = Some(Arc::clone(&lent));
        for (list, kept) in kept.iter_mut().enumerate() {
            kept.lend(Arc::new(Taken { machine: self.machine.clone(), held: Arc::clone(&self.held), lent: Arc::clone(&lent), list }));
        }
        Ok(())
    }

    fn set(&mut self, space: Space, numbers: &[E]) -> Result<(), Error> {
        self.machine.write(lock(&self.held).memory.space(space), 0, numbers)
    }

    fn outputs(&self, inputs: &[E], samples: usize) -> Result<Vec<E>, Error> {
        if samples == 0 {
            return Ok(Vec::new());
        }
        let purpose = Purpose::outputs(samples, self.precision);
        self.forward(&mut lock(&self.held), &Batch { inputs, purpose, noise: None, first: 0 })
    }
}

/// Something that this engine cannot do and another one can.
fn refused(during: &'static str, why: &str) -> Error {
    Error::Device { during, message: format!("{why}; the engine `Portable` can do it") }
}

/// What is held, also if somebody's loss has panicked: each step writes what it reads.
fn lock<T>(held: &Mutex<T>) -> MutexGuard<'_, T> {
    held.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A loss that is computed on the host, and its gradient.
fn by_parts<E: Float>(loss: &dyn ByParts<E>, outputs: &[E], samples: usize) -> (E, Vec<E>) {
    let mut d_outputs = vec![E::zero(); outputs.len()];
    (loss.part(0..samples, outputs, &mut d_outputs), d_outputs)
}

impl<E: Float, M: Machine<E>> Engine<E, M::Device> for Fused<E, M> {
    fn new(device: &M::Device, network: Architecture, state: State<E>) -> Result<Self, Error> {
        if !Self::takes(&network) {
            return Err(refused("planning the network", "a layer has no kernels for this engine"));
        }
        let machine = M::of(device)?;
        let scalars = [state.parameters.len(), state.buffers.len()];
        let room = |count: usize| machine.room(count.max(1));
        let memory = Memory {
            numbers: [room(scalars[0])?, room(scalars[0])?, room(scalars[1])?, room(0)?, room(ROOM)?, room(0)?, room(0)?, room(0)?],
            table: machine.table(&[0; SEED])?,
        };
        let mut engine = Fused {
            machine,
            device: device.clone(),
            network,
            precision: Precision::default(),
            scalars,
            held: Arc::new(Mutex::new(Held { memory, ready: None, resting: Vec::new(), update: None, lent: None, lists: 0 })),
        };
        engine.set_parameters(&state.parameters)?;
        engine.set_buffers(&state.buffers)?;
        Ok(engine)
    }

    fn parameters(&self) -> Vec<E> {
        self.held(Space::Parameters, self.scalars[0])
    }

    fn set_parameters(&mut self, parameters: &[E]) -> Result<(), Error> {
        self.set(Space::Parameters, parameters)
    }

    fn buffers(&self) -> Vec<E> {
        self.held(Space::Buffers, self.scalars[1])
    }

    fn set_buffers(&mut self, buffers: &[E]) -> Result<(), Error> {
        self.set(Space::Buffers, buffers)
    }

    fn infer(&self, inputs: Flat<E, M::Device>, samples: usize) -> Result<Flat<E, M::Device>, Error> {
        let outputs = self.outputs(&inputs.as_vec(), samples)?;
        let shape = (outputs.len(),);
        self.device.try_tensor_from_vec(outputs, shape).map_err(Error::device("making a tensor of the outputs"))
    }

    fn predict(&self, inputs: &[E], samples: usize) -> Result<Vec<E>, Error> {
        self.outputs(inputs, samples)
    }

    fn attention(&self, inputs: Flat<E, M::Device>, samples: usize) -> Result<Vec<AttentionMap<E>>, Error> {
        if samples == 0 {
            return Ok(Vec::new());
        }
        let (inputs, purpose) = (inputs.as_vec(), Purpose { shows: true, ..Purpose::outputs(samples, self.precision) });
        let mut held = lock(&self.held);
        self.forward(&mut held, &Batch { inputs: &inputs, purpose, noise: None, first: 0 })?;
        let shown = held.ready.as_ref().map(|ready| ready.plan.shown.clone()).unwrap_or_default();
        let map = |Shown { at, sizes: [heads, queries, keys] }: &Shown| {
            let weights = self.read(&mut held.memory, *at, samples * heads * queries * keys)?;
            Ok(AttentionMap { heads: *heads, queries: *queries, keys: *keys, weights })
        };
        shown.iter().map(map).collect()
    }

    fn set_precision(&mut self, precision: Precision) {
        let is_single = size_of::<E>() == size_of::<f32>();
        self.precision = if is_single { precision } else { Precision::Float32 };
    }

    fn objective<'a>(loss: &'a (impl ByParts<E> + OnTape<E, M::Device>)) -> Objective<'a, E, M::Device> {
        Objective::ByParts(loss)
    }

    fn train_share(
        &mut self,
        inputs: &[E],
        share: &Share<'_>,
        noise: Option<Noise>,
        objective: Objective<'_, E, M::Device>,
        optimizer: &mut dyn Optimizer<E>,
    ) -> Result<E, Error> {
        if share.normalized_over().is_some() && self.scalars[1] > 0 && noise.is_some() {
            return Err(refused("normalizing over all ranks", "this engine normalizes over the samples of a rank, `Normalized::OverRank`"));
        }
        let batch = || {
            let purpose = Purpose { training: noise.is_some(), ..Purpose::outputs(share.len(), self.precision) };
            Batch { inputs, purpose, noise, first: share.samples.start }
        };
        let Some(ranks) = share.ranks else {
            let loss = self.differentiate(&mut lock(&self.held), &batch(), objective)?;
            self.update(optimizer)?;
            return self.loss(&mut lock(&self.held), loss);
        };
        let (loss, mut gradients) = if share.is_empty() {
            (E::zero(), vec![E::zero(); self.scalars[0]])
        } else {
            let mut held = lock(&self.held);
            let loss = self.differentiate(&mut held, &batch(), objective)?;
            (self.loss(&mut held, loss)?, self.d_parameters(&mut held)?)
        };
        let loss = ranks.sum(&mut gradients, loss, &[0], &mut |_, _, _| ());
        self.set(Space::Gradients, &gradients)?;
        self.update(optimizer)?;
        Ok(loss)
    }

    fn gradients(
        &mut self,
        inputs: &[E],
        samples: usize,
        noise: Option<Noise>,
        objective: Objective<'_, E, M::Device>,
    ) -> Result<Gradients<E>, Error> {
        let buffers = self.buffers();
        let purpose = Purpose { training: noise.is_some(), d_input: true, ..Purpose::outputs(samples, self.precision) };
        let mut held = lock(&self.held);
        let loss = self.differentiate(&mut held, &Batch { inputs, purpose, noise, first: 0 }, objective)?;
        let (loss, parameters) = (self.loss(&mut held, loss)?, self.d_parameters(&mut held)?);
        let d_input = held.ready.as_ref().and_then(|ready| ready.plan.d_input);
        let inputs = match d_input {
            Some(at) => self.read(&mut held.memory, at, inputs.len())?,
            None => vec![E::zero(); inputs.len()],
        };
        drop(held);
        self.set_buffers(&buffers)?;
        Ok(Gradients { loss, inputs, parameters })
    }
}
