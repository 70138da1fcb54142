//! Runs a network in dfdx operations.

use super::memory::has_room;
use super::ranks::OverRanks;
use super::var::{Shown, Written, another};
use super::{Index, Site, Var};
use crate::engine::{Architecture, AttentionMap, ByParts, Engine, Flat, Gradients, Objective, OnTape, State, TapedScalar};
use crate::error::Error;
use crate::float::Float;
use crate::group::Share;
use crate::layers::Leaf;
use crate::learn::Optimizer;
use crate::noise::Noise;
use crate::types::{Branch, Chain, Dims, Join, NamedParam, Parts, Slot, Spec, Tied, buffers, leaves, parameters};
use core::marker::PhantomData;
use dfdx::prelude::{Backward, SplitTape, SumTo, TensorFromVec, Trace, TryAdd, TryMul};
use dfdx::tensor::{OwnedTape, Tape};
use dfdx::tensor_ops::Device;
use std::sync::{Arc, OnceLock};

/// The portable lowering on a dfdx device.
pub struct Portable<E: Float, D: Device<E>> {
    device: D,
    network: Architecture,
    params: Vec<Flat<E, D>>,
    buffers: Vec<Flat<E, D>>,
    /// One index for each leaf, in order.
    indices: Vec<Arc<OnceLock<Index<D>>>>,
    /// The most samples that a step was found to have room for.
    roomy: usize,
}

/// What layers are differentiated by. They are run on this one alone, since code for another takes as long again to compile.
type History<E, D> = OwnedTape<E, D>;

/// A walk over the layers: how far it has come.
struct Walk<'a, E: Float, D: Device<E>> {
    engine: &'a Portable<E, D>,
    /// How many parameters and buffers lie behind.
    at: [usize; 2],
    leaves: usize,
    training: Option<&'a Training>,
    notes: &'a Notes<E, D>,
    /// Whether there will be a way back. Without one, what a layer has kept for it goes when its output is there.
    returns: bool,
}

/// What layers are told when they are trained.
struct Training {
    noise: Noise,
    /// The number of the first sample in the batch.
    first: usize,
    ranks: Option<OverRanks>,
}

impl Training {
    /// With a batch that is all here.
    fn alone(noise: Noise) -> Self {
        Training { noise, first: 0, ranks: None }
    }
}

/// What layers write down on a way through the network, besides what they make of their input.
struct Notes<E: Float, D: Device<E>> {
    written: Written<E, D>,
    /// `None` where nobody looks.
    shown: Option<Shown<E>>,
}

impl<E: Float, D: Device<E>> Notes<E, D> {
    fn new() -> Self {
        Notes { written: Written::default(), shown: None }
    }
}

