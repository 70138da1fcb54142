//! How weights begin.

use crate::float::Float;
use crate::types::{Init, NamedParam};
use rand::distributions::Distribution;
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use rand_distr::StandardNormal;

/// How weights are drawn, so that signals neither vanish nor explode with depth.
///
/// The variance rule of the course: a layer that sums over `n_l` inputs keeps the variance of its signal when
/// `n_l Var(W_l) ≈ 1`. A ReLU halves the mean square of what passes, so behind one the weights have twice the variance.
///
/// # Examples
/// ```
/// use formwork::prelude::*;
///
/// #[network([100] => [100])]
/// type Layer = Linear<100, 100>;
///
/// let model = Model::<Layer, f64>::with_scheme(&AutoDevice::default(), 0, Scheme::Xavier);
/// let weights = model.parameters()[..100 * 100].to_vec();
/// let variance = weights.iter().map(|w| w * w).sum::<f64>() / 1e4;
/// assert!((100.0 * variance - 1.0).abs() < 0.05);
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Scheme {
    /// Normal with variance `2 / fan_in`: for layers behind ReLU. He et al., [Delving deep into
    /// rectifiers](https://arxiv.org/abs/1502.01852), 2015; PyTorch's `kaiming_normal_`.
    #[default]
    He,
    /// Normal with variance `2 / (fan_in + fan_out)`: for layers behind tanh or sigmoid. Glorot and Bengio,
    /// "Understanding the difficulty of training deep feedforward neural networks", 2010; PyTorch's `xavier_normal_`.
    Xavier,
    /// Uniform between `±1 / √fan_in`: what PyTorch's `nn.Linear` and `nn.Conv2d` begin their weights with.
    Uniform,
}

impl Scheme {
    /// Draws a weight.
    fn draw(self, fan_in: usize, fan_out: usize, rng: &mut StdRng) -> f64 {
        let normal = |variance: f64, rng: &mut StdRng| -> f64 {
            let x: f64 = StandardNormal.sample(rng);
            x * variance.sqrt()
        };
        match self {
            Scheme::He => normal(2.0 / fan_in as f64, rng),
            Scheme::Xavier => normal(2.0 / (fan_in + fan_out) as f64, rng),
            Scheme::Uniform => rng.gen_range(-1.0..1.0) / (fan_in as f64).sqrt(),
        }
    }
}

/// The first numbers of a network's parameters or buffers: the same for the same seed.
pub(crate) fn initial<E: Float>(parameters: &[NamedParam], scheme: Scheme, seed: u64) -> Vec<E> {
    let mut rng = StdRng::seed_from_u64(seed);
    let draw = |param: &NamedParam| -> Vec<E> {
        let numbers = 0..param.dims.numel();
        match param.init {
            Init::Normal => numbers.map(|_| E::of(StandardNormal.sample(&mut rng))).collect(),
            Init::Uniform { bound } => numbers.map(|_| E::of(bound * rng.gen_range(-1.0..1.0))).collect(),
            Init::Constant(x) => numbers.map(|_| E::of(x)).collect(),
            Init::Weight { fan_in, fan_out } => numbers.map(|_| E::of(scheme.draw(fan_in, fan_out, &mut rng))).collect(),
        }
    };
    parameters.iter().map(draw).collect::<Vec<_>>().concat()
}
