//! Weights from PyTorch, and back.

mod import;
mod near;
mod order;
mod pattern;
mod read;
mod report;
mod write;

pub use import::Import;
pub use report::{Found, Loaded, Report};
