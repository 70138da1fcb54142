//! The layers: one file for each family, always in the same order.
//!
//! A file begins with the layer's type and its page of documentation; then what the layer is as data, with its shape
//! rule, its parameters and its cost; its meaning in dfdx operations; its ONNX nodes; its steps on the CPU; its calls on
//! GPUs; its tests. This
//! file only dispatches.

use crate::cpu::{Planner, Value};
use crate::float::Float;
use crate::gpu;
use crate::onnx::{Graph, Samples, Tensor};
use crate::portable::{Site, Var};
use crate::types::{Dims, Label, Param, Parts, Problem, Reach};
use dfdx::tensor::Tape;
use dfdx::tensor_ops::Device;

pub mod attention;
pub mod batch_norm;
pub mod conv;
pub mod conv_transpose;
pub mod custom;
pub mod dropout;
pub(crate) mod elementwise;
pub mod embedding;
pub mod encode;
pub mod filter;
pub(crate) mod gather;
pub mod gelu;
pub mod generic;
pub mod group_norm;
pub(crate) mod groups;
pub mod layer_norm;
pub mod leaky_relu;
pub mod linear;
pub mod no_affine;
pub mod no_bias;
pub mod normalization;
pub mod pad;
pub mod parallel;
pub mod patches;
pub mod pixel_shuffle;
pub mod pool;
pub mod positions;
pub mod recurrent;
pub mod relu;
pub mod repeat;
pub mod reshape;
pub mod residual;
pub mod scale;
pub mod scaled_dot_product;
pub mod sequence;
pub mod sequence_pool;
pub mod sigmoid;
pub mod silu;
pub mod skip_concat;
pub mod softmax;
pub mod tanh;
pub mod tied;
pub mod transformer;
pub mod transpose;
pub mod upsample;
pub(crate) mod window;

