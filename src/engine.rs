//! What runs a network: the seam between models and machines.

use crate::error::Error;
use crate::float::Float;
use crate::group::Share;
use crate::learn::{LossKernel, Optimizer};
use crate::noise::Noise;
use crate::types::{Dims, Network, Parts, Sample, Spec};
use core::ops::Range;
use dfdx::prelude::{Backward as _, Trace};
use dfdx::shapes::Rank0;
use dfdx::tensor::{AutoDevice, Cpu, OwnedTape, Tensor};
use dfdx::tensor_ops::Device;

/// A machine that models run on, and the engine that it runs them with unless told otherwise.
#[diagnostic::on_unimplemented(message = "models do not run on `{Self}`", label = "expected a dfdx device: `Cpu`, `Cuda` or `AutoDevice`")]
pub trait Backend<E: Float>: Device<E> {
    /// The fastest engine for this machine.
    type Engine: Engine<E, Self>;

    /// The first machine of this kind.
    ///
    /// # Errors
    /// [`Error::NoDevice`] if there is none, and [`Error::Device`] if it cannot be used as it is.
    fn open() -> Result<Self, Error>;
}

/// [`Backend`] for a device: the number types, the engine, and how the device is opened.
macro_rules! backend {
    ($D:ty: $($E:ident => $G:ty),*; $open:expr) => {
        $(
            impl Backend<$E> for $D {
                type Engine = $G;

                fn open() -> Result<Self, Error> {
                    $open
                }
            }
        )*
    };
}
backend!(Cpu: f32 => crate::cpu::Static<f32>, f64 => crate::cpu::Static<f64>; Ok(Cpu::default()));
#[cfg(feature = "cuda")]
backend!(dfdx::tensor::Cuda: f32 => crate::portable::Portable<f32, Self>, f64 => crate::portable::Portable<f64, Self>; crate::portable::cuda::open());

/// The device that models are on unless told otherwise: with the feature `cuda` the first GPU, or that of the rank, and
/// without it the processor.
///
/// # Errors
/// [`Error::NoDevice`] if there is none, and [`Error::Device`] if it cannot be used as it is.
///
/// # Examples
/// ```no_run
/// use formwork::prelude::*;
///
/// #[network([3] => [2])]
/// type Line = Linear<3, 2>;
///
/// # fn main() -> Result<(), Error> {
/// let model = Model::<Line>::on(&formwork::device()?, 0);
/// # Ok(()) }
/// ```
pub fn device() -> Result<AutoDevice, Error> {
    Backend::<f32>::open()
}

/// Numbers in a row on a device; the shape is known elsewhere.
pub type Flat<E, D, T = dfdx::tensor::NoneTape> = Tensor<(usize,), E, D, T>;

/// A loss on dfdx's tape.
pub type TapedScalar<E, D> = Tensor<Rank0, E, D, OwnedTape<E, D>>;

