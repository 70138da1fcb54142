//! dfdx. Its convolutions need nightly Rust, and it has neither an LSTM nor attention on stable Rust.

use dfdx::optim::{Sgd, SgdConfig};
use dfdx::prelude::*;
use formwork_peers::random::Random;
use formwork_peers::{Options, Outcome, Step, main as measured};
use std::process::ExitCode;

type Mlp = (Linear<784, 128>, ReLU, Linear<128, 10>);

fn main() -> ExitCode {
    // As its documentation advises.
    dfdx::flush_denormals_to_zero();
    measured("dfdx", make)
}

fn make(name: &str, _: &Options) -> Outcome<Option<Step>> {
    Ok(match name {
        "mlp_train_b1" => Some(train::<1>()),
        "mlp_train_b64" => Some(train::<64>()),
        "mlp_train_b256" => Some(train::<256>()),
        _ => None,
    })
}

fn train<const B: usize>() -> Step {
    let device = AutoDevice::default();
    let mut random = Random::new(0);
    let inputs: Tensor<Rank2<B, 784>, f32, _> = device.tensor_from_vec(random.normals(B * 784), (Const, Const));
    let mut one_hot = vec![0.0; B * 10];
    random.classes(B, 10).into_iter().enumerate().for_each(|(i, class)| one_hot[i * 10 + class] = 1.0);
    let targets: Tensor<Rank2<B, 10>, f32, _> = device.tensor_from_vec(one_hot, (Const, Const));

    let mut model = device.build_module::<Mlp, f32>();
    let mut optimizer = Sgd::new(&model, SgdConfig { lr: 1e-3, momentum: None, weight_decay: None });
    let mut memory = Some(model.alloc_grads());
    Box::new(move || {
        let traced = inputs.clone().traced(memory.take().unwrap_or_else(|| model.alloc_grads()));
        let loss = cross_entropy_with_logits_loss(model.forward_mut(traced), targets.clone());
        let mut gradients = loss.backward();
        optimizer.update(&mut model, &gradients).expect("every parameter has a gradient");
        model.zero_grads(&mut gradients);
        memory = Some(gradients);
    })
}
