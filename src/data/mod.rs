//! Data whose shapes are types: a network does not compile against samples or targets of another shape.

mod augment;
mod crop;
pub mod csv;
mod dataset;
pub mod digits;
pub mod idx;
#[cfg(feature = "images")]
pub mod images;
mod mapped;
pub mod npy;
#[cfg(feature = "npz")]
pub mod npz;
mod scaler;
mod source;
mod subset;
mod table;
mod target;

pub use augment::{Augment, Augmented, FlipHorizontal, FlipVertical, GaussianNoise, Pixels, Shift};
pub use crop::Cropped;
pub use dataset::{Batches, Dataset, MiniBatch};
pub use mapped::Mapped;
pub use scaler::StandardScaler;
pub use source::{Number, Source};
pub use subset::Subset;
pub use table::{Table, breast_cancer, wine};
pub use target::{Class, Labels, Target, Values, one_hot};
pub(crate) use target::{checked_ids, finite};