/// What is to be made small, bound to the targets of a batch.
pub enum Objective<'a, E: Float, D: Device<E>> {
    /// In plain numbers, some samples at a time; an engine whose numbers are elsewhere copies the outputs to the host.
    ByParts(&'a dyn ByParts<E>),
    /// In dfdx operations, the whole batch at once.
    OnTape(&'a dyn OnTape<E, D>),
}

/// A loss that is a sum over the samples of a batch, with a gradient of its own.
pub trait ByParts<E>: Sync {
    /// The share that some samples of the batch have in the loss; writes the gradient of the loss with respect to their
    /// outputs.
    fn part(&self, samples: Range<usize>, outputs: &[E], d_outputs: &mut [E]) -> E;

    /// All of it as a kernel is asked for it, by engines that have kernels; none where a loss has none.
    fn criterion(&self) -> Option<Criterion<E>> {
        None
    }
}

/// What the kernel of a loss is given.
pub struct Criterion<E> {
    pub(crate) kernel: LossKernel,
    pub(crate) targets: Vec<E>,
    pub(crate) scale: E,
}

/// A loss that dfdx differentiates.
pub trait OnTape<E: Float, D: Device<E>>: Sync {
    /// The loss of the whole batch in dfdx operations.
    ///
    /// # Errors
    /// Those of the device.
    fn taped(&self, outputs: Flat<E, D, OwnedTape<E, D>>) -> Result<TapedScalar<E, D>, D::Err>;
}

/// The loss of some outputs on dfdx's tape, and its gradient with respect to them.
pub(crate) fn on_tape<E: Float, D: Device<E>>(loss: &dyn OnTape<E, D>, device: &D, outputs: Vec<E>) -> Result<(E, Vec<E>), Error> {
    const DIFFERENTIATING: &str = "differentiating the loss";
    let shape = (outputs.len(),);
    let outputs: Flat<E, D> = device.try_tensor_from_vec(outputs, shape).map_err(Error::device("copying the outputs to it"))?;
    let taped = loss.taped(outputs.leaky_trace()).map_err(Error::device("computing the loss"))?;
    let value = taped.as_vec()[0];
    let mut gradients = taped.try_backward().map_err(Error::device(DIFFERENTIATING))?;
    gradients.try_alloc_for(&outputs).map_err(Error::device(DIFFERENTIATING))?;
    Ok((value, gradients.get(&outputs).as_vec()))
}

/// The loss of a batch and all its gradients, in plain numbers: for checks and for looking at.
#[derive(Clone, Debug, PartialEq)]
pub struct Gradients<E> {
    /// The loss.
    pub loss: E,
    /// With respect to the inputs, sample by sample.
    pub inputs: Vec<E>,
    /// With respect to the parameters, in the order of the flat buffer.
    pub parameters: Vec<E>,
}

/// The weights that a layer of attention has given to keys: for looking at. A query's weights sum to one, or are all zero where
/// it sees no key.
#[derive(Clone, Debug, PartialEq)]
pub struct AttentionMap<E> {
    /// `H`.
    pub heads: usize,
    /// `T`, how many places attend.
    pub queries: usize,
    /// `S`, how many places are attended to.
    pub keys: usize,
    /// `[B, H, T, S]`, sample by sample.
    pub weights: Vec<E>,
}

impl<E: Float> AttentionMap<E> {
    /// Of no samples.
    pub(crate) fn empty([heads, queries, keys]: [usize; 3]) -> Self {
        AttentionMap { heads, queries, keys, weights: Vec::new() }
    }

    /// The weights in one head of one sample, `[T, S]`; both are counted from 0 and are there.
    pub fn head(&self, sample: usize, head: usize) -> &[E] {
        let numel = self.queries * self.keys;
        &self.weights[(sample * self.heads + head) * numel..][..numel]
    }

    /// The mean over the heads of one sample, `[T, S]`.
    pub fn mean(&self, sample: usize) -> Vec<E> {
        let mut mean = vec![E::zero(); self.queries * self.keys];
        for head in 0..self.heads {
            mean.iter_mut().zip(self.head(sample, head)).for_each(|(sum, &weight)| *sum += weight / E::of(self.heads as f64));
        }
        mean
    }
}

/// A network as values: what an engine is made for.
#[derive(Clone, Copy)]
pub struct Architecture {
    /// The layers.
    pub spec: &'static Spec,
    /// What a sample is, which fits the layers.
    pub input: Parts<Dims>,
    /// What it becomes.
    pub output: Parts<Dims>,
}

impl Architecture {
    /// A network's type as values.
    pub const fn of<N: Network + ?Sized>() -> Self {
        Architecture { spec: N::SPEC, input: N::Input::PARTS, output: N::Output::PARTS }
    }
}

/// The numbers that belong to a network, in the order of [`parameters`](crate::types::parameters) and
/// [`buffers`](crate::types::buffers).
#[derive(Clone, Debug, PartialEq)]
pub struct State<E> {
    /// What an optimizer moves.
    pub parameters: Vec<E>,
    /// What layers write themselves.
    pub buffers: Vec<E>,
}

/// How an engine multiplies numbers of 32 bits, in dense layers, convolutions and recurrent ones: what
/// [`torch.set_float32_matmul_precision`](https://docs.pytorch.org/docs/stable/generated/torch.set_float32_matmul_precision.html) calls
/// `highest` and `high`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Precision {
    /// As they are.
    #[default]
    Float32,
    /// Factors are rounded to TF32, 11 bits of 24, which is what tensor cores multiply, and their products are summed in 32 bits: a product
    /// is off by `2⁻¹⁰` of itself at most. Cards before Ampere (compute capability 8.0) have none, and multiply numbers as they are.
    Tf32,
}

