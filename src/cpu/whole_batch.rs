//! What steps have to know of a whole batch: the shares of its chunks, and of its ranks, put together in order.

use super::plan::{Node, Plan};
use crate::float::Float;
use crate::group::{Share, part};

/// Which way a batch goes.
#[derive(Clone, Copy)]
pub(super) enum Way {
    Forward,
    Back,
}

impl<E: Float> Plan<E> {
    /// Merges shares of what the step at `node` has to know, in order; each comes with how many samples it is of.
    pub fn merge<'a>(&self, node: usize, way: Way, shares: impl Iterator<Item = (usize, &'a [E])>, known: &mut [E])
    where
        E: 'a,
    {
        let Node { step, known: place, .. } = &self.nodes[node];
        let Some(step) = step.whole_batch() else { return };
        let (known, mut before) = (&mut known[place.clone()], 0);
        // A rank without samples has seen nothing, and what it gives is left from another batch.
        for (samples, share) in shares.filter(|(samples, _)| *samples > 0) {
            match way {
                Way::Forward => step.merge(before, samples, share, known),
                Way::Back => step.merge_back(before == 0, share, known),
            }
            before += samples;
        }
    }

    /// Merges what all ranks know, where they are to know of one another, so that all know the same.
    pub fn merge_ranks(&self, node: usize, way: Way, share: &Share<'_>, known: &mut [E]) {
        let (Some(group), place) = (share.normalized_over(), self.nodes[node].known.clone()) else { return };
        let all = E::from_le_bytes(&group.gather(&E::to_le_bytes(&known[place.clone()])));
        let of_ranks = all.chunks_exact(place.len()).enumerate();
        self.merge(node, way, of_ranks.map(|(rank, known)| (part(share.batch, rank, group.size()).len(), known)), known);
    }

    /// Takes what steps know of a batch of so many samples into their buffers.
    pub fn remember(&self, samples: usize, known: &[E], buffers: &mut [E]) {
        for node in self.nodes.iter().filter(|node| !node.known.is_empty()) {
            if let Some(step) = node.step.whole_batch() {
                step.remember(samples, &known[node.known.clone()], &mut buffers[node.buffers.clone()]);
            }
        }
    }
}
