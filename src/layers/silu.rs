//! Sigmoid linear unit.

use super::elementwise::{Elementwise, elementwise};
use super::leaf;
use crate::engine::Flat;
use crate::float::Float;
use crate::kernels::exp;
use crate::kernels::numbers::Numbers;
use crate::onnx::{Graph, Tensor};
use crate::types::Label;
use dfdx::prelude::TryMul;
use dfdx::tensor::Tape;
use dfdx::tensor_ops::Device;

/// The sigmoid linear unit, or swish: `y = x / (1 + exp(-x))`.
///
/// # Shapes
/// Any, kept.
///
/// # Examples
/// ```
/// use formwork::prelude::*;
///
/// #[network([16] => [16])]
/// type Activation = Silu;
/// ```
///
/// Elfwing, Uchibe and Doya, [Sigmoid-weighted linear units](https://arxiv.org/abs/1702.03118), 2017.
#[derive(Clone, Copy, Debug, Default)]
pub struct Silu;

leaf!(Silu);
elementwise!(Silu, |_this| Label::new("Silu", &[]), flops: 5);

impl Elementwise for Silu {
    const KEEPS_SLOPE: bool = true;
    const KERNELS: [&'static str; 2] = ["silu", "silu_back"];

    #[inline(always)]
    fn value<N: Numbers>(&self, x: N) -> N {
        x * exp::sigmoid(x)
    }

    #[inline(always)]
    fn slope<N: Numbers>(&self, x: N, y: N) -> N {
        let gate = exp::sigmoid(x);
        y.mul_add(N::of(1.0) - gate, gate)
    }

    fn taped<E: Float, D: Device<E>, T: Tape<E, D>>(&self, x: Flat<E, D, T>) -> Result<Flat<E, D, T>, D::Err> {
        x.retaped::<T>().try_mul(x.try_sigmoid()?)
    }

    fn node(&self, graph: &mut Graph, x: Tensor) -> Tensor {
        let sigmoid = graph.node("Sigmoid", &[x], &[]);
        graph.node("Mul", &[x, sigmoid], &[])
    }
}
