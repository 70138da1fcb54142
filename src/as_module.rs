//! A network inside a model of dfdx.

use crate::engine::{Architecture, Backend, Engine, Flat};
use crate::float::Float;
use crate::learn::{Scheme, init};
use crate::model::Model;
use crate::noise::Noise;
use crate::portable::Portable;
use crate::types::{Batch, NamedParam, Network, Plain, numbers};
use core::marker::PhantomData;
use dfdx::nn::tensor_collection::{ModuleVisitor, TensorCollection, TensorOptions};
use dfdx::nn::{Module, ModuleMut};
use dfdx::prelude::{PutTape, ReshapeTo, SplitTape, Trace};
use dfdx::shapes::{ConstDim, Dim, Dtype, HasShape, Shape};
use dfdx::tensor::{Merge, NoneTape, OwnedTape, Tensor};
use dfdx::tensor_ops::Device;

/// A network as a dfdx `Module`: it stands in dfdx's tuples, and dfdx's optimizers train it.
///
/// All parameters are one tensor, in the order of [`Network::parameters`]. `forward` is without the randomness of training;
/// `forward_mut` on a tape is a step of training, with dropout and with the means of the batch.
///
/// # Shapes
/// `[B, ..input] -> [B, ..output]`, where `B` is a `usize` or a `Const`.
///
/// # Examples
/// ```
/// use dfdx::optim::{Sgd, SgdConfig};
/// use dfdx::prelude::*;
/// use formwork::AsModule;
/// use formwork::prelude::{Linear as Dense, Net, Tanh as Tangent};
///
/// type Hidden = Net<(Dense<2, 8>, Tangent), Rank1<2>, Rank1<8>>;
///
/// let device = Cpu::default();
/// let head = device.build_module::<dfdx::nn::builders::Linear<8, 1>, f32>();
/// let mut model = (AsModule::<Hidden, f32, Cpu>::new(&device, 0), head);
/// let mut optimizer = Sgd::new(&model, SgdConfig { lr: 0.1, ..Default::default() });
/// let x = device.tensor([[0.0, 0.0], [0.0, 1.0], [1.0, 0.0], [1.0, 1.0]]);
/// let y = device.tensor([[0.0], [1.0], [1.0], [0.0]]);
/// let mut losses = Vec::new();
/// for _ in 0..20 {
///     let loss = mse_loss(model.forward_mut(x.leaky_trace()), y.clone());
///     losses.push(loss.array());
///     optimizer.update(&mut model, &loss.backward()).unwrap();
/// }
/// assert!(losses[19] < losses[0]);
/// ```
#[derive(Clone, Debug)]
pub struct AsModule<N: Network, E: Dtype, D: Device<E>> {
    parameters: Tensor<(Numbers<N, true>,), E, D>,
    buffers: Tensor<(Numbers<N, false>,), E, D>,
    /// How many steps of training there were: each has random numbers of its own.
    steps: u64,
    network: PhantomData<fn() -> N>,
}

/// How many numbers the parameters of a network have, or its buffers, as the dimension of a tensor: one at least, since dfdx knows
/// no tensors of none.
pub struct Numbers<N, const TRAINED: bool>(PhantomData<fn() -> N>);

impl<N: Network, const TRAINED: bool> Numbers<N, TRAINED> {
    const COUNT: usize = numbers(N::SPEC, TRAINED);
}

impl<N, const TRAINED: bool> Clone for Numbers<N, TRAINED> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<N, const TRAINED: bool> Copy for Numbers<N, TRAINED> {}

impl<N, const TRAINED: bool> Default for Numbers<N, TRAINED> {
    fn default() -> Self {
        Numbers(PhantomData)
    }
}

impl<N, const TRAINED: bool> PartialEq for Numbers<N, TRAINED> {
    fn eq(&self, _: &Self) -> bool {
        true
    }
}

impl<N, const TRAINED: bool> Eq for Numbers<N, TRAINED> {}

impl<N, const TRAINED: bool> core::fmt::Debug for Numbers<N, TRAINED> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str(if TRAINED { "parameters" } else { "buffers" })
    }
}

impl<N: Network, const TRAINED: bool> Dim for Numbers<N, TRAINED> {
    fn size(&self) -> usize {
        Self::SIZE
    }

    fn from_size(size: usize) -> Option<Self> {
        (size == Self::SIZE).then(Self::default)
    }
}

