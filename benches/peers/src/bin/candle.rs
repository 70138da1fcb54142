//! candle, on its CPU backend.

use candle_core::{D, DType, Device, Result, Tensor, Var};
use candle_nn::{
    AdamW, BatchNorm, Conv2d, Conv2dConfig, ConvTranspose2d, ConvTranspose2dConfig, LayerNorm, Linear, Module, ModuleT, Optimizer, ParamsAdamW, RNN,
    SGD, VarBuilder, VarMap, batch_norm, conv_transpose2d, conv2d, conv2d_no_bias, layer_norm, linear, loss, ops, rnn,
};
use formwork_peers::random::Random;
use formwork_peers::{Options, Outcome, Step, Workload, main as measured};
use std::hint::black_box;
use std::process::ExitCode;

const LEARNING_RATE: f64 = 1e-3;

type Network = Box<dyn Fn(&Tensor) -> Result<Tensor>>;

fn main() -> ExitCode {
    measured("candle", make)
}

fn make(name: &str, _: &Options) -> Outcome<Option<Step>> {
    let Some(workload) = Workload::parse(name) else { return Ok(None) };
    Ok(Some(if workload.trains { train(workload)? } else { infer(workload)? }))
}

fn network(name: &str, parameters: VarBuilder) -> Result<Network> {
    match name {
        "mlp" => mlp(parameters),
        "cnn" => cnn(parameters),
        "lstm" => lstm(parameters),
        "encoder" => encoder(parameters),
        _ => unet(parameters),
    }
}

fn train(workload: Workload) -> Result<Step> {
    let variables = VarMap::new();
    let network = network(workload.network, VarBuilder::from_varmap(&variables, DType::F32, &Device::Cpu))?;
    let mut random = Random::new(0);
    let inputs = normals(&mut random, &workload.batch())?;
    let loss: Network = if workload.network == "encoder" {
        let targets = normals(&mut random, &workload.batch())?;
        Box::new(move |outputs| loss::mse(outputs, &targets))
    } else {
        let [classes, count] = workload.classes();
        let targets: Vec<u32> = random.classes(count, classes).into_iter().map(|class| class as u32).collect();
        let targets = Tensor::from_vec(targets, count, &Device::Cpu)?;
        Box::new(move |outputs| loss::cross_entropy(outputs, &targets))
    };
    if matches!(workload.network, "encoder" | "unet") {
        let adam = ParamsAdamW { lr: LEARNING_RATE, weight_decay: 0.0, ..Default::default() };
        Ok(learn(network, loss, inputs, AdamW::new(learned(&variables), adam)?))
    } else {
        Ok(learn(network, loss, inputs, SGD::new(learned(&variables), LEARNING_RATE)?))
    }
}

fn learn(network: Network, loss: Network, inputs: Tensor, mut optimizer: impl Optimizer + 'static) -> Step {
    let mut step = move || optimizer.step(&loss(&network(&inputs)?)?.backward()?);
    Box::new(move || step().expect("shapes fit"))
}

/// All variables but the running statistics of batch norm.
fn learned(variables: &VarMap) -> Vec<Var> {
    let variables = variables.data().lock().expect("no other thread has panicked");
    variables.iter().filter(|(name, _)| !name.contains("running")).map(|(_, variable)| variable.clone()).collect()
}

/// With plain tensors in place of variables, so that nothing is recorded for a way back.
fn infer(workload: Workload) -> Result<Step> {
    let variables = VarMap::new();
    network(workload.network, VarBuilder::from_varmap(&variables, DType::F32, &Device::Cpu))?;
    let tensors = variables.data().lock().expect("no other thread has panicked");
    let tensors = tensors.iter().map(|(name, variable)| (name.clone(), variable.as_tensor().detach())).collect();
    let network = network(workload.network, VarBuilder::from_tensors(tensors, DType::F32, &Device::Cpu))?;
    let inputs = normals(&mut Random::new(0), &workload.batch())?;
    Ok(Box::new(move || drop(black_box(network(&inputs).expect("shapes fit")))))
}

fn normals(random: &mut Random, shape: &[usize]) -> Result<Tensor> {
    Tensor::from_vec(random.normals(shape.iter().product()), shape, &Device::Cpu)
}

fn mlp(at: VarBuilder) -> Result<Network> {
    let (hidden, scores) = (linear(784, 128, at.pp("0"))?, linear(128, 10, at.pp("2"))?);
    Ok(Box::new(move |x| scores.forward(&hidden.forward(x)?.relu()?)))
}

fn cnn(at: VarBuilder) -> Result<Network> {
    let (first, second) = (conv2d(1, 8, 3, Default::default(), at.pp("0"))?, conv2d(8, 16, 3, Default::default(), at.pp("3"))?);
    let (hidden, scores) = (linear(400, 64, at.pp("7"))?, linear(64, 10, at.pp("9"))?);
    Ok(Box::new(move |x| {
        let x = first.forward(x)?.relu()?.max_pool2d(2)?;
        let x = second.forward(&x)?.relu()?.max_pool2d(2)?.flatten_from(1)?;
        scores.forward(&hidden.forward(&x)?.relu()?)
    }))
}

