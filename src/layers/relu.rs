//! Rectified linear unit.

use super::elementwise::{Elementwise, elementwise};
use super::leaf;
use crate::cpu::steps::Stage;
use crate::engine::Flat;
use crate::float::Float;
use crate::kernels::numbers::Numbers;
use crate::onnx::{Graph, Tensor};
use crate::types::Label;
use dfdx::tensor::Tape;
use dfdx::tensor_ops::Device;

/// The rectified linear unit: `y = max(x, 0)`; its gradient at 0 is 0.
///
/// # Shapes
/// Any, kept.
///
/// # Examples
/// ```
/// use formwork::prelude::*;
///
/// #[network([16] => [16])]
/// type Activation = Relu;
/// ```
///
/// Nair and Hinton, "Rectified linear units improve restricted Boltzmann machines", 2010. Course notes: activations.
#[derive(Clone, Copy, Debug, Default)]
pub struct Relu;

leaf!(Relu);
elementwise!(Relu, |_this| Label::new("Relu", &[]), flops: 1);

impl Elementwise for Relu {
    const STAGE: Option<Stage> = Some(Stage::Relu);
    const KERNELS: [&'static str; 2] = ["relu", "relu_back"];

    #[inline(always)]
    fn value<N: Numbers>(&self, x: N) -> N {
        // Written so that a NaN stays one.
        N::of(0.0).if_greater(x, N::of(0.0), x)
    }

    #[inline(always)]
    fn slope<N: Numbers>(&self, x: N, _y: N) -> N {
        x.if_greater(N::of(0.0), N::of(1.0), N::of(0.0))
    }

    fn taped<E: Float, D: Device<E>, T: Tape<E, D>>(&self, x: Flat<E, D, T>) -> Result<Flat<E, D, T>, D::Err> {
        x.try_relu()
    }

    fn node(&self, graph: &mut Graph, x: Tensor) -> Tensor {
        graph.node("Relu", &[x], &[])
    }
}
