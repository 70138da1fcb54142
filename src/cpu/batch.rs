//! How a batch is cut up: into parts, and these into chunks.

use crate::noise::Noise;
use core::ops::Range;

/// How many samples run through the network together at most: the most that a step is given, unless threads share out what it does.
pub(crate) const CHUNK: usize = 32;

/// How many go together at most where they do.
pub(super) const SHARED: usize = 1024;

/// Into how many parts a batch is cut at most, each with a sum of gradients of its own. The parts depend on the batch alone,
/// and their sums are added in order, so results do not depend on the number of threads.
pub(super) const PARTS: usize = 8;

/// How many samples go through a network together, so that what they need stays in the second-level cache.
#[derive(Clone, Copy)]
pub(super) struct ChunkSize {
    /// As many as fit.
    pub fitting: usize,
    /// As many as its steps should be given: with less they are slower.
    pub efficient: usize,
    /// As many at most where threads do not have chunks of their own, but share out what each step does: a weight is then read once
    /// for all samples, and each thread finds its part of it in its cache.
    pub shared: Option<usize>,
}

impl ChunkSize {
    /// For a batch of so many samples. A batch is cut in four at least, so that there is something for several threads to do, or
    /// in two where its steps would be slower otherwise.
    fn of(self, samples: usize) -> usize {
        if let Some(most) = self.shared {
            return samples.clamp(1, most);
        }
        let most = (samples / 4).max(self.efficient.min(samples.div_ceil(2)).next_power_of_two()).min(samples).max(1);
        let size = self.fitting.max(self.efficient).min(most).min(CHUNK);
        // A power of two: registers of samples are full then.
        1 << size.ilog2()
    }
}

/// A batch on its way through the plan.
#[derive(Clone, Copy)]
pub(super) struct Batch<'a, E> {
    pub inputs: &'a [E],
    pub samples: usize,
    pub noise: Option<Noise>,
    /// How many samples others have before these: what is drawn for a sample does not depend on who has it.
    pub before: usize,
    chunk: usize,
    /// Whether threads share out what each step does, and chunks follow one another.
    pub is_shared_out: bool,
}

impl<'a, E> Batch<'a, E> {
    pub fn new(inputs: &'a [E], samples: usize, noise: Option<Noise>, chunk: ChunkSize) -> Self {
        let chunk_len = chunk.of(samples);
        Batch { inputs, samples, noise, before: 0, chunk: chunk_len, is_shared_out: chunk.shared.is_some() || samples <= chunk_len }
    }

    /// The same samples behind so many that others have.
    pub fn behind(self, before: usize) -> Self {
        Batch { before, ..self }
    }

    /// How many samples a chunk has at most.
    pub fn chunk_len(&self) -> usize {
        self.chunk
    }

    /// How many chunks there are.
    pub fn chunks(&self) -> usize {
        self.samples.div_ceil(self.chunk)
    }

    /// How many chunks each part has.
    fn chunks_per_part(&self) -> usize {
        self.chunks().div_ceil(PARTS).max(1)
    }

    /// How many parts have any chunk.
    pub fn parts(&self) -> usize {
        self.chunks().div_ceil(self.chunks_per_part())
    }

    /// The chunks of a part.
    pub fn chunks_of(&self, part: usize) -> Range<usize> {
        let per_part = self.chunks_per_part();
        part * per_part..((part + 1) * per_part).min(self.chunks())
    }

    /// The samples of a chunk.
    pub fn samples_of(&self, chunk: usize) -> Range<usize> {
        chunk * self.chunk..((chunk + 1) * self.chunk).min(self.samples)
    }

    /// A chunk in memory that the whole batch has room in.
    pub fn chunk(&self, chunk: usize) -> Chunk<'a, E> {
        let samples = self.samples_of(chunk);
        Chunk { begin: samples.start, room: self.samples, ..self.chunk_alone(chunk) }
    }

    /// A chunk in memory for one chunk.
    pub fn chunk_alone(&self, chunk: usize) -> Chunk<'a, E> {
        let (width, samples) = (self.inputs.len() / self.samples, self.samples_of(chunk));
        Chunk {
            inputs: &self.inputs[samples.start * width..samples.end * width],
            samples: samples.len(),
            begin: 0,
            room: self.chunk,
            noise: self.noise.map(|noise| (noise, self.before + samples.start)),
        }
    }
}

/// A few samples on their way through the plan.
pub(super) struct Chunk<'a, E> {
    pub inputs: &'a [E],
    pub samples: usize,
    /// The number of the first one in the memory, and for how many it has room: there a value's numbers lie sample by sample.
    pub begin: usize,
    pub room: usize,
    pub noise: Option<(Noise, usize)>,
}

impl<E> Chunk<'_, E> {
    /// Where what has `numel` numbers per sample, and is placed at `at`, lies in the memory.
    pub fn place(&self, at: usize, numel: usize) -> Range<usize> {
        let first = at * self.room + self.begin * numel;
        first..first + self.samples * numel
    }
}

#[cfg(test)]
mod tests {
    use super::{Batch, ChunkSize};
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn every_sample_is_in_one_chunk_and_every_chunk_in_one_part(samples in 1..300usize, fitting in 1..40usize, efficient in 1..20usize, shared in proptest::option::of(1..100usize)) {
            let numbers = vec![0; samples];
            let batch = Batch::new(&numbers, samples, None, ChunkSize { fitting, efficient, shared });
            let chunks: Vec<usize> = (0..batch.parts()).flat_map(|part| batch.chunks_of(part)).collect();
            prop_assert_eq!(&chunks, &(0..batch.chunks()).collect::<Vec<_>>());
            let of_chunks: Vec<usize> = chunks.into_iter().flat_map(|chunk| batch.samples_of(chunk)).collect();
            prop_assert_eq!(of_chunks, (0..samples).collect::<Vec<_>>());
        }
    }

    #[test]
    fn sizes_of_chunks() {
        let size = |fitting, efficient, samples| ChunkSize { fitting, efficient, shared: None }.of(samples);
        assert_eq!([size(100, 16, 1), size(100, 16, 64), size(100, 16, 256)], [1, 16, 32]);
        assert_eq!([10, 1000].map(|samples| ChunkSize { fitting: 2, efficient: 16, shared: Some(512) }.of(samples)), [10, 512]);
        assert_eq!([size(2, 16, 32), size(1, 1, 16), size(3, 1, 100)], [16, 1, 2]);
    }
}