fn lstm(at: VarBuilder) -> Result<Network> {
    let (cells, head) = (rnn::lstm(28, 128, Default::default(), at.pp("lstm"))?, linear(128, 10, at.pp("head"))?);
    Ok(Box::new(move |x| match cells.seq(x)?.last() {
        Some(last) => head.forward(last.h()),
        None => unreachable!("sequences have 28 steps"),
    }))
}

/// The norm in operations that have gradients: the fused one has none.
fn normalized(norm: &LayerNorm, x: &Tensor) -> Result<Tensor> {
    match norm.bias() {
        Some(bias) => ops::layer_norm_slow(x, norm.weight(), bias, 1e-5),
        None => unreachable!("norms are made with a bias"),
    }
}

fn encoder(at: VarBuilder) -> Result<Network> {
    let (norm1, norm2) = (layer_norm(128, 1e-5, at.pp("norm1"))?, layer_norm(128, 1e-5, at.pp("norm2"))?);
    let (projected, joined) = (linear(128, 384, at.pp("in_proj"))?, linear(128, 128, at.pp("out_proj"))?);
    let (linear1, linear2) = (linear(128, 512, at.pp("linear1"))?, linear(512, 128, at.pp("linear2"))?);
    Ok(Box::new(move |x| {
        let (samples, places, features) = x.dims3()?;
        let heads = projected.forward(&normalized(&norm1, x)?)?.reshape((samples, places, 3, 4, 32))?;
        let heads = heads.permute((2, 0, 3, 1, 4))?.contiguous()?; // [3, B, heads, T, 32]
        let (queries, keys, values) = (heads.get(0)?, heads.get(1)?, heads.get(2)?);
        let weights = ops::softmax(&(queries.matmul(&keys.t()?)? / 32f64.sqrt())?, D::Minus1)?;
        let seen = weights.matmul(&values)?.transpose(1, 2)?.reshape((samples, places, features))?;
        let x = (x + joined.forward(&seen)?)?;
        let thought = linear2.forward(&linear1.forward(&normalized(&norm2, &x)?)?.gelu_erf()?)?;
        x + thought
    }))
}

struct Twice {
    layers: [(Conv2d, BatchNorm); 2],
}

impl Twice {
    fn new(inputs: usize, outputs: usize, at: VarBuilder) -> Result<Self> {
        let layer = |inputs, at: VarBuilder| -> Result<(Conv2d, BatchNorm)> {
            let config = Conv2dConfig { padding: 1, ..Default::default() };
            Ok((conv2d_no_bias(inputs, outputs, 3, config, at.pp("conv"))?, batch_norm(outputs, 1e-5, at.pp("norm"))?))
        };
        Ok(Twice { layers: [layer(inputs, at.pp("0"))?, layer(outputs, at.pp("1"))?] })
    }

    fn forward(&self, x: &Tensor) -> Result<Tensor> {
        self.layers.iter().try_fold(x.clone(), |x, (conv, norm)| norm.forward_t(&conv.forward(&x)?, true)?.relu())
    }
}

/// What a level of the U does after it has halved its input, and on the way back.
struct Level {
    down: Twice,
    up: ConvTranspose2d,
    back: Twice,
}

fn unet(at: VarBuilder) -> Result<Network> {
    let first = Twice::new(1, 16, at.pp("first"))?;
    let level = |channels: usize| -> Result<Level> {
        let at = at.pp(channels.to_string());
        let config = ConvTranspose2dConfig { stride: 2, ..Default::default() };
        Ok(Level {
            down: Twice::new(channels, 2 * channels, at.pp("down"))?,
            up: conv_transpose2d(2 * channels, channels, 2, config, at.pp("up"))?,
            back: Twice::new(2 * channels, channels, at.pp("back"))?,
        })
    };
    let levels = [level(16)?, level(32)?, level(64)?];
    let scores = conv2d(16, 2, 1, Default::default(), at.pp("scores"))?;
    Ok(Box::new(move |x| {
        let mut x = first.forward(x)?;
        let mut skips = Vec::new();
        for level in &levels {
            let below = level.down.forward(&x.max_pool2d(2)?)?;
            skips.push(std::mem::replace(&mut x, below));
        }
        for (level, skip) in levels.iter().zip(&skips).rev() {
            x = level.back.forward(&Tensor::cat(&[skip, &level.up.forward(&x)?], 1)?)?;
        }
        // Its cross-entropy wants classes in the last of two dimensions: [B H W, 2].
        scores.forward(&x)?.permute((0, 2, 3, 1))?.flatten(0, 2)
    }))
}
