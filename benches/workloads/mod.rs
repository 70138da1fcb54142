//! The networks that speed is measured on, and steps of them on random data that stay the same.
//!
//! Parameters have the names of `benches/peers.py`, so that a file of one is read by the other.

pub mod random;

use formwork::data::Target;
use formwork::engine::Precision;
use formwork::prelude::*;
use random::Random;
use std::hint::black_box;
use std::marker::PhantomData;
use std::path::Path;

#[network([784] => [10])]
pub type Mlp = (Linear<784, 128>, Relu, Linear<128, 10>);

#[network([1, 28, 28] => [10])]
#[rustfmt::skip]
pub type Cnn = (
    Conv2d<1, 8, 3>, Relu, MaxPool2d<2>,
    Conv2d<8, 16, 3>, Relu, MaxPool2d<2>,
    Flatten, Linear<400, 64>, Relu, Linear<64, 10>,
);

#[network([28, 28] => [10])]
pub struct LastOfLstm {
    lstm: Last<Lstm<28, 128>>,
    head: Linear<128, 10>,
}

#[network([64, 128] => [64, 128])]
pub type Encoder = TransformerEncoderLayer<128, 4, 512, PreNorm, Gelu>;

#[block]
type Twice<const I: usize, const O: usize> =
    (NoBias<Conv2d<I, O, 3, 1, 1>>, BatchNorm2d<O>, Relu, NoBias<Conv2d<O, O, 3, 1, 1>>, BatchNorm2d<O>, Relu);

#[block]
type Level<const C: usize, Below> =
    (SkipConcat<(MaxPool2d<2>, Twice<C, { 2 * C }>, Below, ConvTranspose2d<{ 2 * C }, C, 2, 2>)>, Twice<{ 2 * C }, C>);

#[network([1, 64, 64] => [2, 64, 64])]
pub type UNet = (Twice<1, 16>, Level<16, Level<32, Level<64, ()>>>, Conv2d<16, 2, 1>);

/// All of them, in the order of the tables, with so many times the samples that their names say.
pub fn all(times: usize) -> Vec<Box<dyn Workload>> {
    vec![
        classes::<Mlp>("mlp_train_b1", times),
        classes::<Mlp>("mlp_train_b64", 64 * times),
        classes::<Mlp>("mlp_train_b256", 256 * times),
        classes::<Cnn>("cnn_train_b64", 64 * times),
        classes::<Cnn>("cnn_train_b128", 128 * times),
        Box::new(Infer { name: "cnn_infer_b1", samples: times }),
        Box::new(Infer { name: "cnn_infer_b64", samples: 64 * times }),
        classes::<LastOfLstm>("lstm_train_b32", 32 * times),
        train::<Encoder, Values<Rank2<64, 128>>, _, _>("encoder_train_b16", 16 * times, Mse, || Adam::new(LEARNING_RATE)),
        train::<UNet, Labels<Const<2>, Rank2<64, 64>>, _, _>("unet_train_b8", 8 * times, CrossEntropy::default(), || Adam::new(LEARNING_RATE)),
    ]
}

/// The models that are measured: with the feature `cuda` the engine with kernels of our own, which no model has by default yet.
#[cfg(not(feature = "cuda"))]
type Measured<N> = Model<N>;
#[cfg(feature = "cuda")]
type Measured<N> = Model<N, f32, AutoDevice, formwork::gpu::Fused<f32, formwork::gpu::Card>>;

/// How a step is done.
#[derive(Clone, Copy, Default)]
pub struct How {
    /// Up to so many threads, or as many as there are.
    pub threads: Option<usize>,
    pub precision: Precision,
}

/// What is done again and again.
pub type Step = Box<dyn FnMut()>;

/// The loss and the gradient of each parameter, or the output of a network, by name.
pub type Numbers = Vec<(String, Vec<f32>)>;

/// One line of the tables.
pub trait Workload {
    fn name(&self) -> &'static str;

    /// One step of training or one inference.
    ///
    /// # Errors
    /// Those of the device.
    fn step(&self, how: How) -> Result<Step, Error>;

    /// What the network makes of a batch with the parameters of a file: classes are given as numbers too.
    fn numbers(&self, parameters: &Path, inputs: Vec<f32>, targets: &[f32]) -> Result<Numbers, Error>;
}

const LEARNING_RATE: f64 = 1e-3;
const SEED: u64 = 0;

/// A kind of target that can be drawn at random, and be read from a file.
pub trait Drawn: Target {
    fn drawn(random: &mut Random, count: usize) -> Vec<Self::Number<f32>>;
    fn read(numbers: &[f32]) -> Vec<Self::Number<f32>>;
}

impl<C: ConstDim, S: Plain> Drawn for Labels<C, S> {
    fn drawn(random: &mut Random, count: usize) -> Vec<usize> {
        random.classes(count, C::SIZE)
    }

    fn read(numbers: &[f32]) -> Vec<usize> {
        numbers.iter().map(|&class| class as usize).collect()
    }
}