impl<N: Network, const TRAINED: bool> ConstDim for Numbers<N, TRAINED> {
    const SIZE: usize = if Self::COUNT > 0 { Self::COUNT } else { 1 };
}

/// Numbers as a tensor, which has one at least.
fn filled<E: Float>(mut numbers: Vec<E>) -> Vec<E> {
    if numbers.is_empty() {
        numbers.push(E::zero());
    }
    numbers
}

impl<N: Network, E: Float, D: Device<E>> AsModule<N, E, D> {
    /// The network with parameters that are drawn at random, as those of [`Model::on`] with the same seed.
    ///
    /// # Panics
    /// If the device cannot hold the parameters.
    pub fn new(device: &D, seed: u64) -> Self {
        let initial = |tensors: &[NamedParam]| init::initial(tensors, Scheme::default(), seed);
        Self::of(device, [initial(&N::parameters()), initial(&N::buffers())])
    }

    /// The network with the parameters that a model has.
    ///
    /// # Panics
    /// If the device cannot hold the parameters.
    pub fn from_model<G: Engine<E, D>>(model: &Model<N, E, D, G>) -> Self
    where
        D: Backend<E>,
    {
        Self::of(model.device(), [model.parameters(), model.buffers()])
    }

    /// All parameters in a row: what [`Model::set_parameters`] takes.
    pub fn parameters(&self) -> Vec<E> {
        first(self.parameters.as_vec(), N::SCALARS)
    }

    /// All buffers in a row: what [`Model::set_buffers`] takes.
    pub fn buffers(&self) -> Vec<E> {
        first(self.buffers.as_vec(), Numbers::<N, false>::COUNT)
    }

    fn of(device: &D, numbers: [Vec<E>; 2]) -> Self {
        let [parameters, buffers] = numbers.map(filled);
        let (parameters, buffers) = (device.tensor_from_vec(parameters, Default::default()), device.tensor_from_vec(buffers, Default::default()));
        AsModule { parameters, buffers, steps: 0, network: PhantomData }
    }

    /// The network's outputs, and what its layers have written into their buffers.
    fn run(&self, x: Flat<E, D, OwnedTape<E, D>>, samples: usize, noise: Option<Noise>) -> Result<Ran<E, D>, D::Err> {
        let device = x.device().clone();
        let (x, tape) = x.split_tape();
        // The tensor of one layer is a slice of all; that it is, the tape of the input has to know.
        let all: Flat<E, D, OwnedTape<E, D>> = self.parameters.retaped::<OwnedTape<E, D>>().try_reshape_like(&(Numbers::<N, true>::SIZE,))?;
        let (all, history) = all.split_tape();
        let mut tape = tape.merge(history);
        let mut parameters = Vec::new();
        for tensor in N::parameters() {
            let part: Flat<E, D, OwnedTape<E, D>> = all.retaped::<OwnedTape<E, D>>().try_slice((tensor.range(),))?;
            let (part, history) = part.split_tape();
            tape = tape.merge(history);
            parameters.push(part);
        }
        let kept: Flat<E, D> = self.buffers.clone().try_reshape_like(&(Numbers::<N, false>::SIZE,))?;
        let buffers = N::buffers().iter().map(|tensor| kept.clone().try_slice((tensor.range(),))).collect::<Result<_, _>>()?;
        Portable::of(&device, Architecture::of::<N>(), [parameters, buffers]).taped(x.put_tape(tape), samples, noise)
    }
}

type Ran<E, D> = (Flat<E, D, OwnedTape<E, D>>, Vec<(usize, Flat<E, D>)>);

/// The shape of a batch: what says how many samples there are, and what one of them is.
pub trait Batched: Shape {
    /// How many.
    type Samples: Dim;
    /// What one is.
    type Sample: Plain;
}

macro_rules! batched {
    ($($D:ident)*) => {
        impl<Samples: Dim, $($D: ConstDim),*> Batched for (Samples, $($D,)*) {
            type Samples = Samples;
            type Sample = ($($D,)*);
        }
    };
}
batched!();
batched!(A);
batched!(A B);
batched!(A B C);
batched!(A B C D);
batched!(A B C D E);

fn samples<S: Batched>(shape: &S) -> S::Samples {
    let size = shape.concrete().into_iter().next().unwrap_or(0);
    S::Samples::from_size(size).unwrap_or_else(|| unreachable!("the size of a batch is its first dimension"))
}

