//! Arrays of NumPy, as `numpy.save` writes them.
//!
//! ```no_run
//! use formwork::data::npy;
//! use formwork::prelude::*;
//!
//! let train: Dataset<Rank3<3, 32, 32>, Class<10>> = npy::load("inputs.npy", "labels.npy")?;
//! # Ok::<(), Error>(())
//! ```

mod array;
mod arrays;
mod header;
mod write;

pub use array::{Array, map, open, read};
pub use arrays::{Arrays, load, map_both};
pub use write::save;
#[cfg(feature = "npz")]
pub(super) use write::to_bytes;
