//! The static lowering: a network becomes a plan once, and the plan runs without a tape and without allocating.
//!
//! - `plan`: the spec as a list of steps over one flat buffer of parameters and one workspace.
//! - `fuse`: several steps as one, where that is faster.
//! - `steps`: what the steps do, forward and backward, on the slices that they are given.
//! - `batch`: how a batch is cut into parts and chunks, which depend on the batch alone and never on the number of threads.
//! - `prepare`: what steps make of their parameters before a batch of many chunks.
//! - `pass`: the way of one chunk through the steps, there and back.
//! - `engine`: what a plan is run with, and the way of samples that only go forward.
//! - `differentiate`: a batch there and back, segment by segment where steps look at the whole of it.
//! - `update`: the gradients of parameters, block by block, and the steps of optimizers against them.
//! - `together`: what ranks sum while others of their gradients are still computed.
//! - `single`: runs a plan for one sample, in memory of its own.
//! - `stream`: runs a plan position by position, for writing text.
//! - `pieces`: numbers that threads share out.
//! - `pool`: the threads.

mod aligned;
mod batch;
mod differentiate;
mod engine;
mod fuse;
mod pass;
mod pieces;
mod plan;
mod pool;
mod prepare;
mod single;
pub(crate) mod steps;
mod stream;
mod together;
mod update;
mod whole_batch;

pub(crate) use batch::CHUNK;
pub use engine::{Observe, Static};
pub(crate) use plan::{Planner, Stream, Value, workspace};
pub(crate) use single::Single;
pub(crate) use stream::Streaming;
