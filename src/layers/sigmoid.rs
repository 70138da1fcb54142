//! Logistic sigmoid.

use super::elementwise::{Elementwise, elementwise};
use super::leaf;
use crate::engine::Flat;
use crate::float::Float;
use crate::kernels::exp;
use crate::kernels::numbers::Numbers;
use crate::onnx::{Graph, Tensor};
use crate::types::Label;
use dfdx::tensor::Tape;
use dfdx::tensor_ops::Device;

/// The logistic sigmoid: `y = 1 / (1 + exp(-x))`, between 0 and 1.
///
/// # Shapes
/// Any, kept.
///
/// # Examples
/// ```
/// use formwork::prelude::*;
///
/// #[network([16] => [16])]
/// type Gate = Sigmoid;
/// ```
///
/// Course notes: logistic regression.
#[derive(Clone, Copy, Debug, Default)]
pub struct Sigmoid;

leaf!(Sigmoid);
elementwise!(Sigmoid, |_this| Label::new("Sigmoid", &[]), flops: 4);

impl Elementwise for Sigmoid {
    const KERNELS: [&'static str; 2] = ["sigmoid_map", "sigmoid_back"];
    #[inline(always)]
    fn value<N: Numbers>(&self, x: N) -> N {
        exp::sigmoid(x)
    }

    #[inline(always)]
    fn slope<N: Numbers>(&self, _x: N, y: N) -> N {
        y * (N::of(1.0) - y)
    }

    fn taped<E: Float, D: Device<E>, T: Tape<E, D>>(&self, x: Flat<E, D, T>) -> Result<Flat<E, D, T>, D::Err> {
        x.try_sigmoid()
    }

    fn node(&self, graph: &mut Graph, x: Tensor) -> Tensor {
        graph.node("Sigmoid", &[x], &[])
    }
}
