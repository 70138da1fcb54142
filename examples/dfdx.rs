//! Expect a test accuracy of about 0.95, of the worse of two networks: 0.942 to 0.967 for seeds 0 to 4.
//!
//! formwork and dfdx in each other: a convolutional network, which dfdx has on nightly Rust only, inside a model that dfdx
//! trains; and a module that was written for dfdx as a layer of a network that formwork trains, saves and loads.
//!
//! ```text
//! cargo run --release --example dfdx
//! cargo run --release --example dfdx -- --help
//! ```

use dfdx::nn::{Module, modules};
use dfdx::prelude::{Device, Tape};
use formwork::data::digits::{self, Digits};
use formwork::layers::custom::*;
use formwork::prelude::*;
use in_dfdx::Gated;
use std::process::ExitCode;

/// What is done in the words of dfdx, with its prelude, which has a `Linear` too.
mod in_dfdx {
    use super::{BATCH, CLASSES, Digits, Eye, accuracy};
    use dfdx::nn::modules;
    use dfdx::optim::{Adam, AdamConfig};
    use dfdx::prelude::*;
    use formwork::AsModule;
    use formwork::data::{Class, MiniBatch, one_hot};

    /// A module of one's own: `value(x) * sigmoid(gate(x))`.
    pub struct Gated<const I: usize, const O: usize, E: Dtype, D: Device<E>> {
        pub value: modules::Linear<I, O, E, D>,
        pub gate: modules::Linear<I, O, E, D>,
    }

    impl<const I: usize, const O: usize, B: Dim, E: Dtype, D: Device<E>, T: Tape<E, D>> Module<Tensor<(B, Const<I>), E, D, T>> for Gated<I, O, E, D> {
        type Output = Tensor<(B, Const<O>), E, D, T>;
        type Error = D::Err;

        fn try_forward(&self, x: Tensor<(B, Const<I>), E, D, T>) -> Result<Self::Output, D::Err> {
            let open = self.gate.try_forward(x.retaped::<T>())?.try_sigmoid()?;
            self.value.try_forward(x)?.try_mul(open)
        }
    }

    type Head = (ReLU, Linear<32, CLASSES>);

    /// Trains a network of formwork and a head of dfdx as one model, with a loss and an optimizer of dfdx.
    pub fn learn(train: &Digits, test: &Digits, seed: u64, epochs: u64) -> Result<f64, Box<dyn std::error::Error>> {
        let device = AutoDevice::seed_from_u64(seed);
        let mut model = (AsModule::<Eye, f32, AutoDevice>::new(&device, seed), device.build_module::<Head, f32>());
        let mut optimizer = Adam::new(&model, AdamConfig { lr: 5e-3, ..Default::default() });
        let mut gradients = model.alloc_grads();
        for epoch in 0..epochs {
            let mut total = 0.0;
            for batch in train.shuffled(BATCH, epoch) {
                let scores = model.forward_mut(images(&device, &batch).traced(gradients));
                let targets = device.tensor_from_vec(one_hot::<CLASSES, f32>(batch.targets())?, (batch.len(), Const));
                let loss = cross_entropy_with_logits_loss(scores, targets);
                total += loss.array() * batch.len() as f32;
                gradients = loss.backward();
                optimizer.update(&mut model, &gradients)?;
                model.zero_grads(&mut gradients);
            }
            println!("epoch {}/{epochs}: loss {:.4}", epoch + 1, total / train.len() as f32);
        }
        let scores = model.forward(images(&device, &test.all()));
        Ok(accuracy(&scores.as_vec(), test))
    }

    type Images = Tensor<(usize, Const<1>, Const<8>, Const<8>), f32, AutoDevice>;

    fn images(device: &AutoDevice, batch: &MiniBatch<Rank3<1, 8, 8>, Class<CLASSES>>) -> Images {
        device.tensor_from_vec(batch.inputs().to_vec(), (batch.len(), Const, Const, Const))
    }
}

/// Looks at a digit: the part of the dfdx model that is formwork's.
#[network([1, 8, 8] => [32])]
#[rustfmt::skip]
pub type Eye = (
    Conv2d<1, 8, 3, 1, 1>, Relu, MaxPool2d<2>,  // [8, 4, 4]
    Flatten, Linear<128, 32>,                   // [32]
);

/// Reads a digit, with a layer in the middle that is a module of dfdx.
#[network([1, 8, 8] => [10])]
#[rustfmt::skip]
pub type Reader = (
    Conv2d<1, 8, 3, 1, 1>, Relu, MaxPool2d<2>,  // [8, 4, 4]
    Flatten, Glu<128, 32>,                      // [32]
    Linear<32, 10>,                             // [10]
);

