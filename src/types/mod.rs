//! Networks as data: sizes, shapes, layers, and what the compiler can prove about them.
//!
//! All of it runs in constants, but for `sample.rs`, which also puts the parts of samples together at a model's door. Nothing
//! in here computes with their numbers.

mod cost;
mod dims;
mod explain;
mod fault;
mod infer;
mod names;
mod network;
mod param;
mod parts;
mod sample;
mod size;
mod spec;
mod stream;
mod text;

pub(crate) use cost::numbers;
pub use cost::{Cost, cost, scalars};
pub use dims::{Dims, MAX_RANK};
pub use fault::{ARGUMENT, Fault, MAX_DEPTH, OUTPUT, Problem, Step};
pub use infer::infer;
pub(crate) use names::{NamedLeaf, leaves, tied};
pub use names::{NamedParam, buffers, parameters, tensors};
pub use network::{Net, Network, check, site};
pub use param::{Init, Param, Reach, Role};
pub use parts::{Parts, Slot};
pub use sample::{AttentionMask, Batch, Cell, Hidden, Ids, Memory, MemoryPadding, Padding, Plain, Sample, Side, With};
pub use size::{Extent, Minus, Over, Plus, Resize, Size, Times};
pub use spec::{Branch, Chain, Field, Join, Layer, Prefix, Repeat, Spec, Tied};
#[doc(hidden)]
pub use spec::{Called, SourceName};
pub(crate) use stream::check_stream;
pub use text::{Label, Message, Text};