impl<E: Float, D: Device<E>> Walk<'_, E, D> {
    fn run(&mut self, spec: &Spec, x: Parts<Var<E, D, History<E, D>>>) -> Result<Parts<Var<E, D, History<E, D>>>, D::Err> {
        match spec.unnamed() {
            Spec::Leaf(leaf) => self.run_leaf(leaf, x),
            Spec::Chain(Chain { fields }) => fields.iter().try_fold(x, |x, field| self.run(field.spec, x)),
            Spec::Branch(branch) => self.run_branch(branch, x),
            Spec::Repeat(repeat) => {
                let begin = self.at;
                (0..repeat.times).try_fold(x, |x, _| {
                    if repeat.shared {
                        self.at = begin;
                    }
                    self.run(repeat.body, x)
                })
            }
            Spec::Tied(Tied { fields: [first, body, last] }) => {
                let begin = self.at;
                let x = self.run(first.spec, x)?;
                let x = self.run(body.spec, x)?;
                let end = core::mem::replace(&mut self.at, begin);
                let y = self.run(last.spec, x)?;
                self.at = end;
                Ok(y)
            }
            Spec::Encode { body } => self.run_encode(body, x),
            Spec::Named { .. } | Spec::Misfit { .. } => unreachable!("a network is checked before it is lowered"),
        }
    }

    fn run_leaf(&mut self, leaf: &Leaf, x: Parts<Var<E, D, History<E, D>>>) -> Result<Parts<Var<E, D, History<E, D>>>, D::Err> {
        let [begin, first] = self.at;
        for param in (0..).map_while(|i| leaf.param(i)) {
            self.at[usize::from(!param.is_trained())] += 1;
        }
        self.leaves += 1;
        let site = Site {
            params: &self.engine.params[begin..self.at[0]],
            buffers: &self.engine.buffers[first..self.at[1]],
            written: Some((first, &self.notes.written)),
            shown: self.notes.shown.as_ref(),
            // Counted as the static plan counts, so that both drop the same numbers.
            noise: self.training.map(|training| (training.noise.split(self.leaves as u64), training.first)),
            ranks: self.training.and_then(|training| training.ranks.as_ref()),
            index: &self.engine.indices[self.leaves - 1],
            device: &self.engine.device,
            tape: PhantomData,
        };
        let y = checked(leaf.infer(dims(&x)));
        let y = leaf.portable(&site, x, y)?;
        if self.returns { Ok(y) } else { y.try_map_x(|x| Ok(x.forgetting())) }
    }

    fn run_branch(&mut self, branch: &Branch, x: Parts<Var<E, D, History<E, D>>>) -> Result<Parts<Var<E, D, History<E, D>>>, D::Err> {
        let (mut joined, sides): (Option<Var<E, D, History<E, D>>>, _) = (None, fork(&x));
        let forks: Vec<_> = branch.fields.iter().skip(1).map(|_| fork(&x)).collect();
        for (field, x) in branch.fields.iter().zip(core::iter::once(x).chain(forks)) {
            let y = gathered(self.run(field.spec, x)?);
            joined = Some(match joined {
                None => y,
                Some(sum) => {
                    let dims = checked(branch.join.infer(("", sum.dims()), ("", y.dims())));
                    join(branch.join, sum, y, dims)?
                }
            });
        }
        let Some(joined) = joined else { unreachable!("a branch has fields") };
        sides.try_map_x(|_| Ok(joined))
    }

    /// The history of the memory goes over to the value, whose way it has crossed.
    fn run_encode(&mut self, body: &Spec, mut x: Parts<Var<E, D, History<E, D>>>) -> Result<Parts<Var<E, D, History<E, D>>>, D::Err> {
        let padding = x.beside(Slot::MemoryPadding).map(Var::fork);
        let Some(memory) = x.take(Slot::Memory) else { unreachable!("a network is checked before it is lowered") };
        let mut encoded = Parts::new(memory);
        encoded.put(Slot::Padding, padding);
        let memory = gathered(self.run(body, encoded)?);
        let (value, memory) = x.x.absorb(memory);
        x.x = value;
        x.put(Slot::Memory, Some(memory));
        Ok(x)
    }
}

fn checked<T, X>(inferred: Result<T, X>) -> T {
    inferred.unwrap_or_else(|_| unreachable!("a network is checked before it is lowered"))
}

fn dims<E: Float, D: Device<E>, T: Tape<E, D>>(x: &Parts<Var<E, D, T>>) -> Parts<Dims> {
    x.map_ref(|x| x.dims())
}

fn fork<E: Float, D: Device<E>, T: Tape<E, D>>(x: &Parts<Var<E, D, T>>) -> Parts<Var<E, D, T>> {
    x.map_ref(Var::fork)
}

/// The value, with the history of all that is beside it.
fn gathered<E: Float, D: Device<E>, T: Tape<E, D>>(x: Parts<Var<E, D, T>>) -> Var<E, D, T> {
    let mut parts = x.into_list();
    let Some(x) = parts.next() else { unreachable!("there is a value to work on") };
    parts.fold(x, |x, side| x.absorb(side).0)
}

/// The join of two branches, of shape `y`. The second is another tensor than the first, even where both are the input: a
/// gradient cannot be borrowed twice.
fn join<E: Float, D: Device<E>, T: Tape<E, D>>(how: Join, a: Var<E, D, T>, b: Var<E, D, T>, y: Dims) -> Result<Var<E, D, T>, D::Err> {
    match how {
        Join::Add => {
            let samples = a.samples();
            Var::new(a.flat().try_add(another(b.flat())?)?, samples, y)
        }
        Join::Concat => Ok(a.beside(b)?.with_dims(y)),
    }
}

impl<E: Float, D: Device<E>> Portable<E, D> {
    fn run(
        &self,
        inputs: &Flat<E, D>,
        samples: usize,
        training: Option<&Training>,
        notes: &Notes<E, D>,
    ) -> Result<Flat<E, D, History<E, D>>, D::Err> {
        let walk = Walk { engine: self, at: [0, 0], leaves: 0, training, notes, returns: true };
        self.walk(walk, inputs.leaky_trace(), samples)
    }

