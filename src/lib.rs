//! Neural networks as Rust types: shapes are proved by the compiler, on stable Rust.
//!
//! ```
//! use formwork::prelude::*;
//!
//! /// Reads a handwritten digit.
//! #[network([1, 8, 8] => [10])]
//! pub type Reader = (Conv2d<1, 8, 3>, Relu, MaxPool2d<2>, Flatten, Linear<72, 10>);
//!
//! # fn main() -> Result<(), Error> {
//! let (train, test) = formwork::data::digits::load()?.split_stratified(0.2, 0);
//! let mut model = Model::<Reader>::new(0);
//! let mut optimizer = Adam::new(0.01);
//! for batch in train.shuffled(32, 0) {
//!     model.train(&batch, &CrossEntropy::default(), &mut optimizer)?;
//! }
//! assert!(model.evaluate(&test, &CrossEntropy::default())? < 1.0);
//! # Ok(()) }
//! ```
//!
//! `Linear<64, 10>` instead of `Linear<72, 10>` would not compile, and `cargo check` would say so on its line, with the
//! shape behind every layer before it.
//!
//! # The house
//!
//! | room | what is in it |
//! | --- | --- |
//! | [`types`] | networks as data: [`Layer`](types::Layer), [`Spec`](types::Spec), [`Size`](types::Size), [`Sample`](types::Sample); [`infer`](types::infer), which knows every shape rule, and the text of compile errors. All of it runs in constants. |
//! | [`layers`] | one file for each family of layers: its page, its shape rule, its parameters, its meaning, its steps. `layers/mod.rs` lists them and dispatches. |
//! | [`Model`] | a network with parameters. The door: shapes are types on this side and values behind it. |
//! | [`Predictor`] | the same network for one sample at a time, without allocating: one for each thread. |
//! | [`Stream`] | the same network shown a sequence position by position, to write text with. |
//! | [`engine`] | the seam between models and machines: [`Engine`](engine::Engine) runs a network, [`Backend`](engine::Backend) says which engine a device has. |
//! | [`portable`] | the first engine: every layer in dfdx operations, on any device, differentiated by dfdx's tape. What a layer means. |
//! | [`cpu`] | the second: a plan over one flat buffer of parameters and one workspace, without a tape and without allocating. |
//! | [`gpu`] | the third: a network and a batch as one list of calls for a GPU, in kernels of its own; it has not run on one yet. |
//! | `kernels` | numeric kernels that know nothing of layers: one register tile, and products of matrices and images made of it, for the instructions that the processor has. The `unsafe` of this crate is there, where threads share memory, and where NVIDIA's driver is called. |
//! | [`learn`] | losses, optimizers, learning rates, and how weights begin. |
//! | [`regression`] | ridge, lasso and logistic regression on plain numbers, in closed form and by descent. |
//! | [`filters`] | classical filters of images, and convolution as a matrix. |
//! | [`data`] | data sets whose shapes are types, and what they are read from: the digits, CSV, IDX and NumPy files, images, text. |
//! | [`trainer`], [`metrics`] | training that takes care of itself, with checkpoints and history, and the numbers that say how good it is. |
//! | [`group`] | several processes, on one machine or on many, that train one model together. |
//! | [`pytorch`], [`onnx`] | weights from PyTorch and back, where names or layouts differ; networks as ONNX graphs and files. |
//! | [`AsModule`] | the same network inside a model of dfdx. |
//! | `plot` | curves, matrices, images and histograms as SVG and PNG, with the feature `plot`. |
//! | `checkpoint`, `checksum`, `summary`, `diagram`, `statistics`, `gradient_check` | files of parameters and whether they are whole, the table and the drawing of a network, signals and gradients layer by layer, gradients against differences. |
//! | `formwork-derive` | the macros: they place each check on the tokens of the layer it is about. |
//!
//! A sample may be a value with others beside it: padding, a second sequence, states. It travels as [`Parts`](types::Parts)
//! through every walk, and a layer takes notice of what it knows.
//!
//! A network takes this way through it: its **type** carries a [`Spec`](types::Spec), which is proved in a constant by
//! [`infer`](types::infer); a [`Model`] hands the same `Spec` to an **engine**, which lowers it once and then runs.

