//! The portable lowering: every layer in dfdx tensor operations, on any of its devices, differentiated by its tape.
//!
//! It is what each layer means. The faster ways are held against it by the tests, and a layer of a user's own needs no
//! other form.

#[cfg(feature = "cuda")]
pub(crate) mod cuda;
#[cfg(all(feature = "cuda", target_os = "linux", target_arch = "x86_64"))]
mod driver;
mod engine;
mod memory;
mod ranks;
mod var;

pub use engine::Portable;
pub(crate) use ranks::OverRanks;
pub(crate) use var::detached;
pub use var::{Index, Site, Var};
