//! Data whose shapes are types: a network does not compile against samples or targets of another shape.
//!
//! A [`Source`] says how many samples there are and reads the one that is asked for; a [`Dataset`] has them in memory, and
//! [`Source::in_memory`] makes it of any other. What is in a file is checked against the type when it is opened or read.
//!
//! | what there is | what reads it |
//! | --- | --- |
//! | comma-separated values, with names or without | [`csv::Frame`], [`csv::Columns`] |
//! | IDX, the format of MNIST, plain or gzipped | [`idx::load`]; plain and larger than memory: [`idx::map`] |
//! | NumPy's `.npy` | [`npy::load`]; larger than memory: [`npy::map_both`] |
//! | NumPy's `.npz` | `npz::Archive`, with the feature `npz`; `npz::save` writes one |
//! | folders of PNG and JPEG images | `images::Folder`, with the feature `images` |
//! | text, character by character | [`text::Vocabulary`], [`text::Windows`] |
//! | what comes with the crate | [`digits::load`], [`wine`], [`breast_cancer`] |
//! | numbers in memory, or anything else | [`Dataset::new`]; a [`Source`] of your own |
//!
//! | what is made of a source | by |
//! | --- | --- |
//! | a part to learn from and one to test with | [`Source::split`], [`Source::split_by_class`], [`Source::folds`], [`Subset`] |
//! | numbers of mean 0 and deviation 1 | [`StandardScaler::of`], [`StandardScaler::of_channels`], [`Source::scaled`] |
//! | images that are a little different each time | [`Source::augmented`], [`Source::cropped_at_random`] |

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
mod scaled;
mod scaler;
mod source;
mod subset;
mod table;
mod target;
pub mod text;

pub use augment::{Augment, Augmented, FlipHorizontal, FlipVertical, GaussianNoise, Pixels, Shift};
pub use crop::Cropped;
pub(crate) use dataset::shuffled;
pub use dataset::{Batches, Dataset, MiniBatch};
pub use mapped::Mapped;
pub use scaled::Scaled;
pub use scaler::StandardScaler;
pub(crate) use source::check;
pub use source::{Number, Source};
pub use subset::Subset;
pub use table::{Table, breast_cancer, wine};
pub use target::{Class, Labels, Target, Values, one_hot};
pub(crate) use target::{checked_ids, finite};
