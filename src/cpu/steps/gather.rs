//! Numbers in other places.

use super::{Backward, Forward, Step};
use crate::float::Float;

/// `y[i] = x[index[i]]` in each block of `x`; an index behind the block's last number stands for a zero.
pub(crate) struct Gather {
    block: usize,
    index: Vec<u32>,
}

impl Gather {
    pub(crate) fn new(block: usize, index: &[usize]) -> Self {
        assert!(block <= u32::MAX as usize, "a block has at most 2^32 numbers");
        Gather { block, index: index.iter().map(|&i| i as u32).collect() }
    }
}

impl<E: Float> Step<E> for Gather {
    fn forward(&self, at: Forward<'_, E>) {
        for (x, y) in at.input().chunks_exact(self.block).zip(at.output.chunks_exact_mut(self.index.len())) {
            y.iter_mut().zip(&self.index).for_each(|(y, &i)| *y = x.get(i as usize).copied().unwrap_or(E::zero()));
        }
    }

    fn backward(&self, mut at: Backward<'_, E>) {
        let Some(mut dx) = at.d_input() else { return };
        for (dx, dy) in dx.accumulate().chunks_exact_mut(self.block).zip(at.d_output.chunks_exact(self.index.len())) {
            for (&i, &dy) in self.index.iter().zip(dy) {
                if let Some(dx) = dx.get_mut(i as usize) {
                    *dx += dy;
                }
            }
        }
    }
}
