//! How a batch is cut up: into parts, and these into chunks.

use crate::noise::Noise;
use core::ops::Range;

/// How many samples run through the network together: the most that a step is given.
pub(crate) const CHUNK: usize = 8;

/// Into how many parts a batch is cut, each with a sum of gradients of its own. The parts depend on the batch alone, and
/// their sums are added in order, so results do not depend on the number of threads.
pub(super) const PARTS: usize = 8;

/// A batch on its way through the plan.
#[derive(Clone, Copy)]
pub(super) struct Batch<'a, E> {
    pub inputs: &'a [E],
    pub samples: usize,
    pub noise: Option<Noise>,
}

impl<'a, E> Batch<'a, E> {
    /// How many chunks each part has.
    pub fn chunks_per_part(&self) -> usize {
        self.samples.div_ceil(CHUNK).div_ceil(PARTS)
    }

    /// How many parts have any chunk.
    pub fn parts(&self) -> usize {
        self.samples.div_ceil(CHUNK).div_ceil(self.chunks_per_part().max(1))
    }

    /// The samples of each chunk of a part.
    pub fn chunks(&self, part: usize) -> impl Iterator<Item = Range<usize>> + use<E> {
        let (per_part, samples) = (self.chunks_per_part(), self.samples);
        let chunks = part * per_part..((part + 1) * per_part).min(samples.div_ceil(CHUNK));
        chunks.map(move |chunk| chunk * CHUNK..((chunk + 1) * CHUNK).min(samples))
    }

    pub fn chunk(&self, samples: Range<usize>) -> Chunk<'a, E> {
        let width = self.inputs.len() / self.samples;
        Chunk {
            inputs: &self.inputs[samples.start * width..samples.end * width],
            samples: samples.len(),
            noise: self.noise.map(|noise| (noise, samples.start)),
        }
    }
}

/// A few samples on their way through the plan.
pub(super) struct Chunk<'a, E> {
    pub inputs: &'a [E],
    pub samples: usize,
    pub noise: Option<(Noise, usize)>,
}

impl<E> Chunk<'_, E> {
    /// Where what has `numel` numbers per sample, and is placed at `at`, lies in the chunk's memory.
    pub fn place(&self, at: usize, numel: usize) -> Range<usize> {
        at * CHUNK..at * CHUNK + self.samples * numel
    }
}
