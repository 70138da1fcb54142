//! Models: networks with parameters, on a machine.

use crate::cpu::Observe;
use crate::data::{Dataset, MiniBatch, Target};
use crate::engine::{Architecture, AttentionMap, Backend, Engine, Flat, Gradients, Objective, Precision, State, TapedScalar};
use crate::error::Error;
use crate::float::Float;
use crate::group::{Alone, Share};
use crate::learn::{Bound, ByTape, Loss, Optimizer, Scheme, init, summed};
use crate::noise::Noise;
use crate::statistics::Statistics;
use crate::types::{Batch, Network, Plain, Sample, check};
use core::marker::PhantomData;
use dfdx::prelude::AutoDevice;
use dfdx::shapes::Dim;
use dfdx::tensor::{OwnedTape, Tensor};

/// A network with parameters: it computes, learns, and is saved and loaded.
///
/// `N` is the network's type, `E` its numbers, `D` the machine it is on. Shapes are types at this door: `forward` takes
/// and returns dfdx tensors of the network's input and output shape. `G` is the engine that runs it, by default the
/// fastest one for the machine: on the CPU the static one, which allocates nothing while it trains.
///
/// # Examples
/// ```
/// use formwork::prelude::*;
///
/// #[network([2] => [1])]
/// type Xor = (Linear<2, 8>, Tanh, Linear<8, 1>);
///
/// let inputs = vec![0.0, 0.0, 0.0, 1.0, 1.0, 0.0, 1.0, 1.0];
/// let data = Dataset::<Rank1<2>, Values<Rank1<1>>>::new(inputs, vec![0.0, 1.0, 1.0, 0.0]).unwrap();
///
/// let mut model = Model::<Xor>::new(0);
/// let mut optimizer = Adam::new(0.05);
/// for _ in 0..300 {
///     model.train(&data.all(), &BceWithLogits, &mut optimizer).unwrap();
/// }
/// assert!(model.evaluate(&data, &BceWithLogits).unwrap() < 0.1);
/// ```
pub struct Model<N: Network, E: Float = f32, D: Backend<E> = AutoDevice, G: Engine<E, D> = <D as Backend<E>>::Engine> {
    pub(crate) engine: G,
    device: D,
    /// Where the random numbers of training come from; each step has its own.
    noise: Noise,
    steps: u64,
    network: PhantomData<fn() -> (N, E)>,
}

impl<N: Network, E: Float, D: Backend<E>, G: Engine<E, D>> core::fmt::Debug for Model<N, E, D, G> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "Model<{}>({} parameters, {} steps)", N::NAME, N::SCALARS, self.steps)
    }
}

impl<N: Network, E: Float, D: Backend<E>> Model<N, E, D> {
    /// A model on the default device, its parameters drawn at random; the same seed gives the same model, and the same
    /// training.
    ///
    /// # Panics
    /// If there is no such device, or it cannot hold the parameters; see [`device`](crate::device) and [`Model::try_new`].
    pub fn new(seed: u64) -> Self {
        Self::on(&D::open().unwrap_or_else(|error| panic!("{error}")), seed)
    }

    /// A model on a device.
    ///
    /// # Panics
    /// If the device cannot hold the parameters; see [`Model::try_new`].
    pub fn on(device: &D, seed: u64) -> Self {
        Self::with_scheme(device, seed, Scheme::default())
    }

    /// A model whose weights are drawn by another scheme.
    ///
    /// # Panics
    /// If the device cannot hold the parameters; see [`Model::try_new`].
    pub fn with_scheme(device: &D, seed: u64, scheme: Scheme) -> Self {
        Self::try_new(device, seed, scheme).unwrap_or_else(|error| panic!("{error}"))
    }
}

impl<N: Network, E: Float, D: Backend<E>, G: Engine<E, D>> Model<N, E, D, G> {
    /// A model with a seed and a scheme, and an engine of one's choice.
    ///
    /// # Errors
    /// Those of the device.
    pub fn try_new(device: &D, seed: u64, scheme: Scheme) -> Result<Self, Error> {
        // What `#[network]` proves at `cargo check`, for networks that were written otherwise.
        const { check::<N>() };
        let parameters = init::initial(&N::parameters(), scheme, seed);
        let buffers = init::initial(&N::buffers(), scheme, seed);
        let engine = G::new(device, Architecture::of::<N>(), State { parameters, buffers })?;
        Ok(Model { engine, device: device.clone(), noise: Noise::new(seed), steps: 0, network: PhantomData })
    }

