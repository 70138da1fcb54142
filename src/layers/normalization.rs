//! What normalizations have in common.

use crate::float::Float;
use crate::onnx::{Attribute, Graph, Tensor};
use crate::portable::{Site, Var};
use crate::types::Dims;
use dfdx::prelude::{BroadcastTo, ReshapeTo, TryAdd, TryMul};
use dfdx::shapes::{Axes2, Axis};
use dfdx::tensor::Tape;
use dfdx::tensor_ops::Device;

/// The `ε` of a normalization, `N / DEN`, since types carry whole numbers: `Eps<1, 100>` is 0.01.
///
/// # Examples
/// ```
/// use formwork::prelude::*;
/// type Norm = generic::LayerNorm<Const<6>, Eps<1, 100>>;
/// formwork::check!(Net<Norm, Rank1<6>, Rank1<6>>);
/// ```
#[derive(Clone, Copy, Debug, Default)]
pub struct Eps<const N: usize, const DEN: usize>;

/// What is added to a variance, so that its root is not zero.
#[diagnostic::on_unimplemented(message = "`{Self}` is not the epsilon of a normalization", label = "expected a fraction such as `Eps<1, 1000>`")]
pub trait Epsilon: 'static {
    /// The number.
    const EPSILON: f64;
}

impl<const N: usize, const DEN: usize> Epsilon for Eps<N, DEN> {
    const EPSILON: f64 = N as f64 / DEN as f64;
}

/// Which numbers of a sample are normalized together, and which share a weight and a bias.
#[derive(Clone, Copy)]
pub(crate) struct Normalization {
    /// So many numbers that follow one another have mean 0 and variance 1.
    pub row: usize,
    /// So many numbers that follow one another share a weight.
    pub run: usize,
    /// How many weights there are, used in turn; none without `w` and `b`.
    pub weights: usize,
    /// What is added to the variance.
    pub epsilon: f64,
}

impl Normalization {
    pub(crate) fn portable<E: Float, D: Device<E>, T: Tape<E, D>>(
        &self,
        site: &Site<'_, E, D, T>,
        x: Var<E, D, T>,
        y: Dims,
    ) -> Result<Var<E, D, T>, D::Err> {
        let (samples, weights) = (x.samples(), self.weights);
        let numel = samples * y.numel();
        let normal = x.view(&(numel / self.row, self.row))?.try_normalize::<Axis<1>>(self.epsilon)?;
        if weights == 0 {
            return Var::new(normal, samples, y);
        }
        let shape = (numel / (weights * self.run), weights, self.run);
        let weight = site.param(0, &(weights,))?.try_broadcast_like::<_, Axes2<0, 2>>(&shape)?;
        let bias = site.param(1, &(weights,))?.try_broadcast_like::<_, Axes2<0, 2>>(&shape)?;
        Var::new(normal.try_reshape_like(&shape)?.try_mul(weight)?.try_add(bias)?, samples, y)
    }
}

/// `w (x - mean) / √(variance + ε) + b` over the last `rank` dimensions, as an ONNX node of `[x, w, b]`.
pub(super) fn normalized(graph: &mut Graph, inputs: [Tensor; 3], rank: usize, epsilon: f64) -> Tensor {
    graph.node("LayerNormalization", &inputs, &[("axis", Attribute::Int(-(rank as i64))), ("epsilon", Attribute::Float(epsilon))])
}
