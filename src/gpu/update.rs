//! A step of an optimizer as calls, where parameters and gradients are.

use super::call::{Arg, Call, Place, Space, THREADS};
use crate::learn::AdjustmentKernel;
use core::ops::Range;

/// How many coefficients an optimizer has at most.
const COEFFICIENTS: usize = 16;

/// How many blocks take the norm of gradients at most: the threads of one block add up what they leave.
const NORMS: usize = THREADS;

/// How many numbers [`Space::Coefficients`] has.
pub(super) const ROOM: usize = COEFFICIENTS + NORMS;

/// What an optimizer does to all parameters, which is the same in each of its steps but for its coefficients.
#[derive(PartialEq)]
pub(super) struct Update {
    pub kernel: &'static str,
    /// What is done to the gradients first.
    pub changes: Vec<AdjustmentKernel>,
}

impl Update {
    /// The calls for so many parameters.
    pub(super) fn calls(&self, parameters: usize) -> Vec<Call> {
        if parameters == 0 {
            return Vec::new();
        }
        let changes = self.changes.iter().flat_map(|change| change_calls(change, parameters));
        let [moved, gradients, kept, coefficients] = [Space::Parameters, Space::Gradients, Space::Kept, Space::Coefficients].map(begin_of);
        let args = vec![parameters.into(), moved.into(), gradients.into(), kept.into(), coefficients.into()];
        let moves = Call::Kernel { name: self.kernel, blocks: parameters.div_ceil(THREADS), args };
        changes.chain([moves]).collect()
    }
}

/// The calls of one change: those of a norm are for all parameters, and all others for each range of those that count.
fn change_calls(change: &AdjustmentKernel, parameters: usize) -> Vec<Call> {
    let (name, coefficient) = (change.name, Arg::Real(change.coefficient));
    let kernel = |name: &'static str, blocks: usize, args: Vec<Arg>| Call::Kernel { name, blocks, args };
    if change.is_of_norm {
        let (g, norms) = (begin_of(Space::Gradients), begin_of(Space::Coefficients).behind(COEFFICIENTS));
        let blocks = parameters.div_ceil(THREADS);
        let parts = blocks.min(NORMS);
        let of_parts = kernel("norms", parts, vec![parameters.into(), parts.into(), g.into(), norms.into()]);
        return vec![of_parts, kernel(name, blocks, vec![parameters.into(), g.into(), parts.into(), norms.into(), coefficient])];
    }
    let of_range = |range: &Range<usize>| {
        let [p, g] = [Space::Parameters, Space::Gradients].map(|space| begin_of(space).behind(range.start));
        kernel(name, range.len().div_ceil(THREADS), vec![range.len().into(), p.into(), g.into(), coefficient])
    };
    change.ranges.iter().filter(|range| !range.is_empty()).map(of_range).collect()
}

fn begin_of(space: Space) -> Place {
    Place { space, begin: 0 }
}