    /// The device the model is on.
    pub fn device(&self) -> &D {
        &self.device
    }

    /// How many threads to use at most. Results do not depend on it.
    pub fn set_threads(&mut self, threads: usize) {
        self.engine.set_threads(threads);
    }

    /// How numbers of 32 bits are multiplied from here on: by the engine [`Fused`](crate::gpu::Fused) on a GPU in TF32, if that is asked for.
    /// Other engines multiply them as they are.
    pub fn set_precision(&mut self, precision: Precision) {
        self.engine.set_precision(precision);
    }

    /// All parameters in a row, in the order of [`Network::parameters`].
    pub fn parameters(&self) -> Vec<E> {
        self.engine.parameters()
    }

    /// Takes other parameters.
    ///
    /// # Errors
    /// [`Error::Count`] if there are not as many; those of the device.
    pub fn set_parameters(&mut self, parameters: &[E]) -> Result<(), Error> {
        if parameters.len() != N::SCALARS {
            return Err(Error::Count { what: "parameters", expected: N::SCALARS, given: parameters.len() });
        }
        self.engine.set_parameters(parameters)
    }

    /// All buffers in a row, in the order of [`Network::buffers`]: what layers such as batch norm write while they are trained.
    pub fn buffers(&self) -> Vec<E> {
        self.engine.buffers()
    }

    /// Takes other buffers.
    ///
    /// # Errors
    /// [`Error::Count`] if there are not as many; those of the device.
    pub fn set_buffers(&mut self, buffers: &[E]) -> Result<(), Error> {
        let expected = self.engine.buffers().len();
        if buffers.len() != expected {
            return Err(Error::Count { what: "buffers", expected, given: buffers.len() });
        }
        self.engine.set_buffers(buffers)
    }

    /// What the network makes of a batch, without the randomness of training.
    ///
    /// # Shapes
    /// `[B, ..input] -> [B, ..output]`, where `B` is a `usize` or a `Const`; of a network with something beside its input or
    /// output a tuple of tensors, in the order of the source.
    ///
    /// # Panics
    /// If the device fails or token ids are none; see [`Model::try_forward`].
    ///
    /// # Examples
    /// ```
    /// use formwork::prelude::*;
    ///
    /// #[network([1, 8, 8] => [10])]
    /// type Reader = (Flatten, Linear<64, 10>);
    ///
    /// let model = Model::<Reader>::new(0);
    /// let images = model.device().zeros_like(&(5, Const, Const, Const)); // [B, C, H, W]
    /// let logits: Tensor<(usize, Const<10>), f32, _> = model.forward(images);
    /// assert_eq!(logits.shape().0, 5);
    /// ```
    pub fn forward<B: Dim>(&self, inputs: <N::Input as Sample>::Tensors<B, E, D>) -> <N::Output as Sample>::Tensors<B, E, D> {
        self.try_forward::<B>(inputs).unwrap_or_else(|error| panic!("{error}"))
    }

    /// [`Model::forward`], with errors as values.
    ///
    /// # Errors
    /// Those of the device, [`Error::Id`] for token ids that are none, and [`Error::Count`] for parts of different batches.
    pub fn try_forward<B: Dim>(&self, inputs: <N::Input as Sample>::Tensors<B, E, D>) -> Result<<N::Output as Sample>::Tensors<B, E, D>, Error> {
        let (flat, batch) = N::Input::flat::<B, E, D>(inputs, &self.device)?;
        let outputs = self.engine.infer(flat, batch.size())?;
        N::Output::tensors(outputs, batch)
    }

    /// What the network makes of the samples of a batch, as plain numbers, sample by sample.
    ///
    /// # Errors
    /// Those of the device.
    pub fn predict<T: Target>(&self, batch: &MiniBatch<N::Input, T, E>) -> Result<Vec<E>, Error> {
        self.engine.predict(batch.inputs(), batch.len())
    }

