//! Data whose shapes are types: a network does not compile against samples or targets of another shape.

mod dataset;
pub mod digits;
pub mod idx;
mod target;

pub use dataset::{Batches, Dataset, MiniBatch};
pub use target::{Class, Labels, Target, Values};
pub(crate) use target::{checked_ids, finite};