/// [`Gated`] as a layer: what shapes it has, and what its parameters are called.
pub struct Glu<const I: usize, const O: usize>;

impl<const I: usize, const O: usize> Layer for Glu<I, O> {
    const SPEC: &'static Spec = &Spec::custom(CustomSpec {
        name: "Glu",
        args: &[I, O],
        rule: formwork::rule!([i] => [O]),
        params: &[
            Param::weight("value.weight", &[O, I], I, O),
            Param::zeros("value.bias", &[O]),
            Param::weight("gate.weight", &[O, I], I, O),
            Param::zeros("gate.bias", &[O]),
        ],
        meaning: &GluMeaning::<I, O>,
    });
}

struct GluMeaning<const I: usize, const O: usize>;

impl<const I: usize, const O: usize> Meaning for GluMeaning<I, O> {
    fn forward<E: Float, D: Device<E>, T: Tape<E, D>>(&self, site: &Site<'_, E, D, T>, x: Var<E, D, T>, y: Dims) -> Result<Var<E, D, T>, D::Err> {
        let samples = x.samples();
        let (weight, x) = site.lend(0, &(Const::<O>, Const::<I>), x)?;
        let (bias, x) = site.lend(1, &(Const::<O>,), x)?;
        let value = modules::Linear { weight, bias };
        let (weight, x) = site.lend(2, &(Const::<O>, Const::<I>), x)?;
        let (bias, x) = site.lend(3, &(Const::<O>,), x)?;
        let gate = modules::Linear { weight, bias };
        let open = Gated { value, gate }.try_forward(x.view(&(samples, Const::<I>))?)?;
        Var::new(open, samples, y)
    }
}

/// Trains a network that has a module of dfdx in it, with a loss and an optimizer of formwork, saves it, and tests what it loads.
fn learn(train: &Digits, test: &Digits, seed: u64, epochs: u64) -> Result<f64, Error> {
    let mut model = Model::<Reader>::on(&formwork::device()?, seed);
    Trainer::new(CrossEntropy::default(), Adam::new(5e-3)).epochs(epochs).batch_size(BATCH).fit(&mut model, train)?;
    // `save` and `load` do the same with a file.
    let saved = model.to_bytes();
    let loaded = Model::<Reader>::from_bytes(&saved)?;
    Ok(accuracy(&loaded.predict(&test.all())?, test))
}

const CLASSES: usize = 10;
const BATCH: usize = 32;
const EPOCHS: u64 = 5;

/// The split of the example `digits`.
const TEST_SHARE: f64 = 360.0 / 1797.0;
const SPLIT_SEED: u64 = 0;

fn run() -> Result<(), Box<dyn std::error::Error>> {
    let Some(options) = options()? else {
        println!("{HELP}");
        return Ok(());
    };
    let (train, test) = digits::load()?.split_stratified(TEST_SHARE, SPLIT_SEED);
    let epochs = if options.quick { 1 } else { EPOCHS };
    let inside = in_dfdx::learn(&train, &test, options.seed, epochs)?;
    println!("formwork inside dfdx: {inside:.4}");
    let around = learn(&train, &test, options.seed, epochs)?;
    println!("dfdx inside formwork: {around:.4}");
    println!("test accuracy: {:.4}", inside.min(around));
    Ok(())
}

/// The share of the images for which the right class has the highest score.
fn accuracy(scores: &[f32], digits: &Digits) -> f64 {
    let highest = |scores: &[f32]| (0..CLASSES).max_by(|&a, &b| scores[a].total_cmp(&scores[b]));
    let right = scores.chunks_exact(CLASSES).enumerate().filter(|&(i, scores)| highest(scores) == Some(digits.target(i)[0])).count();
    right as f64 / digits.len() as f64
}

#[derive(Default)]
struct Options {
    seed: u64,
    quick: bool,
}

const HELP: &str = "\
Uses a network of formwork inside dfdx, and a module of dfdx inside formwork.

Usage: dfdx [OPTIONS]

  --seed N  seed of the parameters [0]
  --quick   one epoch instead of five
  --help    print this";

/// The options of the command line; none if it asks for help.
fn options() -> Result<Option<Options>, lexopt::Error> {
    use lexopt::prelude::*;
    let mut options = Options::default();
    let mut arguments = lexopt::Parser::from_env();
    while let Some(argument) = arguments.next()? {
        match argument {
            Long("seed") => options.seed = arguments.value()?.parse()?,
            Long("quick") => options.quick = true,
            Long("help") | Short('h') => return Ok(None),
            _ => return Err(argument.unexpected()),
        }
    }
    Ok(Some(options))
}

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}
