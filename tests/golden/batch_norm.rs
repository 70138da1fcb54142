//! Batch norm: a step in training, with its gradients; what the running statistics are after it and after two more; and what
//! comes out outside of training.

use super::family::{Family, Subject};
use super::layers::WeightedSum;
use super::reference::{Comparison, Golden};
use core::marker::PhantomData;
use formwork::Noise;
use formwork::engine::{Architecture, Engine, Objective, State};
use formwork::prelude::*;
use serde::Deserialize;

#[derive(Deserialize)]
struct Hyper {
    training: bool,
}

/// A network of one batch norm.
struct Normalized<N>(PhantomData<fn() -> N>);

impl<N: Network> Normalized<N> {
    /// The buffers that a case names like the network's, with this behind their names.
    fn buffers<E: Float>(golden: &Golden) -> Vec<E> {
        N::buffers().iter().flat_map(|buffer| golden.numbers::<E>(&buffer.name)).collect()
    }

    fn compare_buffers<E: Float>(comparison: &mut Comparison<'_>, behind: &str, numbers: &[E]) {
        for buffer in N::buffers() {
            comparison.tensor(&format!("{}{behind}", buffer.name), &numbers[buffer.range()]);
        }
    }
}

impl<N: Network> Subject for Normalized<N> {
    fn compare<E: Float, D: Backend<E>, G: Engine<E, D>>(&self, device: &D, golden: &Golden, comparison: &mut Comparison<'_>) -> Result<(), Error> {
        let (params, inputs) = (N::parameters(), golden.numbers::<E>("x"));
        let samples = inputs.len() / N::Input::WIDTH;
        let names: Vec<String> = params.iter().map(|param| param.name.clone()).collect();
        let state = State { parameters: golden.flat(&params, &names), buffers: Self::buffers(golden) };
        let mut engine = G::new(device, Architecture::of::<N>(), state)?;
        let Hyper { training } = golden.hyper();
        let noise = training.then(|| Noise::new(0));

        let objective = WeightedSum::new(golden.numbers("dy"), samples);
        let gradients = engine.gradients(&inputs, samples, noise, Objective::ByParts(&objective))?;
        comparison.tensor("y", &objective.outputs());
        comparison.tensor("dx", &gradients.inputs);
        for param in &params {
            comparison.tensor(&format!("d{}", param.name), &gradients.parameters[param.range()]);
        }
        if !training {
            return Ok(());
        }
        for (step, x) in ["x", "x_step2", "x_step3"].into_iter().enumerate() {
            let objective = WeightedSum::new(golden.numbers("dy"), samples);
            // The parameters stay where they are.
            engine.train(&golden.numbers::<E>(x), samples, noise, Objective::ByParts(&objective), &mut Sgd::new(0.0))?;
            match step {
                0 => Self::compare_buffers(comparison, "_after1", &engine.buffers()),
                _ => comparison.tensor(&format!("y_step{}", step + 1), &objective.outputs()),
            }
        }
        Self::compare_buffers(comparison, "_after3", &engine.buffers());
        Ok(())
    }
}

impl Family {
    fn normalized<L: Layer + 'static, S: Plain>(&mut self, name: &str) {
        const { formwork::types::check::<Net<L, S, S>>() };
        self.check(name, &Normalized::<Net<L, S, S>>(PhantomData));
    }
}

/// ```python
/// layer = torch.nn.BatchNorm1d(num_features, eps, momentum, affine)
/// ```
pub fn batch_norm1d(family: &mut Family) {
    type Two = generic::BatchNorm1d<Const<3>, Eps<1, 1000>, Momentum<3, 10>>;

    family.normalized::<BatchNorm1d<4>, Rank1<4>>("batchnorm1d_train");
    family.normalized::<BatchNorm1d<4>, Rank1<4>>("batchnorm1d_eval");
    family.normalized::<BatchNorm1d<4>, Rank2<4, 5>>("batchnorm1d_seq_train");
    family.normalized::<BatchNorm1d<4>, Rank2<4, 5>>("batchnorm1d_seq_eval");
    family.normalized::<Two, Rank1<3>>("batchnorm1d_two_samples_train");
    family.normalized::<Two, Rank1<3>>("batchnorm1d_two_samples_eval");
}

/// ```python
/// layer = torch.nn.BatchNorm2d(num_features, eps, momentum, affine)
/// ```
pub fn batch_norm2d(family: &mut Family) {
    type Plain = NoAffine<generic::BatchNorm2d<Const<3>, Eps<1, 100_000>, Momentum<1, 20>>>;

    family.normalized::<BatchNorm2d<4>, Rank3<4, 4, 5>>("batchnorm2d_train");
    family.normalized::<BatchNorm2d<4>, Rank3<4, 4, 5>>("batchnorm2d_eval");
    family.normalized::<Plain, Rank3<3, 5, 4>>("batchnorm2d_noaffine_train");
    family.normalized::<Plain, Rank3<3, 5, 4>>("batchnorm2d_noaffine_eval");
    family.normalized::<BatchNorm2d<4>, Rank3<4, 4, 4>>("batchnorm2d_one_sample_train");
    family.normalized::<BatchNorm2d<4>, Rank3<4, 4, 4>>("batchnorm2d_one_sample_eval");
    family.normalized::<BatchNorm2d<3>, Rank3<3, 3, 3>>("batchnorm2d_constant_channel_train");
}
