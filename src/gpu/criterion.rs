//! A loss where the outputs are, so that a step is one list of calls.

use super::call::{Arg, Call, Place, THREADS};
use crate::learn::LossKernel;

/// How many lines of logits a block looks at.
const LINES: usize = 8;

/// Where the numbers of a loss lie.
#[derive(Clone, Copy)]
pub(crate) struct Scored {
    /// Targets, as many as outputs at most.
    pub targets: Place,
    /// What each block has summed.
    pub sums: Place,
    pub loss: Place,
}

impl Scored {
    /// How much room the sums need for so many outputs.
    pub(crate) fn sums(outputs: usize) -> usize {
        outputs.div_ceil(LINES)
    }

    /// The loss of `n` outputs `y`, and its gradient `d`.
    pub(crate) fn calls(&self, kernel: &LossKernel, scale: f64, n: usize, [y, d]: [Place; 2]) -> [Call; 2] {
        let numbers: [Arg; 7] = [n.into(), y.into(), self.targets.into(), d.into(), self.sums.into(), scale.into(), kernel.coefficient.into()];
        let (blocks, lines) = match kernel.lines {
            None => (n.div_ceil(THREADS), None),
            Some([classes, stride]) => ((n / classes).div_ceil(LINES), Some([classes.into(), stride.into(), kernel.labels.into()])),
        };
        let args = numbers.into_iter().chain(lines.into_iter().flatten()).collect();
        [
            Call::Kernel { name: kernel.name, blocks, args },
            Call::Kernel { name: "add_up", blocks: 1, args: vec![blocks.into(), self.sums.into(), self.loss.into()] },
        ]
    }
}
