//! burn, on its fastest CPU backend, flex.

#![recursion_limit = "512"]

use burn::module::Module;
use burn::nn::conv::{Conv2d, Conv2dConfig, ConvTranspose2d, ConvTranspose2dConfig};
use burn::nn::loss::{CrossEntropyLossConfig, MseLoss, Reduction};
use burn::nn::pool::{MaxPool2d, MaxPool2dConfig};
use burn::nn::transformer::{TransformerEncoder, TransformerEncoderConfig, TransformerEncoderInput};
use burn::nn::{BatchNorm, BatchNormConfig, Linear, LinearConfig, Lstm, LstmConfig, PaddingConfig2d};
use burn::optim::{AdamConfig, GradientsParams, SgdConfig};
use burn::tensor::activation::relu;
use burn::tensor::{Device, Int, Tensor, TensorData};
use formwork_peers::random::Random;
use formwork_peers::{Options, Outcome, Step, Workload, main as measured};
use std::hint::black_box;
use std::process::ExitCode;

const LEARNING_RATE: f64 = 1e-3;

fn main() -> ExitCode {
    measured("burn", make)
}

/// A step of training: modules and optimizers are of many types, and none of them can be boxed.
macro_rules! train {
    ($model:expr, $inputs:expr, $loss:expr, $optimizer:expr) => {{
        let (mut model, mut optimizer, inputs, loss) = (Some($model), $optimizer, $inputs, $loss);
        Box::new(move || {
            if let Some(at) = model.take() {
                let gradients = loss(at.forward(inputs.clone())).backward();
                let gradients = GradientsParams::from_grads(gradients, &at);
                model = Some(optimizer.step(LEARNING_RATE, at, gradients));
            }
        })
    }};
}

fn make(name: &str, _: &Options) -> Outcome<Option<Step>> {
    let Some(workload) = Workload::parse(name) else { return Ok(None) };
    let plain = Device::flex();
    let device = plain.clone().autodiff();
    let mut random = Random::new(0);
    let numbers = TensorData::new(random.normals(workload.batch().iter().product()), workload.batch());
    if !workload.trains {
        let (model, inputs) = (Cnn::new(&plain), Tensor::<4>::from_data(numbers, &plain));
        return Ok(Some(Box::new(move || drop(black_box(model.forward(inputs.clone()))))));
    }
    let [classes, count] = workload.classes();
    let targets: Vec<i32> = random.classes(count, classes).into_iter().map(|class| class as i32).collect();
    let targets = Tensor::<1, Int>::from_data(TensorData::new(targets, [count]), &device);
    let entropy = CrossEntropyLossConfig::new().init(&device);
    let loss = move |outputs: Tensor<2>| entropy.forward(outputs, targets.clone());
    Ok(Some(match workload.network {
        "mlp" => train!(Mlp::new(&device), Tensor::<2>::from_data(numbers, &device), loss, SgdConfig::new().init()),
        "cnn" => train!(Cnn::new(&device), Tensor::<4>::from_data(numbers, &device), loss, SgdConfig::new().init()),
        "lstm" => train!(LastOfLstm::new(&device), Tensor::<3>::from_data(numbers, &device), loss, SgdConfig::new().init()),
        "encoder" => {
            let targets = TensorData::new(random.normals(workload.batch().iter().product()), workload.batch());
            let targets = Tensor::<3>::from_data(targets, &device);
            let loss = move |outputs: Tensor<3>| MseLoss::new().forward(outputs, targets.clone(), Reduction::Mean);
            train!(Encoder::new(&device), Tensor::<3>::from_data(numbers, &device), loss, AdamConfig::new().init())
        }
        _ => train!(UNet::new(&device), Tensor::<4>::from_data(numbers, &device), loss, AdamConfig::new().init()),
    }))
}

#[derive(Module, Debug)]
struct Mlp {
    hidden: Linear,
    scores: Linear,
}

impl Mlp {
    fn new(device: &Device) -> Self {
        Mlp { hidden: LinearConfig::new(784, 128).init(device), scores: LinearConfig::new(128, 10).init(device) }
    }

    fn forward(&self, x: Tensor<2>) -> Tensor<2> {
        self.scores.forward(relu(self.hidden.forward(x)))
    }
}

#[derive(Module, Debug)]
struct Cnn {
    first: Conv2d,
    second: Conv2d,
    pool: MaxPool2d,
    hidden: Linear,
    scores: Linear,
}