/// The questions that every layer answers, and who answers them.
///
/// Most layers work `on_numbers`: one value in, one out, whatever is beside it. Some read token ids (`on_ids`), and some look
/// at what is beside their input, or change it (`on_parts`).
macro_rules! leaves {
    (
        on_numbers { $($(#[$num_doc:meta])* $Num:ident($NumSpec:ty),)* }
        on_ids { $($(#[$ids_doc:meta])* $Ids:ident($IdsSpec:ty),)* }
        on_parts { $($(#[$parts_doc:meta])* $Parts:ident($PartsSpec:ty),)* }
    ) => {
        /// A layer that computes, as data: each variant holds what its own file says of it.
        #[derive(Clone, Copy)]
        pub enum Leaf {
            $($(#[$num_doc])* $Num($NumSpec),)*
            $($(#[$ids_doc])* $Ids($IdsSpec),)*
            $($(#[$parts_doc])* $Parts($PartsSpec),)*
        }

        impl Leaf {
            /// The name of each variant.
            #[doc(hidden)]
            pub const KINDS: &'static [&'static str] = &[$(stringify!($Num),)* $(stringify!($Ids),)* $(stringify!($Parts),)*];

            /// The name of the variant.
            #[doc(hidden)]
            pub const fn kind(&self) -> &'static str {
                match self {
                    $(Leaf::$Num(_) => stringify!($Num),)*
                    $(Leaf::$Ids(_) => stringify!($Ids),)*
                    $(Leaf::$Parts(_) => stringify!($Parts),)*
                }
            }

            /// The layer as its user writes it.
            pub const fn label(&self) -> Label {
                match self { $(Leaf::$Num(spec) => spec.label(),)* $(Leaf::$Ids(spec) => spec.label(),)* $(Leaf::$Parts(spec) => spec.label(),)* }
            }

            /// The shapes that the layer makes of those in `x`, or why it cannot.
            pub const fn infer(&self, x: Parts<Dims>) -> Result<Parts<Dims>, Problem> {
                if x.x.vocabulary().is_some() && !matches!(self, $(Leaf::$Ids(_))|*) {
                    return Err(Problem::ids(x.x));
                }
                let y = match self {
                    $(Leaf::$Num(spec) => spec.infer(x.x),)*
                    $(Leaf::$Ids(spec) => spec.infer(x.x),)*
                    $(Leaf::$Parts(spec) => return spec.infer(x),)*
                };
                match y {
                    Ok(y) => Ok(x.with_x(y)),
                    Err(problem) => Err(problem),
                }
            }

            /// The parameter or buffer number `i`, if there are that many.
            pub const fn param(&self, i: usize) -> Option<Param> {
                match self { $(Leaf::$Num(spec) => spec.param(i),)* $(Leaf::$Ids(spec) => spec.param(i),)* $(Leaf::$Parts(spec) => spec.param(i),)* }
            }

            /// Floating-point operations for one sample.
            pub const fn flops(&self, x: Parts<Dims>, y: Parts<Dims>) -> usize {
                match self { $(Leaf::$Num(spec) => spec.flops(x.x, y.x),)* $(Leaf::$Ids(spec) => spec.flops(x.x, y.x),)* $(Leaf::$Parts(spec) => spec.flops(x, y),)* }
            }

            /// What part of its input one number of the output sees.
            pub const fn reach(&self) -> Reach {
                match self { $(Leaf::$Num(spec) => spec.reach(),)* $(Leaf::$Ids(spec) => spec.reach(),)* $(Leaf::$Parts(spec) => spec.reach(),)* }
            }

            /// The layer in dfdx operations; `y` are the shapes that come out.
            pub(crate) fn portable<E: Float, D: Device<E>, T: Tape<E, D> + 'static>(&self, site: &Site<'_, E, D, T>, x: Parts<Var<E, D, T>>, y: Parts<Dims>) -> Result<Parts<Var<E, D, T>>, D::Err> {
                match self {
                    $(Leaf::$Num(spec) => x.try_map_x(|x| spec.portable(site, x, y.x)),)*
                    $(Leaf::$Ids(spec) => x.try_map_x(|x| spec.portable(site, x, y.x)),)*
                    $(Leaf::$Parts(spec) => spec.portable(site, x, y),)*
                }
            }

            /// The layer as nodes of an ONNX graph; `y` are the shapes that come out. `None` if it has no such form.
            pub(crate) fn onnx(&self, graph: &mut Graph, x: Parts<Samples>, y: Parts<Dims>) -> Option<Parts<Samples>> {
                let tensor: Option<Tensor> = match self {
                    $(Leaf::$Num(spec) => spec.onnx(graph, x.x, y.x).into(),)*
                    $(Leaf::$Ids(spec) => spec.onnx(graph, x.x, y.x).into(),)*
                    $(Leaf::$Parts(spec) => return Some(spec.onnx(graph, x, y)),)*
                };
                Some(x.with_x(Samples { tensor: tensor?, dims: y.x }))
            }

            /// The layer as steps on the CPU; `y` are the shapes that come out.
            pub(crate) fn plan<E: Float>(&self, planner: &mut Planner<E>, x: Parts<Value>, y: Parts<Dims>) -> Parts<Value> {
                match self {
                    $(Leaf::$Num(spec) => x.with_x(spec.plan(planner, x.x, y.x)),)*
                    $(Leaf::$Ids(spec) => x.with_x(spec.plan(planner, x.x, y.x)),)*
                    $(Leaf::$Parts(spec) => spec.plan(planner, x, y),)*
                }
            }

            /// The layer as calls of a GPU; `y` are the shapes that come out. `None` if it has no such form.
            pub(crate) fn fused(&self, planner: &mut gpu::Planner, x: Parts<gpu::Value>, y: Parts<Dims>) -> Option<Parts<gpu::Value>> {
                match self {
                    $(Leaf::$Num(spec) => Some(x.with_x(spec.fused(planner, x.x, y.x)?)),)*
                    $(Leaf::$Ids(spec) => Some(x.with_x(spec.fused(planner, x.x, y.x)?)),)*
                    $(Leaf::$Parts(spec) => spec.fused(planner, x, y),)*
                }
            }
        }
    };
}

leaves! {
    on_numbers {
        /// Fully connected.
        Linear(linear::LinearSpec),
        /// Convolution.
        Conv(conv::ConvSpec),
        /// Transposed convolution.
        ConvTranspose(conv_transpose::ConvTransposeSpec),
        /// An image as a sequence of patches.
        PatchEmbedding(patches::PatchEmbeddingSpec),
        /// Maximum or mean of windows.
        Pool(pool::PoolSpec),
        /// Mean over the image, in a grid of places.
        AdaptiveAvgPool2d(pool::AdaptiveAvgPool2dSpec),
        /// Normalized over the batch.
        BatchNorm(batch_norm::BatchNormSpec),
        /// A larger image.
        Upsample2d(upsample::Upsample2dSpec),
        /// A border, added or taken off.
        Pad(pad::PadSpec),
        /// Channels as pixels, or pixels as channels.
        PixelShuffle(pixel_shuffle::PixelShuffleSpec),
        /// A kernel that is not learned, on each channel.
        Filter(filter::FilterSpec),
        /// Another shape for the same numbers.
        Reshape(reshape::ReshapeSpec),
        /// Rows as columns.
        Transpose(transpose::Transpose),
        /// Vectors that tell places apart.
        Positions(positions::PositionsSpec),
        /// A factor that is not learned.
        Scale(scale::ScaleSpec),
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
        /// Mean 0 and variance 1 over the last dimensions.
        LayerNorm(layer_norm::LayerNormSpec),
        /// Mean 0 and variance 1 over groups of channels.
        GroupNorm(group_norm::GroupNormSpec),
        /// A layer of the user's own.
        Custom(custom::CustomSpec),
    }
    on_ids {
        /// A vector for each token id.
        Embedding(embedding::EmbeddingSpec),
    }
    on_parts {
        /// A cell that steps along a sequence.
        Recurrent(recurrent::RecurrentSpec),
        /// Attention with several heads.
        Attention(attention::AttentionSpec),
        /// Attention without parameters.
        ScaledDotProduct(scaled_dot_product::ScaledDotProductSpec),
        /// One vector for a sequence.
        SequencePool(sequence_pool::SequencePoolSpec),
    }
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
