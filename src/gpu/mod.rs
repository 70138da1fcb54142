//! The fused lowering for GPUs: a network and a batch size become a list of calls once, and the list runs without a tape.
//!
//! - `call`: what a machine is told to do, as data: kernels and products of matrices on places in its memory.
//! - `planner`: the spec as calls, there and back, and where each value lies.
//! - `criterion`: a loss as calls.
//! - `update`: a step of an optimizer as calls, with what is done to the gradients before.
//! - `steps`: calls that several layers share.
//! - `kernels`: what the calls run, in CUDA's C++.
//! - `machine`: what has to be asked of a machine.
//! - `step`: what was planned for a batch size, ready to run.
//! - `engine`: runs the calls: one list, recorded once, for a whole step of training.
//! - `card`: NVIDIA cards.
//! - `emulated`: a machine for tests without a GPU, which runs the same kernels on the processor, thread by thread.

mod call;
mod criterion;
mod engine;
mod machine;
mod planner;
#[cfg(any(feature = "cuda", feature = "emulated-gpu"))]
mod source;
mod step;
mod steps;
mod update;

#[cfg(feature = "cuda")]
mod card;
#[cfg(feature = "emulated-gpu")]
mod emulated;

pub(crate) use call::{Arg, Matrix, Place};
#[cfg(feature = "cuda")]
pub use card::Card;
#[cfg(feature = "emulated-gpu")]
pub use emulated::Emulated;
pub use engine::Fused;
pub use machine::Machine;
pub(crate) use planner::{Gradient, Parameter, Planner, Value};
pub(crate) use steps::{Attention, Bank, Cell, Channels, Factor, Lists, Operand, ROWS, Walk};
