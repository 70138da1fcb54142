//! Data whose shapes are types: a network does not compile against samples or targets of another shape.

mod dataset;
pub mod digits;
mod target;

pub use dataset::{Batches, Dataset, MiniBatch};
pub(crate) use target::finite;
pub use target::{Class, Labels, Target, Values, one_hot};
