//! The static lowering: a network becomes a plan once, and the plan runs without a tape and without allocating.
//!
//! - `plan`: the spec as a list of steps over one flat buffer of parameters and one workspace.
//! - `steps`: what the steps do, forward and backward, on the slices that they are given.
//! - `engine`: runs a plan over a batch, in parts that depend on the batch alone and never on the number of threads.
//! - `pool`: the threads.

mod engine;
mod plan;
mod pool;
pub(crate) mod steps;

pub use engine::Static;
pub(crate) use plan::{Planner, Value};
