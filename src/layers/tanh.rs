//! Hyperbolic tangent.

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

/// The hyperbolic tangent: `y = tanh(x)`, between -1 and 1.
///
/// # Shapes
/// Any, kept.
///
/// # Examples
/// ```
/// use formwork::prelude::*;
///
/// #[network([4] => [2])]
/// type Controller = (Linear<4, 8>, Tanh, Linear<8, 2>);
/// ```
///
/// Course notes: activations.
#[derive(Clone, Copy, Debug, Default)]
pub struct Tanh;

leaf!(Tanh);
elementwise!(Tanh, |_this| Label::new("Tanh", &[]), flops: 1);

impl Elementwise for Tanh {
    const KERNELS: [&'static str; 2] = ["tanh_map", "tanh_back"];
    #[inline(always)]
    fn value<N: Numbers>(&self, x: N) -> N {
        exp::tanh(x)
    }

    #[inline(always)]
    fn slope<N: Numbers>(&self, _x: N, y: N) -> N {
        N::of(1.0) - y * y
    }

    fn taped<E: Float, D: Device<E>, T: Tape<E, D>>(&self, x: Flat<E, D, T>) -> Result<Flat<E, D, T>, D::Err> {
        x.try_tanh()
    }

    fn node(&self, graph: &mut Graph, x: Tensor) -> Tensor {
        graph.node("Tanh", &[x], &[])
    }
}
