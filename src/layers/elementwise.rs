//! What layers that work on each number by itself have in common.

use crate::cpu::steps::Stage;
use crate::engine::Flat;
use crate::float::Float;
use crate::kernels::numbers::Numbers;
use crate::onnx::{Graph, Tensor};
use dfdx::tensor::Tape;
use dfdx::tensor_ops::Device;

/// A layer that is a function of one number: a formula for [`Numbers`], which is `#[inline(always)]`.
pub(crate) trait Elementwise: Copy + Send + Sync + 'static {
    /// What it is to steps that take several layers at once.
    const STAGE: Option<Stage> = None;

    /// Whether the slope is kept from the way forward, because most of it is what the value is made of.
    const KEEPS_SLOPE: bool = false;

    /// The kernels that compute it, and its gradient.
    const KERNELS: [&'static str; 2];

    /// The coefficient that they are given, if there is one.
    fn coefficient(&self) -> f64 {
        0.0
    }

    /// `f(x)`
    fn value<N: Numbers>(&self, x: N) -> N;

    /// `f'(x)`, where `y = f(x)`.
    fn slope<N: Numbers>(&self, x: N, y: N) -> N;

    /// `f` in dfdx operations.
    fn taped<E: Float, D: Device<E>, T: Tape<E, D>>(&self, x: Flat<E, D, T>) -> Result<Flat<E, D, T>, D::Err>;

    /// `f` as ONNX nodes.
    fn node(&self, graph: &mut Graph, x: Tensor) -> Tensor;
}

/// Answers the questions of a layer for an [`Elementwise`]: its label, how many FLOPs it takes for each number, and what is
/// wrong with its own numbers, if anything can be.
macro_rules! elementwise {
    ($Spec:ident, |$this:ident| $label:expr, flops: $flops:literal) => {
        $crate::layers::elementwise::elementwise!($Spec, |$this| $label, flops: $flops, problem: None);
    };
    ($Spec:ident, |$this:ident| $label:expr, flops: $flops:literal, problem: $problem:expr) => {
        impl $Spec {
            /// The layer as its user writes it.
            pub const fn label(&self) -> $crate::types::Label {
                let $this = self;
                $label
            }

            /// Any shape stays as it is.
            pub const fn infer(&self, x: $crate::types::Dims) -> Result<$crate::types::Dims, $crate::types::Problem> {
                let $this = self;
                let problem: Option<$crate::types::Problem> = $problem;
                match problem {
                    Some(problem) => Err(problem),
                    None => Ok(x),
                }
            }

            /// None.
            pub const fn param(&self, _i: usize) -> Option<$crate::types::Param> {
                None
            }

            /// A few for each number.
            pub const fn flops(&self, _x: $crate::types::Dims, y: $crate::types::Dims) -> usize {
                y.numel() * $flops
            }

            /// The number in the same place.
            pub const fn reach(&self) -> $crate::types::Reach {
                $crate::types::Reach::Point
            }

            pub(crate) fn portable<E: $crate::float::Float, D: dfdx::tensor_ops::Device<E>, T: dfdx::tensor::Tape<E, D>>(
                &self,
                _site: &$crate::portable::Site<'_, E, D, T>,
                x: $crate::portable::Var<E, D, T>,
                _y: $crate::types::Dims,
            ) -> Result<$crate::portable::Var<E, D, T>, D::Err> {
                x.map(|x| self.taped(x))
            }

            pub(crate) fn onnx(&self, graph: &mut $crate::onnx::Graph, x: $crate::onnx::Samples, _y: $crate::types::Dims) -> $crate::onnx::Tensor {
                $crate::layers::elementwise::Elementwise::node(self, graph, x.tensor)
            }

            pub(crate) fn plan<E: $crate::float::Float>(
                &self,
                planner: &mut $crate::cpu::Planner<E>,
                x: $crate::cpu::Value,
                y: $crate::types::Dims,
            ) -> $crate::cpu::Value {
                let y = planner.step($crate::cpu::steps::Map::new(*self, y.numel()), &[x], y);
                if let Some(stage) = <Self as $crate::layers::elementwise::Elementwise>::STAGE {
                    planner.mark(stage);
                }
                y
            }

            pub(crate) fn fused(
                &self,
                planner: &mut $crate::gpu::Planner,
                x: $crate::gpu::Value,
                _y: $crate::types::Dims,
            ) -> Option<$crate::gpu::Value> {
                use $crate::layers::elementwise::Elementwise;
                Some(planner.map(Self::KERNELS, x, self.coefficient()))
            }
        }
    };
}
pub(crate) use elementwise;