/// Runs one network: holds its parameters where the machine wants them, and knows its own way forward and back.
pub trait Engine<E: Float, D: Device<E>>: Sized {
    /// An engine for a network with these numbers.
    ///
    /// # Errors
    /// Those of the device.
    fn new(device: &D, network: Architecture, state: State<E>) -> Result<Self, Error>;

    /// The parameters as plain numbers.
    fn parameters(&self) -> Vec<E>;

    /// Takes other parameters, as many as there are.
    ///
    /// # Errors
    /// Those of the device.
    fn set_parameters(&mut self, parameters: &[E]) -> Result<(), Error>;

    /// The buffers as plain numbers.
    fn buffers(&self) -> Vec<E>;

    /// Takes other buffers, as many as there are.
    ///
    /// # Errors
    /// Those of the device.
    fn set_buffers(&mut self, buffers: &[E]) -> Result<(), Error>;

    /// What some samples become, without randomness.
    ///
    /// # Errors
    /// Those of the device.
    fn infer(&self, inputs: Flat<E, D>, samples: usize) -> Result<Flat<E, D>, Error>;

    /// The same from plain numbers to plain numbers.
    ///
    /// # Errors
    /// Those of the device.
    fn predict(&self, inputs: &[E], samples: usize) -> Result<Vec<E>, Error>;

    /// The weights of all layers of attention, in order, for some samples.
    ///
    /// # Errors
    /// Those of the device.
    fn attention(&self, inputs: Flat<E, D>, samples: usize) -> Result<Vec<AttentionMap<E>>, Error>;

    /// A loss that can be had either way, in the way that this engine wants it: the other one is not even compiled.
    fn objective<'a>(loss: &'a (impl ByParts<E> + OnTape<E, D>)) -> Objective<'a, E, D>;

    /// One step of an optimizer; returns the loss before it. With noise the network is being trained: it drops numbers, and
    /// normalises by the statistics of the batch.
    ///
    /// # Errors
    /// Those of the device, and [`Error::Optimizer`].
    fn train(
        &mut self,
        inputs: &[E],
        samples: usize,
        noise: Option<Noise>,
        objective: Objective<'_, E, D>,
        optimizer: &mut dyn Optimizer<E>,
    ) -> Result<E, Error> {
        self.train_share(inputs, &Share::whole(samples), noise, objective, optimizer)
    }

    /// The same step, made by several ranks together: each is given the samples of its share, and an objective whose values and
    /// gradients add up, over the ranks, to those of the whole batch.
    ///
    /// # Errors
    /// As for [`Engine::train`].
    fn train_share(
        &mut self,
        inputs: &[E],
        share: &Share<'_>,
        noise: Option<Noise>,
        objective: Objective<'_, E, D>,
        optimizer: &mut dyn Optimizer<E>,
    ) -> Result<E, Error>;

    /// The loss and its gradients, with the parameters and buffers left as they are.
    ///
    /// # Errors
    /// Those of the device.
    fn gradients(&mut self, inputs: &[E], samples: usize, noise: Option<Noise>, objective: Objective<'_, E, D>) -> Result<Gradients<E>, Error>;

    /// How numbers of 32 bits are multiplied from here on; engines that know one way only take no notice, and neither do numbers of 64.
    fn set_precision(&mut self, precision: Precision) {
        let _ = precision;
    }

    /// How many threads to use at most; engines that do not run on threads of this process take no notice.
    fn set_threads(&mut self, threads: usize) {
        let _ = threads;
    }
}