    /// The network with tensors that are somebody else's: parameters and buffers.
    pub(crate) fn of(device: &D, network: Architecture, [params, buffers]: [Vec<Flat<E, D>>; 2]) -> Self {
        let indices = leaves(network.spec).iter().map(|_| Arc::default()).collect();
        Portable { device: device.clone(), network, params, buffers, indices, roomy: 0 }
    }

    /// What the network makes of inputs with a history, and which buffers its layers have written.
    #[allow(clippy::type_complexity, reason = "two values, and each of them has a name")]
    pub(crate) fn taped(
        &self,
        inputs: Flat<E, D, History<E, D>>,
        samples: usize,
        noise: Option<Noise>,
    ) -> Result<(Flat<E, D, History<E, D>>, Vec<(usize, Flat<E, D>)>), D::Err> {
        let (notes, training) = (Notes::new(), noise.map(Training::alone));
        let walk = Walk { engine: self, at: [0, 0], leaves: 0, training: training.as_ref(), notes: &notes, returns: true };
        let outputs = self.walk(walk, inputs, samples)?;
        Ok((outputs, notes.written.into_inner()))
    }

    /// Without noise, and without a way back.
    fn show(&self, inputs: &Flat<E, D>, samples: usize, notes: &Notes<E, D>) -> Result<Flat<E, D>, D::Err> {
        let walk = Walk { engine: self, at: [0, 0], leaves: 0, training: None, notes, returns: false };
        Ok(self.walk(walk, inputs.leaky_trace(), samples)?.split_tape().0)
    }

    fn walk(&self, mut walk: Walk<'_, E, D>, inputs: Flat<E, D, History<E, D>>, samples: usize) -> Result<Flat<E, D, History<E, D>>, D::Err> {
        let x = self.parts(inputs, samples)?;
        let y = walk.run(self.network.spec, x)?;
        self.outputs(y)
    }

    /// The parts of the inputs; the first one has the history of all.
    fn parts<T: Tape<E, D>>(&self, inputs: Flat<E, D, T>, samples: usize) -> Result<Parts<Var<E, D, T>>, D::Err> {
        let input = self.network.input;
        if input.numel() == input.x.numel() {
            return Ok(Parts::new(Var::new(inputs, samples, input.x)?));
        }
        let all = Var::new(inputs, samples, Dims::new(&[input.numel()]))?;
        let mut parts = Parts::new(all.fork().columns(0, input.x)?);
        for slot in Slot::ALL.into_iter().filter(|&slot| input.beside(slot).is_some()) {
            let (begin, dims) = input.place(Some(slot));
            let (x, side) = parts.x.absorb(all.fork().columns(begin, dims)?);
            parts.x = x;
            parts.put(slot, Some(side));
        }
        let (x, _) = parts.x.absorb(all);
        parts.x = x;
        Ok(parts)
    }

    /// The declared parts of the outputs, one behind the other.
    fn outputs<T: Tape<E, D>>(&self, mut y: Parts<Var<E, D, T>>) -> Result<Flat<E, D, T>, D::Err> {
        let declared = self.network.output;
        let mut sides = Vec::new();
        for slot in Slot::ALL {
            let Some(side) = y.take(slot) else { continue };
            let (x, side) = y.x.absorb(side);
            y.x = x;
            if declared.beside(slot).is_some() {
                sides.push(side);
            }
        }
        Ok(sides.into_iter().try_fold(y.x, Var::beside)?.flat())
    }

    /// Takes over what layers have written into their buffers.
    fn keep(&mut self, written: Written<E, D>) {
        for (i, numbers) in written.into_inner() {
            self.buffers[i] = numbers;
        }
    }

    fn upload(&self, numbers: &[E]) -> Result<Flat<E, D>, Error> {
        self.device.try_tensor_from_vec(numbers.to_vec(), (numbers.len(),)).map_err(Error::device("copying numbers to it"))
    }
}

/// The numbers of each tensor.
fn split<'a, E>(tensors: &'a [NamedParam], numbers: &'a [E]) -> impl Iterator<Item = &'a [E]> {
    tensors.iter().map(|tensor| &numbers[tensor.range()])
}

const LOSS: &str = "computing the loss";
const DIFFERENTIATING: &str = "differentiating the network";

