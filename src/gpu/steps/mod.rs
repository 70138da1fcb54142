//! Calls that several layers share.

mod attend;
mod conv;
mod dense;
mod normalize;
mod sparse;
mod sums;
mod walk;

pub(crate) use attend::{Attention, Operand};
pub(crate) use conv::Bank;
pub(crate) use normalize::ROWS;
pub(crate) use sparse::Lists;
pub(crate) use sums::{Channels, Factor};
pub(crate) use walk::{Cell, Walk};