    /// The weights of all layers of attention, in the order in which a sample comes to them, for the samples of a batch: who looks
    /// at whom, to be drawn.
    ///
    /// # Errors
    /// Those of the device.
    ///
    /// # Examples
    /// ```
    /// use formwork::prelude::*;
    ///
    /// #[network([ids < 27; 5] => [5, 8])]
    /// type Reader = (Embedding<27, 8>, Residual<CausalSelfAttention<8, 2>>);
    ///
    /// let model = Model::<Reader>::new(0);
    /// let words = Dataset::<Ids<27, Rank1<5>>, Class<1>>::new(vec![8, 5, 12, 12, 15], vec![0]).unwrap();
    /// let maps = model.attention(&words.all()).unwrap();
    /// assert_eq!((maps.len(), maps[0].heads), (1, 2));
    /// // The first letter sees itself alone.
    /// assert_eq!(maps[0].mean(0)[..5], [1.0, 0.0, 0.0, 0.0, 0.0]);
    /// ```
    pub fn attention<T: Target>(&self, batch: &MiniBatch<N::Input, T, E>) -> Result<Vec<AttentionMap<E>>, Error> {
        if batch.is_empty() {
            return Ok(Vec::new());
        }
        self.engine.attention(self.upload(batch)?, batch.len())
    }

    fn upload<T: Target>(&self, batch: &MiniBatch<N::Input, T, E>) -> Result<Flat<E, D>, Error> {
        let inputs = batch.inputs();
        self.device.try_tensor_from_vec(inputs.to_vec(), (inputs.len(),)).map_err(Error::device("copying the inputs to it"))
    }

    /// The mean loss over a data set, without the randomness of training.
    ///
    /// # Errors
    /// Those of the device.
    pub fn evaluate<T: Target, L: Loss<N::Output, T>>(&self, data: &Dataset<N::Input, T, E>, loss: &L) -> Result<E, Error> {
        let mut sum = 0.0;
        self.each_output(data, &Alone, |outputs, targets| sum += summed(loss, outputs, targets))?;
        Ok(E::of(sum / data.len().max(1) as f64))
    }

    /// One step of an optimizer on a batch; returns the loss before it.
    ///
    /// # Errors
    /// Those of the device, [`Error::Count`] for a batch of no samples, and [`Error::Optimizer`] if the optimizer has begun with
    /// another number of parameters.
    pub fn train<T: Target, L: Loss<N::Output, T>>(
        &mut self,
        batch: &MiniBatch<N::Input, T, E>,
        loss: &L,
        optimizer: &mut impl Optimizer<E>,
    ) -> Result<E, Error> {
        not_empty(batch)?;
        self.train_share(batch, &Share::whole(batch.len()), loss, optimizer)
    }

    /// One step of an optimizer on a batch that several ranks have, each its share; returns the loss of the whole batch.
    ///
    /// # Errors
    /// Those of [`Model::train`], but that a share may have no samples.
    pub(crate) fn train_share<T: Target, L: Loss<N::Output, T>>(
        &mut self,
        batch: &MiniBatch<N::Input, T, E>,
        share: &Share<'_>,
        loss: &L,
        optimizer: &mut impl Optimizer<E>,
    ) -> Result<E, Error> {
        let objective = Bound::<L, N::Output, T, E>::share(loss, batch.targets(), batch.len(), share.batch);
        let noise = self.next_noise();
        self.engine.train_share(batch.inputs(), share, noise, G::objective(&objective), optimizer)
    }