/// The loss of a batch, and its gradients on the device, of which those are copied that somebody asks for.
struct Back<E: Float, D: Device<E>> {
    loss: E,
    gradients: dfdx::tensor::Gradients<E, D>,
}

impl<E: Float, D: Device<E>> Back<E, D> {
    /// With respect to all numbers of some tensors, in order.
    fn gradients_of(&mut self, tensors: &[Flat<E, D>]) -> Result<Vec<E>, Error> {
        let of = |tensor: &Flat<E, D>| {
            self.gradients.try_alloc_for(tensor).map_err(Error::device(DIFFERENTIATING))?;
            Ok(self.gradients.get(tensor).as_vec())
        };
        Ok(tensors.iter().map(of).collect::<Result<Vec<Vec<E>>, Error>>()?.concat())
    }
}

/// A loss that is computed on the host, and a number on the tape with the same gradient.
fn by_parts<E: Float, D: Device<E>>(
    loss: &dyn ByParts<E>,
    outputs: Flat<E, D, OwnedTape<E, D>>,
    samples: usize,
) -> Result<(E, TapedScalar<E, D>), D::Err> {
    let numbers = outputs.as_vec();
    let mut d_outputs = vec![E::zero(); numbers.len()];
    let value = loss.part(0..samples, &numbers, &mut d_outputs);
    let d_outputs = outputs.device().try_tensor_from_vec(d_outputs, (numbers.len(),))?;
    Ok((value, outputs.try_mul(d_outputs)?.try_sum()?))
}

/// A loss that asks for no targets.
struct NoTargets;

impl<E: Float, D: Device<E>> OnTape<E, D> for NoTargets {
    fn taped(&self, outputs: Flat<E, D, OwnedTape<E, D>>) -> Result<TapedScalar<E, D>, D::Err> {
        outputs.try_sum()
    }
}

