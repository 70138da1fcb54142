//! A network inside a model of dfdx.

use dfdx::nn::{Module, ModuleMut, NumParams};
use dfdx::optim::Optimizer as _;
use dfdx::prelude::{Backward as _, Trace, ZeroGrads, mse_loss};
use formwork::AsModule;
use formwork::prelude::*;

type Block = Net<(Linear<3, 8>, BatchNorm1d<8>, Tanh, Residual<Linear<8, 8>>, Linear<8, 2>), Rank1<3>, Rank1<2>>;

const INPUTS: [[f32; 3]; 4] = [[0.5, -1.0, 2.0], [1.0, 0.0, -0.5], [-0.3, 0.8, 0.1], [0.2, 0.4, -1.2]];
const TARGETS: [[f32; 2]; 4] = [[1.0, 0.0], [0.0, 1.0], [0.5, -0.5], [-1.0, 0.2]];

#[test]
fn it_computes_what_the_model_does() {
    let model = Model::<Block>::new(3);
    let module = AsModule::from_model(&model);
    let device = model.device();
    let expected = model.forward(device.tensor(INPUTS)).array();
    let given = Module::forward(&module, device.tensor(INPUTS)).array();
    let taped = Module::forward(&module, device.tensor(INPUTS).leaky_trace()).array();
    assert_eq!(given, taped);
    for (a, b) in expected.iter().flatten().zip(given.iter().flatten()) {
        assert!((a - b).abs() < 1e-5, "{a} {b}");
    }
    assert_eq!(module.parameters(), model.parameters());
    assert_eq!(module.num_trainable_params(), Block::SCALARS);
}

/// One step each, by the same rule on the same loss: parameters and buffers end in the same place.
#[test]
fn an_optimizer_of_dfdx_trains_it_as_one_of_formwork_does() {
    let mut model = Model::<Block>::new(3);
    let mut module = AsModule::from_model(&model);
    let numbers = |rows: &[f32]| rows.to_vec();
    let data = Dataset::<Rank1<3>, Values<Rank1<2>>>::new(numbers(INPUTS.as_flattened()), numbers(TARGETS.as_flattened())).unwrap();
    let device = model.device().clone();
    let config = dfdx::optim::SgdConfig { lr: 0.1, ..Default::default() };
    let mut optimizer = dfdx::optim::Sgd::new(&module, config);
    let mut gradients = module.alloc_grads();
    for _ in 0..3 {
        model.train(&data.all(), &Mse, &mut Sgd::new(0.1)).unwrap();
        let outputs = ModuleMut::forward_mut(&mut module, device.tensor(INPUTS).trace(gradients));
        gradients = mse_loss(outputs, device.tensor(TARGETS)).backward();
        optimizer.update(&mut module, &gradients).unwrap();
        module.zero_grads(&mut gradients);
    }
    let close = |a: Vec<f32>, b: Vec<f32>| a.len() == b.len() && a.iter().zip(&b).all(|(a, b)| (a - b).abs() < 1e-4);
    assert_ne!(module.parameters(), Model::<Block>::new(3).parameters());
    assert!(close(model.parameters(), module.parameters()));
    assert!(close(model.buffers(), module.buffers()));
}
