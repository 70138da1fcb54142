//! A step of an optimizer as calls, where parameters and gradients are.

use super::call::{Arg, Call, Place, Space, THREADS};
use crate::learn::AdjustmentKernel;

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

fn change_calls(change: &AdjustmentKernel, parameters: usize) -> Vec<Call> {
    let limit = Arg::Real(change.coefficient);
    if change.is_of_norm {
        let (gradients, norms) = (begin_of(Space::Gradients), begin_of(Space::Coefficients).behind(COEFFICIENTS));
        let (blocks, all_blocks) = (parameters.div_ceil(THREADS).min(NORMS), parameters.div_ceil(THREADS));
        return vec![
            Call::Kernel { name: "norms", blocks, args: vec![parameters.into(), blocks.into(), gradients.into(), norms.into()] },
            Call::Kernel {
                name: change.name,
                blocks: all_blocks,
                args: vec![parameters.into(), gradients.into(), blocks.into(), norms.into(), limit],
            },
        ];
    }
    let of_range = |range: &core::ops::Range<usize>| {
        let [p, g] = [Space::Parameters, Space::Gradients].map(|space| begin_of(space).behind(range.start));
        Call::Kernel { name: change.name, blocks: range.len().div_ceil(THREADS), args: vec![range.len().into(), p.into(), g.into(), limit] }
    };
    change.ranges.iter().filter(|range| !range.is_empty()).map(of_range).collect()
}

fn begin_of(space: Space) -> Place {
    Place { space, begin: 0 }
}