impl Cnn {
    fn new(device: &Device) -> Self {
        Cnn {
            first: Conv2dConfig::new([1, 8], [3, 3]).init(device),
            second: Conv2dConfig::new([8, 16], [3, 3]).init(device),
            pool: MaxPool2dConfig::new([2, 2]).init(),
            hidden: LinearConfig::new(400, 64).init(device),
            scores: LinearConfig::new(64, 10).init(device),
        }
    }

    fn forward(&self, x: Tensor<4>) -> Tensor<2> {
        let x = self.pool.forward(relu(self.first.forward(x)));
        let x = self.pool.forward(relu(self.second.forward(x))).flatten(1, 3);
        self.scores.forward(relu(self.hidden.forward(x)))
    }
}

#[derive(Module, Debug)]
struct LastOfLstm {
    lstm: Lstm,
    head: Linear,
}

impl LastOfLstm {
    fn new(device: &Device) -> Self {
        LastOfLstm { lstm: LstmConfig::new(28, 128, true).init(device), head: LinearConfig::new(128, 10).init(device) }
    }

    fn forward(&self, x: Tensor<3>) -> Tensor<2> {
        let (_, last) = self.lstm.forward(x, None);
        self.head.forward(last.hidden)
    }
}

#[derive(Module, Debug)]
struct Encoder {
    encoder: TransformerEncoder,
}

impl Encoder {
    /// Its activation is GELU unless said otherwise.
    fn new(device: &Device) -> Self {
        let config = TransformerEncoderConfig::new(128, 512, 4, 1).with_norm_first(true).with_dropout(0.0);
        Encoder { encoder: config.init(device) }
    }

    fn forward(&self, x: Tensor<3>) -> Tensor<3> {
        self.encoder.forward(TransformerEncoderInput::new(x))
    }
}

#[derive(Module, Debug)]
struct Twice {
    conv1: Conv2d,
    norm1: BatchNorm,
    conv2: Conv2d,
    norm2: BatchNorm,
}

impl Twice {
    fn new(inputs: usize, outputs: usize, device: &Device) -> Self {
        let conv = |inputs| {
            let config = Conv2dConfig::new([inputs, outputs], [3, 3]);
            config.with_padding(PaddingConfig2d::Same).with_bias(false).init(device)
        };
        let norm = || BatchNormConfig::new(outputs).init(device);
        Twice { conv1: conv(inputs), norm1: norm(), conv2: conv(outputs), norm2: norm() }
    }

    fn forward(&self, x: Tensor<4>) -> Tensor<4> {
        let x = relu(self.norm1.forward(self.conv1.forward(x)));
        relu(self.norm2.forward(self.conv2.forward(x)))
    }
}

/// What a level of the U does after it has halved its input, and on the way back.
#[derive(Module, Debug)]
struct Level {
    down: Twice,
    up: ConvTranspose2d,
    back: Twice,
}

#[derive(Module, Debug)]
struct UNet {
    first: Twice,
    levels: Vec<Level>,
    pool: MaxPool2d,
    scores: Conv2d,
}

impl UNet {
    fn new(device: &Device) -> Self {
        let level = |channels: usize| Level {
            down: Twice::new(channels, 2 * channels, device),
            up: ConvTranspose2dConfig::new([2 * channels, channels], [2, 2]).with_stride([2, 2]).init(device),
            back: Twice::new(2 * channels, channels, device),
        };
        UNet {
            first: Twice::new(1, 16, device),
            levels: [16, 32, 64].map(level).into(),
            pool: MaxPool2dConfig::new([2, 2]).init(),
            scores: Conv2dConfig::new([16, 2], [1, 1]).init(device),
        }
    }

    fn forward(&self, x: Tensor<4>) -> Tensor<2> {
        let mut x = self.first.forward(x);
        let mut skips = Vec::new();
        for level in &self.levels {
            let below = level.down.forward(self.pool.forward(x.clone()));
            skips.push(std::mem::replace(&mut x, below));
        }
        for (level, skip) in self.levels.iter().zip(skips).rev() {
            x = level.back.forward(Tensor::cat(vec![skip, level.up.forward(x)], 1));
        }
        // Its cross-entropy wants classes in the last of two dimensions: [B H W, 2].
        self.scores.forward(x).permute([0, 2, 3, 1]).flatten(0, 2)
    }
}