impl<S: Plain> Drawn for Values<S> {
    fn drawn(random: &mut Random, count: usize) -> Vec<f32> {
        random.normals(count)
    }

    fn read(numbers: &[f32]) -> Vec<f32> {
        numbers.to_vec()
    }
}

/// A step of training.
pub struct Train<N, T, L, O> {
    name: &'static str,
    samples: usize,
    loss: L,
    optimizer: fn() -> O,
    kind: PhantomData<fn() -> (N, T)>,
}

/// A workload that trains.
pub fn train<N, T, L, O>(name: &'static str, samples: usize, loss: L, optimizer: fn() -> O) -> Box<dyn Workload>
where
    N: Network<Input: Sample<Numbers<f32> = Vec<f32>>>,
    T: Drawn,
    L: Loss<N::Output, T> + Copy + 'static,
    O: Optimizer<f32> + 'static,
{
    Box::new(Train::<N, T, L, O> { name, samples, loss, optimizer, kind: PhantomData })
}

fn classes<N: Network<Input: Sample<Numbers<f32> = Vec<f32>>, Output = Rank1<10>>>(name: &'static str, samples: usize) -> Box<dyn Workload> {
    train::<N, Class<10>, _, _>(name, samples, CrossEntropy::default(), || Sgd::new(LEARNING_RATE))
}

impl<N, T, L, O> Workload for Train<N, T, L, O>
where
    N: Network<Input: Sample<Numbers<f32> = Vec<f32>>>,
    T: Drawn,
    L: Loss<N::Output, T> + Copy + 'static,
    O: Optimizer<f32> + 'static,
{
    fn name(&self) -> &'static str {
        self.name
    }

    fn step(&self, how: How) -> Result<Step, Error> {
        let mut random = Random::new(SEED);
        let (inputs, targets) = (random.normals(self.samples * N::Input::WIDTH), T::drawn(&mut random, self.samples * T::PER_SAMPLE));
        let batch = MiniBatch::<N::Input, T>::new(inputs, targets)?;
        let (mut model, mut optimizer, loss) = (model::<N>(how)?, (self.optimizer)(), self.loss);
        Ok(Box::new(move || {
            let loss = model.train(black_box(&batch), &loss, &mut optimizer);
            black_box(loss.expect("the batch has samples, and the device computes"));
        }))
    }

    fn numbers(&self, parameters: &Path, inputs: Vec<f32>, targets: &[f32]) -> Result<Numbers, Error> {
        let mut model = model::<N>(How::default())?;
        model.load(parameters)?;
        let gradients = model.gradients(&MiniBatch::<N::Input, T>::new(inputs, T::read(targets))?, &self.loss)?;
        let of_parameter = |param: formwork::types::NamedParam| {
            let numbers = gradients.parameters[param.range()].to_vec();
            (param.name, numbers)
        };
        let loss = ("loss".to_owned(), vec![gradients.loss]);
        Ok(core::iter::once(loss).chain(N::parameters().into_iter().map(of_parameter)).collect())
    }
}

/// An inference of the [`Cnn`].
struct Infer {
    name: &'static str,
    samples: usize,
}

impl Workload for Infer {
    fn name(&self) -> &'static str {
        self.name
    }

    fn step(&self, how: How) -> Result<Step, Error> {
        let (model, pixels) = (model::<Cnn>(how)?, Random::new(SEED).normals(self.samples * 784));
        if cfg!(feature = "cuda") {
            // From the host to the host, as a tensor's numbers would go twice.
            let batch = MiniBatch::<Rank3<1, 28, 28>, Class<10>>::new(pixels, vec![0; self.samples])?;
            return Ok(Box::new(move || drop(black_box(model.predict(black_box(&batch)).expect("the device computes")))));
        }
        let images = images(&model, pixels);
        // The tensor's numbers are shared, not copied.
        Ok(Box::new(move || drop(black_box(model.forward::<usize>(black_box(&images).clone())))))
    }

    fn numbers(&self, parameters: &Path, inputs: Vec<f32>, _: &[f32]) -> Result<Numbers, Error> {
        let mut model = model::<Cnn>(How::default())?;
        model.load(parameters)?;
        let outputs = model.try_forward::<usize>(images(&model, inputs))?;
        Ok(vec![("output".to_owned(), outputs.as_vec())])
    }
}

fn images(model: &Measured<Cnn>, pixels: Vec<f32>) -> Tensor<Batch<usize, Rank3<1, 28, 28>>, f32, AutoDevice> {
    let samples = pixels.len() / 784;
    model.device().tensor_from_vec(pixels, (samples, Const, Const, Const))
}

fn model<N: Network>(how: How) -> Result<Measured<N>, Error> {
    let mut model = Measured::<N>::try_new(&formwork::device()?, SEED, Scheme::default())?;
    if let Some(threads) = how.threads {
        model.set_threads(threads);
    }
    model.set_precision(how.precision);
    Ok(model)
}
