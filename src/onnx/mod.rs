//! Networks as ONNX files, for onnxruntime and whatever else reads them.
//!
//! `Model::export_onnx` writes the network with its parameters, as it computes outside of training:
//! dropout is gone, and batch norm uses its running statistics. Losses are not part of it. The feature `onnx` has it;
//! [`Model::onnx`](crate::Model::onnx), the same as data, is there without.
//!
//! The file is of opset 20 (IR version 9, ONNX 1.15; onnxruntime 1.17 and later), with operators of ONNX's own alone.
//!
//! - **Inputs** are the parts of a sample: `x`, and beside it `padding`, `memory`, `memory_padding`, `attention_mask`, `hidden`,
//!   `cell`, where the network has them. Token ids are `int64`, all else is of the model's float type.
//! - **Outputs** are `y`, and what is declared beside it: `y_hidden`, `y_cell`.
//! - The first dimension of each is `batch`, of any size. All others are the network's.
//! - **Parameters** are initializers under their names as in a `state_dict`, in PyTorch's shapes; what ONNX wants in another
//!   order is put into that order by nodes, which onnxruntime runs once, when it loads the file. Nodes are named by the path
//!   of their layer: `conv1/Conv`.
//!
//! | layer | ONNX |
//! | --- | --- |
//! | `Linear` | `Gemm`, of sequences `MatMul` and `Add` |
//! | `Conv1d`, `Conv2d`, `PatchEmbedding` | `Conv` |
//! | `ConvTranspose1d`, `ConvTranspose2d` | `ConvTranspose` |
//! | `MaxPool1d`, `MaxPool2d` | `MaxPool` |
//! | `AvgPool1d`, `AvgPool2d` | `AveragePool`, with `count_include_pad` unless [`IgnorePadding`](crate::prelude::IgnorePadding) |
//! | `GlobalAvgPool2d` | `ReduceMean` |
//! | `AdaptiveAvgPool2d`, `Filter` | `MatMul` from both sides |
//! | `BatchNorm1d`, `BatchNorm2d` | `BatchNormalization` |
//! | `LayerNorm` | `LayerNormalization` |
//! | `GroupNorm` | `LayerNormalization` of groups, `Mul`, `Add` |
//! | `Upsample2d` | `Resize` |
//! | `ZeroPad`, `ReflectionPad`, `Crop` | `Pad`, `Slice` |
//! | `PixelShuffle`, `PixelUnshuffle` | `DepthToSpace` in order `CRD`; `Reshape`, `Transpose` |
//! | `Flatten`, `Reshape`, `Transpose` | `Reshape`, `Transpose` |
//! | `Embedding` | `Gather` |
//! | `SinusoidalPositions`, `LearnedPositions` | `Add` |
//! | `Scale`, `SqrtScale` | `Mul` |
//! | `Relu`, `LeakyRelu`, `Sigmoid`, `Tanh`, `Gelu`, `GeluTanh`, `Softmax`, `LogSoftmax` | those of their names |
//! | `Silu` | `Sigmoid`, `Mul` |
//! | `Dropout` | nothing |
//! | `Rnn`, `Lstm`, `Gru` | `RNN`, `LSTM`, `GRU`; with padding beside them the steps that are none are put first and back |
//! | `SelfAttention`, `CrossAttention`, `ScaledDotProductAttention` | `MatMul`, `Softmax` |
//! | `MeanOverTime`, `LastStep` | `ReduceMean`, `Gather`; with padding `Mul`, `ReduceSum` |
//! | `Residual`, `Sum`; `SkipConcat`, `Concat` | `Add`; `Concat` |
//! | `Repeat`, `Tied`, `Encode`, `Parallel`, tuples and structs | what is in them |
//! | a layer of one's own | what its [`Meaning::onnx`](crate::layers::custom::Meaning::onnx) says |
//!
//! What cannot be exported is an [`Error::Onnx`], which names the layer:
//!
//! - a layer of one's own without `Meaning::onnx`;
//! - in `f64`: convolutions, mean pools, `Upsample2d`, `LeakyRelu`, `Gelu` and recurrent layers, which onnxruntime has in `f32`
//!   alone. `Model::<N, f32>` takes the parameters of another model from a file, or by
//!   [`Model::set_parameters`](crate::Model::set_parameters).

mod graph;
#[cfg(feature = "onnx")]
mod proto;
mod walk;

pub use graph::{Attribute, Graph, Initializer, Kind, Node, Port, Samples, Tensor};

use crate::engine::{Architecture, Backend, Engine, State};
use crate::error::Error;
use crate::float::Float;
use crate::model::Model;
use crate::types::Network;

/// The version of ONNX's operators.
pub const OPSET: i64 = 20;

/// The version of the file format that came with them.
#[cfg(feature = "onnx")]
const IR_VERSION: i64 = 9;

impl<N: Network, E: Float, D: Backend<E>, G: Engine<E, D>> Model<N, E, D, G> {
    /// The model as an ONNX graph, as it computes outside of training: see [`onnx`](crate::onnx).
    ///
    /// # Errors
    /// [`Error::Onnx`] for a layer that has no ONNX form.
    ///
    /// # Examples
    /// ```
    /// use formwork::prelude::*;
    ///
    /// #[network([1, 8, 8] => [10])]
    /// type Reader = (Conv2d<1, 4, 3>, Relu, Flatten, Linear<144, 10>);
    ///
    /// let graph = Model::<Reader>::new(0).onnx().unwrap();
    /// let names: Vec<&str> = graph.nodes().iter().map(|node| node.name.as_str()).collect();
    /// assert_eq!(names, ["0/Conv", "1/Relu", "2/Reshape", "3/Gemm", "y"]);
    /// ```
    pub fn onnx(&self) -> Result<Graph, Error> {
        let state = State { parameters: self.parameters(), buffers: self.buffers() };
        walk::graph(N::NAME, &Architecture::of::<N>(), &state)
    }

    /// Writes the model as an ONNX file, as it computes outside of training: see [`onnx`](crate::onnx).
    ///
    /// The file is written beside its place and then renamed, so that whatever happens there is the old one or the new one.
    ///
    /// # Errors
    /// [`Error::Onnx`] for a layer that has no ONNX form; [`Error::File`].
    ///
    /// # Examples
    /// ```
    /// use formwork::prelude::*;
    ///
    /// #[network([1, 8, 8] => [10])]
    /// type Reader = (Conv2d<1, 4, 3>, Relu, Flatten, Linear<144, 10>);
    ///
    /// let file = std::env::temp_dir().join("formwork-reader.onnx");
    /// Model::<Reader>::new(0).export_onnx(&file).unwrap();
    /// ```
    /// Then, in Python:
    /// ```python
    /// reader = onnxruntime.InferenceSession("formwork-reader.onnx")
    /// scores, = reader.run(None, {"x": images})  # [B, 1, 8, 8] -> [B, 10]
    /// ```
    #[cfg(feature = "onnx")]
    pub fn export_onnx(&self, path: impl AsRef<std::path::Path>) -> Result<(), Error> {
        crate::checkpoint::replace(path.as_ref(), &proto::encode(&self.onnx()?))
    }
}
