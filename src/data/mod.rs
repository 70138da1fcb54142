//! Data whose shapes are types: a network does not compile against samples or targets of another shape.

pub mod csv;
mod dataset;
pub mod digits;
pub mod idx;
mod scaler;
mod source;
mod table;
mod target;

pub use dataset::{Batches, Dataset, MiniBatch};
pub use scaler::StandardScaler;
pub use source::{Number, Source};
pub use table::{Table, breast_cancer, wine};
pub use target::{Class, Labels, Target, Values, one_hot};
pub(crate) use target::{checked_ids, finite};
