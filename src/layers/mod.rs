//! The layers: one file for each family, always in the same order.
//!
//! A file begins with the layer's type and its page of documentation; then what the layer is as data, with its shape
//! rule, its parameters and its cost; its meaning in dfdx operations; its steps on the CPU; its tests. This file only
//! dispatches.

use crate::cpu::{Planner, Value};
use crate::float::Float;
use crate::portable::{Site, Var};
use crate::types::{Dims, Label, Param, Problem, Reach};
use dfdx::tensor::Tape;
use dfdx::tensor_ops::Device;

pub mod conv;
pub mod custom;
pub mod dropout;
pub(crate) mod elementwise;
pub mod filter;
pub mod gelu;
pub mod generic;
pub mod leaky_relu;
pub mod linear;
pub mod no_bias;
pub mod pool;
pub mod relu;
pub mod repeat;
pub mod reshape;
pub mod residual;
pub mod sequence;
pub mod sigmoid;
pub mod silu;
pub mod skip_concat;
pub mod softmax;
pub mod tanh;
pub(crate) mod window;

/// The questions that every layer answers, and who answers them.
macro_rules! leaves {
    ($($(#[$doc:meta])* $Leaf:ident($Spec:ty),)*) => {
        /// A layer that computes, as data: each variant holds what its own file says of it.
        #[derive(Clone, Copy)]
        pub enum Leaf {
            $($(#[$doc])* $Leaf($Spec),)*
        }

        impl Leaf {
            /// The layer as its user writes it.
            pub const fn label(&self) -> Label {
                match self { $(Leaf::$Leaf(spec) => spec.label(),)* }
            }

            /// The shape that the layer makes of `x`, or why it cannot.
            pub const fn infer(&self, x: Dims) -> Result<Dims, Problem> {
                match self { $(Leaf::$Leaf(spec) => spec.infer(x),)* }
            }

            /// The parameter number `i`, if there are that many.
            pub const fn param(&self, i: usize) -> Option<Param> {
                match self { $(Leaf::$Leaf(spec) => spec.param(i),)* }
            }

            /// Floating-point operations for one sample.
            pub const fn flops(&self, x: Dims, y: Dims) -> usize {
                match self { $(Leaf::$Leaf(spec) => spec.flops(x, y),)* }
            }

            /// What part of its input one number of the output sees.
            pub const fn reach(&self) -> Reach {
                match self { $(Leaf::$Leaf(spec) => spec.reach(),)* }
            }

            /// The layer in dfdx operations; `y` is the shape that comes out.
            pub(crate) fn portable<E: Float, D: Device<E>, T: Tape<E, D> + 'static>(&self, site: &Site<'_, E, D, T>, x: Var<E, D, T>, y: Dims) -> Result<Var<E, D, T>, D::Err> {
                match self { $(Leaf::$Leaf(spec) => spec.portable(site, x, y),)* }
            }

            /// The layer as steps on the CPU; `y` is the shape that comes out.
            pub(crate) fn plan<E: Float>(&self, planner: &mut Planner<E>, x: Value, y: Dims) -> Value {
                match self { $(Leaf::$Leaf(spec) => spec.plan(planner, x, y),)* }
            }
        }
    };
}

leaves! {
    /// Fully connected.
    Linear(linear::LinearSpec),
    /// Two-dimensional convolution.
    Conv2d(conv::Conv2dSpec),
    /// Maximum or mean of windows.
    Pool2d(pool::Pool2dSpec),
    /// Mean over the image, in a grid of places.
    AdaptiveAvgPool2d(pool::AdaptiveAvgPool2dSpec),
    /// A kernel that is not learned, on each channel.
    Filter(filter::FilterSpec),
    /// Another shape for the same numbers.
    Reshape(reshape::ReshapeSpec),
    /// Random zeros in training.
    Dropout(dropout::DropoutSpec),
    /// `max(x, 0)`.
    Relu(relu::Relu),
    /// A slope below zero.
    LeakyRelu(leaky_relu::LeakyReluSpec),
    /// `1 / (1 + exp(-x))`.
    Sigmoid(sigmoid::Sigmoid),
    /// Hyperbolic tangent.
    Tanh(tanh::Tanh),
    /// `x` times the normal distribution function.
    Gelu(gelu::Gelu),
    /// The same, approximated by a hyperbolic tangent.
    GeluTanh(gelu::GeluTanh),
    /// `x` times its sigmoid.
    Silu(silu::Silu),
    /// Probabilities, or their logarithms.
    Softmax(softmax::SoftmaxSpec),
    /// A layer of the user's own.
    Custom(custom::CustomSpec),
}

impl Leaf {
    /// Whether the layer writes nothing and only looks at the same numbers in another way.
    pub const fn is_view(&self) -> bool {
        matches!(self, Leaf::Reshape(_))
    }
}

/// Makes a type without sizes a layer whose data is the type itself.
macro_rules! leaf {
    ($Layer:ident) => {
        impl $crate::types::Layer for $Layer {
            const SPEC: &'static $crate::types::Spec = &$crate::types::Spec::Leaf($crate::layers::Leaf::$Layer($Layer));
        }
    };
}
pub(crate) use leaf;