#![deny(missing_docs)]

/// The code of the README compiles.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;

extern crate self as formwork;

mod as_module;
mod checkpoint;
mod checksum;
pub mod cpu;
pub mod data;
mod diagram;
pub mod engine;
mod error;
pub mod filters;
mod float;
pub mod gpu;
mod gradient_check;
pub mod group;
mod kernels;
pub mod layers;
pub mod learn;
pub mod metrics;
mod model;
mod noise;
pub mod onnx;
#[cfg(feature = "plot")]
pub mod plot;
pub mod portable;
mod predictor;
pub mod prelude;
pub mod pytorch;
pub mod regression;
mod statistics;
mod storage;
mod stream;
mod summary;
mod table;
pub mod trainer;
pub mod types;

pub use as_module::{AsModule, Batched};
pub use diagram::Diagram;
pub use engine::device;
pub use error::{Error, Mismatch};
pub use float::Float;
/// # Examples
/// ```
/// use formwork::prelude::*;
///
/// #[derive(Layer)]
/// struct Body<const I: usize, const O: usize> {
///     conv1: Conv2d<I, O, 3, 1, 1>,
///     relu: Relu,
///     conv2: Conv2d<O, O, 3, 1, 1>,
/// }
///
/// #[network([3, 32, 32] => [8, 32, 32])]
/// struct Stem {
///     body: Body<3, 8>,
///     #[layer(flatten)]
///     tail: Residual<Body<8, 8>>,
/// }
/// let names: Vec<_> = Stem::parameters().into_iter().map(|param| param.name).collect();
/// assert_eq!(names[0], "body.conv1.weight");
/// assert_eq!(names[4], "conv1.weight");
/// ```
pub use formwork_derive::Layer;

/// # Examples
/// ```
/// use formwork::prelude::*;
///
/// #[block]
/// type FeedForward<const D: usize> = Residual<(Linear<D, { 4 * D }>, Gelu, Linear<{ 4 * D }, D>)>;
///
/// #[network([16, 32] => [16, 32])]
/// type Twice = (FeedForward<32>, FeedForward<32>);
/// assert_eq!(Twice::SCALARS, 2 * (32 * 128 + 128 + 128 * 32 + 32));
/// ```
pub use formwork_derive::block;

/// # Examples
/// ```
/// use formwork::prelude::*;
///
/// #[network([1, 28, 28] => [10])]
/// type LeNet = (Conv2d<1, 6, 5>, Relu, MaxPool2d<2>, Flatten, Linear<864, 10>);
/// assert_eq!(LeNet::parameters()[2].name, "4.weight");
///
/// #[network([3, 64, 64] => [10])]
/// struct Tagger {
///     conv1: Conv2d<3, 8, 3>,
///     relu: Relu,
///     pool: GlobalAvgPool2d,
///     fc: Linear<8, 10>,
/// }
/// assert_eq!(Tagger::parameters()[2].name, "fc.weight");
/// ```
/// A `Linear` of another size does not compile:
/// ```compile_fail
/// use formwork::prelude::*;
///
/// #[network([1, 28, 28] => [10])]
/// type LeNet = (Conv2d<1, 6, 5>, Relu, MaxPool2d<2>, Flatten, Linear<400, 10>);
/// ```
pub use formwork_derive::network;

/// # Examples
/// ```
/// use formwork::layers::custom::Rule;
/// const PIXEL_SHUFFLE: Rule = formwork::rule!([c, h, w] => [c / 4, 2 * h, 2 * w]);
/// assert_eq!(PIXEL_SHUFFLE.rank, 3);
/// ```
pub use formwork_derive::rule;
pub use gradient_check::gradient_check;
pub use model::Model;
pub use noise::Noise;
pub use predictor::Predictor;
pub use statistics::{LayerStatistics, Statistics};
pub use stream::{Sequence, Stream};
pub use summary::{Row, Summary};