/// On GPUs for each number type by name, so that the engine is compiled here, once, and not again in every crate with a model.
/// On the CPU models run on another one, so there it is compiled where somebody wants it.
macro_rules! engine {
    ($E:ident on $D:ty $(, for $any:tt)?) => {
        impl$(<$any: Float>)? Engine<$E, $D> for Portable<$E, $D>
        where
            $D: Device<$E>,
        {
            fn new(device: &$D, network: Architecture, state: State<$E>) -> Result<Self, Error> {
                let indices = leaves(network.spec).iter().map(|_| Arc::default()).collect();
                let mut engine = Portable { device: device.clone(), network, params: Vec::new(), buffers: Vec::new(), indices, roomy: 0 };
                engine.set_parameters(&state.parameters)?;
                engine.set_buffers(&state.buffers)?;
                Ok(engine)
            }

            fn parameters(&self) -> Vec<$E> {
                self.params.iter().flat_map(|param| param.as_vec()).collect()
            }

            fn set_parameters(&mut self, numbers: &[$E]) -> Result<(), Error> {
                self.params = split(&parameters(self.network.spec), numbers).map(|numbers| self.upload(numbers)).collect::<Result<_, _>>()?;
                Ok(())
            }

            fn buffers(&self) -> Vec<$E> {
                self.buffers.iter().flat_map(|buffer| buffer.as_vec()).collect()
            }

            fn set_buffers(&mut self, numbers: &[$E]) -> Result<(), Error> {
                self.buffers = split(&buffers(self.network.spec), numbers).map(|numbers| self.upload(numbers)).collect::<Result<_, _>>()?;
                Ok(())
            }

            fn infer(&self, inputs: Flat<$E, $D>, samples: usize) -> Result<Flat<$E, $D>, Error> {
                self.show(&inputs, samples, &Notes::new()).map_err(Error::device("running the network"))
            }

            fn predict(&self, inputs: &[$E], samples: usize) -> Result<Vec<$E>, Error> {
                if samples == 0 {
                    return Ok(Vec::new()); // dfdx cannot read a tensor of no numbers
                }
                let shape = (inputs.len(),);
                let inputs = self.device.try_tensor_from_vec(inputs.to_vec(), shape).map_err(Error::device("copying the inputs to it"))?;
                Ok(self.infer(inputs, samples)?.as_vec())
            }

            fn attention(&self, inputs: Flat<$E, $D>, samples: usize) -> Result<Vec<AttentionMap<$E>>, Error> {
                let notes = Notes { shown: Some(Shown::default()), ..Notes::new() };
                self.show(&inputs, samples, &notes).map_err(Error::device("running the network"))?;
                Ok(notes.shown.map_or_else(Vec::new, Shown::into_inner))
            }

            fn objective<'a>(loss: &'a (impl ByParts<$E> + OnTape<$E, $D>)) -> Objective<'a, $E, $D> {
                Objective::OnTape(loss)
            }

            fn train_share(
                &mut self,
                inputs: &[$E],
                share: &Share<'_>,
                noise: Option<Noise>,
                objective: Objective<'_, $E, $D>,
                optimizer: &mut dyn Optimizer<$E>,
            ) -> Result<$E, Error> {
                let notes = Notes::new();
                let mut numbers = self.parameters();
                let training = noise.map(|noise| Training { noise, first: share.samples.start, ranks: OverRanks::of(share) });
                let (mut loss, mut gradients) = if share.is_empty() {
                    self.keep_pace(training.as_ref(), &notes)?;
                    (<$E>::default(), vec![<$E>::default(); numbers.len()])
                } else {
                    let inputs = self.admit(inputs, share.len())?;
                    let mut back = self.differentiate(&inputs, share.len(), training.as_ref(), objective, &notes)?;
                    (back.loss, back.gradients_of(&self.params)?)
                };
                if let Some(ranks) = share.ranks {
                    loss = ranks.sum(&mut gradients, loss, &[0], &mut |_, _, _| ());
                }
                optimizer.update(&mut numbers, &gradients)?;
                self.set_parameters(&numbers)?;
                self.keep(notes.written);
                Ok(loss)
            }

            fn gradients(
                &mut self,
                inputs: &[$E],
                samples: usize,
                noise: Option<Noise>,
                objective: Objective<'_, $E, $D>,
            ) -> Result<Gradients<$E>, Error> {
                let inputs = self.admit(inputs, samples)?;
                let training = noise.map(Training::alone);
                let mut back = self.differentiate(&inputs, samples, training.as_ref(), objective, &Notes::new())?;
                let parameters = back.gradients_of(&self.params)?;
                Ok(Gradients { loss: back.loss, inputs: back.gradients_of(&[inputs])?, parameters })
            }
        }

        impl$(<$any: Float>)? Portable<$E, $D>
        where
            $D: Device<$E>,
        {
            /// Copies a batch to the device, if a step has room there.
            fn admit(&mut self, inputs: &[$E], samples: usize) -> Result<Flat<$E, $D>, Error> {
                if samples > self.roomy {
                    has_room::<$E>(&self.device, &self.network, samples)?;
                    self.roomy = samples;
                }
                self.upload(inputs)
            }

            /// The part of a rank without samples in what ranks tell one another on the way: dfdx cannot compute with tensors of no
            /// numbers, so it is made with a sample of zeros, which counts for nothing.
            fn keep_pace(&mut self, training: Option<&Training>, notes: &Notes<$E, $D>) -> Result<(), Error> {
                if self.buffers.is_empty() || training.is_none_or(|training| training.ranks.is_none()) {
                    return Ok(());
                }
                let inputs = self.admit(&vec![<$E>::default(); self.network.input.numel()], 1)?;
                self.differentiate(&inputs, 1, training, Objective::OnTape(&NoTargets), notes).map(|_| ())
            }

            fn differentiate(
                &self,
                inputs: &Flat<$E, $D>,
                samples: usize,
                training: Option<&Training>,
                objective: Objective<'_, $E, $D>,
                notes: &Notes<$E, $D>,
            ) -> Result<Back<$E, $D>, Error> {
                let outputs: Flat<$E, $D, OwnedTape<$E, $D>> =
                    self.run(inputs, samples, training, notes).map_err(Error::device("running the network"))?;
                let (loss, taped) = match objective {
                    Objective::OnTape(loss) => {
                        let taped = loss.taped(outputs).map_err(Error::device(LOSS))?;
                        (taped.as_vec()[0], taped)
                    }
                    Objective::ByParts(loss) => by_parts(loss, outputs, samples).map_err(Error::device(LOSS))?,
                };
                let gradients = taped.try_backward().map_err(Error::device(DIFFERENTIATING))?;
                Ok(Back { loss, gradients })
            }
        }
    };
}
engine!(E on dfdx::tensor::Cpu, for E);
#[cfg(feature = "cuda")]
engine!(f32 on dfdx::tensor::Cuda);
#[cfg(feature = "cuda")]
engine!(f64 on dfdx::tensor::Cuda);