    /// One step of an optimizer on a loss of one's own, written in dfdx operations on the output, which is on a tape.
    ///
    /// # Errors
    /// Those of the device, [`Error::Count`] for a batch of no samples, and [`Error::Optimizer`] if the optimizer has begun with
    /// another number of parameters.
    ///
    /// # Examples
    /// ```
    /// use dfdx::prelude::*;
    /// use formwork::prelude::{Linear, Model, Net, Sgd, Dataset, Values};
    ///
    /// type Line = Net<Linear<2, 1>, Rank1<2>, Rank1<1>>;
    /// let data = Dataset::<Rank1<2>, Values<Rank1<1>>>::new(vec![1.0, 2.0], vec![3.0]).unwrap();
    /// let mut model = Model::<Line>::new(0);
    /// // The mean of |y - 3|.
    /// let loss = model.train_with(&data.all(), |y| (y - 3.0).abs().mean(), &mut Sgd::new(0.01)).unwrap();
    /// assert!(loss > 0.0);
    /// ```
    pub fn train_with<T: Target>(
        &mut self,
        batch: &MiniBatch<N::Input, T, E>,
        loss: impl Fn(Tensor<Batch<usize, N::Output>, E, D, OwnedTape<E, D>>) -> TapedScalar<E, D> + Sync,
        optimizer: &mut impl Optimizer<E>,
    ) -> Result<E, Error>
    where
        N::Output: Plain,
    {
        not_empty(batch)?;
        let objective = ByTape { loss: &loss, samples: batch.len(), output: PhantomData::<fn() -> N::Output> };
        let noise = self.next_noise();
        self.engine.train(batch.inputs(), batch.len(), noise, Objective::OnTape(&objective), optimizer)
    }

    /// The loss of a batch and all its gradients, as the next step of training would see them; the model stays as it is.
    ///
    /// # Errors
    /// Those of the device, and [`Error::Count`] for a batch of no samples.
    pub fn gradients<T: Target, L: Loss<N::Output, T>>(&mut self, batch: &MiniBatch<N::Input, T, E>, loss: &L) -> Result<Gradients<E>, Error> {
        not_empty(batch)?;
        let objective = Bound::<L, N::Output, T, E>::new(loss, batch.targets(), batch.len());
        self.engine.gradients(batch.inputs(), batch.len(), Some(self.noise.split(self.steps + 1)), G::objective(&objective))
    }

    /// Signals and gradients of a batch, layer by layer, as the next step of training would see them; the model stays as it is.
    ///
    /// For looking at, and not for every step: it copies the parameters to the CPU and computes there, whatever the model's
    /// engine is.
    ///
    /// # Errors
    /// Those of the device, and [`Error::Count`] for a batch of no samples.
    ///
    /// # Examples
    /// ```
    /// use formwork::prelude::*;
    ///
    /// #[network([2] => [1])]
    /// type Xor = (Linear<2, 8>, Tanh, Linear<8, 1>);
    ///
    /// let inputs = vec![0.0, 0.0, 0.0, 1.0, 1.0, 0.0, 1.0, 1.0];
    /// let data = Dataset::<Rank1<2>, Values<Rank1<1>>>::new(inputs, vec![0.0, 1.0, 1.0, 0.0]).unwrap();
    /// let statistics = Model::<Xor>::new(0).statistics(&data.all(), &BceWithLogits).unwrap();
    /// println!("{statistics}");
    /// assert_eq!(statistics.layers[0].name, "0");
    /// assert!(statistics.layers[0].weight_gradient.is_some_and(|norm| norm > 0.0));
    /// ```
    pub fn statistics<T: Target, L: Loss<N::Output, T>>(&self, batch: &MiniBatch<N::Input, T, E>, loss: &L) -> Result<Statistics, Error>
    where
        E: Observe,
    {
        not_empty(batch)?;
        let objective = Bound::<L, N::Output, T, E>::new(loss, batch.targets(), batch.len());
        let state = State { parameters: self.parameters(), buffers: self.buffers() };
        let noise = self.noise.split(self.steps + 1);
        E::statistics(Architecture::of::<N>(), state, (batch.inputs(), batch.len()), noise, &objective)
    }

    /// How many steps were made, and where their random numbers come from.
    pub(crate) fn progress(&self) -> (u64, Noise) {
        (self.steps, self.noise)
    }

    /// Goes on after so many steps.
    pub(crate) fn set_progress(&mut self, steps: u64, noise: Noise) {
        (self.steps, self.noise) = (steps, noise);
    }

    fn next_noise(&mut self) -> Option<Noise> {
        self.steps += 1;
        Some(self.noise.split(self.steps))
    }
}

/// Nothing is learned from no samples, and their mean is none.
fn not_empty<I: Sample, T: Target, E: Float>(batch: &MiniBatch<I, T, E>) -> Result<(), Error> {
    if batch.is_empty() { Err(Error::Count { what: "samples of a batch", expected: 1, given: 0 }) } else { Ok(()) }
}
