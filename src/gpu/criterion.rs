//! A loss where the outputs are, so that a step is one list of calls.

use super::ROWS;
use super::call::{Arg, Call, Place, THREADS};
use crate::learn::LossKernel;

/// Where the numbers of a loss lie.
#[derive(Clone, Copy)]
pub(crate) struct Scored {
    /// How many outputs there are.
    pub outputs: usize,
    /// Targets, as many as outputs at most.
    pub targets: Place,
    /// What each block has summed.
    pub sums: Place,
    pub loss: Place,
}

impl Scored {
    /// How much room the sums need for so many outputs.
    pub(crate) fn sums(outputs: usize) -> usize {
        outputs.div_ceil(ROWS)
    }

    /// The loss of the outputs `y`, and its gradient `d`; a block looks at as many lines of logits as at rows.
    pub(crate) fn calls(&self, kernel: &LossKernel, scale: f64, [y, d]: [Place; 2]) -> [Call; 2] {
        let n = self.outputs;
        let numbers: [Arg; 7] = [n.into(), y.into(), self.targets.into(), d.into(), self.sums.into(), scale.into(), kernel.coefficient.into()];
        let (blocks, lines) = match kernel.lines {
            None => (n.div_ceil(THREADS), None),
            Some([classes, stride]) => ((n / classes).div_ceil(ROWS), Some([classes.into(), stride.into(), kernel.labels.into()])),
        };
        let args = numbers.into_iter().chain(lines.into_iter().flatten()).collect();
        [
            Call::Kernel { name: kernel.name, blocks, args },
            Call::Kernel { name: "add_up", blocks: 1, args: vec![blocks.into(), self.sums.into(), self.loss.into()] },
        ]
    }
}
