//! Calls that several layers share.

mod conv;
mod dense;
mod normalize;
mod sparse;
mod sums;

pub(crate) use conv::Bank;
pub(crate) use normalize::ROWS;
pub(crate) use sparse::Lists;
pub(crate) use sums::{Channels, Factor};
