//! What most programs use: `use formwork::prelude::*;`.
//!
//! dfdx's own prelude has a `Linear` and a `Residual` too; what a user of formwork needs of dfdx is here.

pub use crate::data::{Class, Dataset, Labels, MiniBatch, Source, Values};
pub use crate::engine::Backend;
pub use crate::error::Error;
pub use crate::float::Float;
pub use crate::layers::attention::{CausalSelfAttention, CrossAttention, SelfAttention};
pub use crate::layers::batch_norm::{BatchNorm1d, BatchNorm2d, Momentum};
pub use crate::layers::conv::{Conv1d, Conv2d};
pub use crate::layers::conv_transpose::{ConvTranspose1d, ConvTranspose2d};
pub use crate::layers::dropout::Dropout;
pub use crate::layers::embedding::Embedding;
pub use crate::layers::encode::Encode;
pub use crate::layers::filter::Filter;
pub use crate::layers::gelu::{Gelu, GeluTanh};
pub use crate::layers::generic;
pub use crate::layers::group_norm::GroupNorm;
pub use crate::layers::layer_norm::LayerNorm;
pub use crate::layers::leaky_relu::LeakyRelu;
pub use crate::layers::linear::Linear;
pub use crate::layers::no_affine::NoAffine;
pub use crate::layers::no_bias::NoBias;
pub use crate::layers::normalization::Eps;
pub use crate::layers::pad::{Crop1d, Crop2d, ReflectionPad1d, ReflectionPad2d, ZeroPad1d, ZeroPad2d};
pub use crate::layers::parallel::{Concat, Parallel, Sum};
pub use crate::layers::patches::PatchEmbedding;
pub use crate::layers::pixel_shuffle::{PixelShuffle, PixelUnshuffle};
pub use crate::layers::pool::{AdaptiveAvgPool2d, AvgPool1d, AvgPool2d, GlobalAvgPool2d, IgnorePadding, MaxPool1d, MaxPool2d};
pub use crate::layers::positions::{LearnedPositions, SinusoidalPositions};
pub use crate::layers::recurrent::{Bidirectional, Gru, Last, Lstm, Rnn, WithState};
pub use crate::layers::relu::Relu;
pub use crate::layers::repeat::{Repeat, RepeatShared};
pub use crate::layers::reshape::{Flatten, Reshape};
pub use crate::layers::residual::Residual;
pub use crate::layers::scale::{Scale, SqrtScale};
pub use crate::layers::scaled_dot_product::{CausalScaledDotProductAttention, ScaledDotProductAttention};
pub use crate::layers::sequence_pool::{LastStep, MeanOverTime};
pub use crate::layers::sigmoid::Sigmoid;
pub use crate::layers::silu::Silu;
pub use crate::layers::skip_concat::SkipConcat;
pub use crate::layers::softmax::{LogSoftmax, Softmax};
pub use crate::layers::tanh::Tanh;
pub use crate::layers::tied::Tied;
pub use crate::layers::transformer::{Causal, Full, PostNorm, PreNorm, TransformerDecoderLayer, TransformerEncoderLayer};
pub use crate::layers::transpose::Transpose;
pub use crate::layers::upsample::{Bilinear, BilinearAligned, Nearest, Upsample2d};
pub use crate::learn::{
    Adagrad, Adam, BceWithLogits, CosineAnnealingLr, CrossEntropy, ExponentialLr, Huber, KlDiv, L1, LearningRate, LinearLr, Loss, Mse, OneCycleLr,
    Optimizer, RmsProp, Schedule, Scheme, Sgd, StepLr, TokenCrossEntropy, WarmUp,
};
pub use crate::model::Model;
pub use crate::trainer::Trainer;
pub use crate::types::{Batch, Ids, Layer, Net, Network, Plain, Sample, Size, Spec};
pub use formwork_derive::{Layer, block, network};

pub use dfdx::shapes::{Const, ConstDim, ConstShape, Dim, HasShape, Rank0, Rank1, Rank2, Rank3, Rank4, Shape};
pub use dfdx::tensor::{AsArray, AutoDevice, Cpu, Tensor, TensorFrom, TensorFromVec, ZerosTensor};