impl<N, S, E, D> Module<Tensor<S, E, D, OwnedTape<E, D>>> for AsModule<N, E, D>
where
    N: Network<Input = S::Sample, Output: Plain>,
    S: Batched,
    E: Float,
    D: Device<E>,
{
    type Output = Tensor<Batch<S::Samples, N::Output>, E, D, OwnedTape<E, D>>;
    type Error = D::Err;

    fn try_forward(&self, x: Tensor<S, E, D, OwnedTape<E, D>>) -> Result<Self::Output, D::Err> {
        let samples = samples(x.shape());
        let numbers = x.shape().num_elements();
        let (y, _) = self.run(x.try_reshape_like(&(numbers,))?, samples.size(), None)?;
        y.try_reshape_like(&N::Output::batch(samples))
    }
}

impl<N, S, E, D> Module<Tensor<S, E, D, NoneTape>> for AsModule<N, E, D>
where
    N: Network<Input = S::Sample, Output: Plain>,
    S: Batched,
    E: Float,
    D: Device<E>,
{
    type Output = Tensor<Batch<S::Samples, N::Output>, E, D, NoneTape>;
    type Error = D::Err;

    fn try_forward(&self, x: Tensor<S, E, D, NoneTape>) -> Result<Self::Output, D::Err> {
        Ok(Module::try_forward(self, x.leaky_trace())?.split_tape().0)
    }
}

impl<N, S, E, D> ModuleMut<Tensor<S, E, D, OwnedTape<E, D>>> for AsModule<N, E, D>
where
    N: Network<Input = S::Sample, Output: Plain>,
    S: Batched,
    E: Float,
    D: Device<E>,
{
    type Output = Tensor<Batch<S::Samples, N::Output>, E, D, OwnedTape<E, D>>;
    type Error = D::Err;

    fn try_forward_mut(&mut self, x: Tensor<S, E, D, OwnedTape<E, D>>) -> Result<Self::Output, D::Err> {
        let samples = samples(x.shape());
        let numbers = x.shape().num_elements();
        self.steps += 1;
        let noise = Noise::new(0).split(self.steps);
        let (y, written) = self.run(x.try_reshape_like(&(numbers,))?, samples.size(), Some(noise))?;
        if !written.is_empty() {
            let (tensors, mut buffers) = (N::buffers(), self.buffers.as_vec());
            written.into_iter().for_each(|(i, numbers)| buffers[tensors[i].range()].copy_from_slice(&numbers.as_vec()));
            self.buffers.copy_from(&buffers);
        }
        y.try_reshape_like(&N::Output::batch(samples))
    }
}

impl<N, S, E, D> ModuleMut<Tensor<S, E, D, NoneTape>> for AsModule<N, E, D>
where
    N: Network<Input = S::Sample, Output: Plain>,
    S: Batched,
    E: Float,
    D: Device<E>,
{
    type Output = Tensor<Batch<S::Samples, N::Output>, E, D, NoneTape>;
    type Error = D::Err;

    fn try_forward_mut(&mut self, x: Tensor<S, E, D, NoneTape>) -> Result<Self::Output, D::Err> {
        Module::try_forward(self, x)
    }
}

fn first<E>(mut numbers: Vec<E>, count: usize) -> Vec<E> {
    numbers.truncate(count);
    numbers
}

/// What `reset_params` does: draws numbers anew, always the same.
fn reset<E: Float, D: Device<E>, S: Shape>(tensors: &[NamedParam], tensor: &mut Tensor<S, E, D>) -> Result<(), D::Err> {
    tensor.copy_from(&filled(init::initial::<E>(tensors, Scheme::default(), 0)));
    Ok(())
}

impl<N: Network, E: Float, D: Device<E>> TensorCollection<E, D> for AsModule<N, E, D> {
    type To<E2: Dtype, D2: Device<E2>> = AsModule<N, E2, D2>;

    fn iter_tensors<V: ModuleVisitor<Self, E, D>>(visitor: &mut V) -> Result<Option<Self::To<V::E2, V::D2>>, V::Err> {
        let parameters = TensorOptions::reset_with(|tensor| reset(&N::parameters(), tensor));
        let kept = TensorOptions::detached(|tensor| reset(&N::buffers(), tensor));
        visitor.visit_fields(
            (
                Self::tensor("parameters", |module| &module.parameters, |module| &mut module.parameters, parameters),
                Self::tensor("buffers", |module| &module.buffers, |module| &mut module.buffers, kept),
            ),
            |(parameters, buffers)| AsModule { parameters, buffers, steps: 0, network: PhantomData },
        )
    }
}
