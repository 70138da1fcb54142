//! Some samples of a source.

use super::source::{Number, Source};
use super::target::{Class, Target};
use crate::error::Error;
use crate::float::Float;
use crate::noise::Noise;
use rand::SeedableRng;
use rand::rngs::StdRng;
use rand::seq::SliceRandom;

/// The samples of a source that have these numbers: see [`Source::split`].
#[derive(Clone, Debug)]
pub struct Subset<S> {
    source: S,
    samples: Vec<usize>,
}

impl<S> Subset<S> {
    /// The samples with these numbers, in this order; all are below the length of the source.
    pub fn new(source: S, samples: Vec<usize>) -> Self {
        Subset { source, samples }
    }

    /// Their numbers in the source.
    pub fn samples(&self) -> &[usize] {
        &self.samples
    }
}

impl<S: Source<E>, E: Float> Source<E> for Subset<S> {
    type Input = S::Input;
    type Target = S::Target;

    fn len(&self) -> usize {
        self.samples.len()
    }

    fn read(&self, index: usize, noise: Noise, input: &mut [E], target: &mut [Number<S, E>]) -> Result<(), Error> {
        self.source.read(self.samples[index], noise, input, target)
    }

    fn read_target(&self, index: usize, target: &mut [<S::Target as Target>::Number<E>]) -> Result<(), Error> {
        self.source.read_target(self.samples[index], target)
    }
}

/// About this share of so many samples, at random, behind the rest; both in order.
pub(super) fn split(len: usize, share: f64, seed: u64) -> [Vec<usize>; 2] {
    let mut samples: Vec<usize> = (0..len).collect();
    samples.shuffle(&mut StdRng::seed_from_u64(seed));
    let taken = (share.clamp(0.0, 1.0) * len as f64).round() as usize;
    let kept = samples.split_off(taken);
    [kept, samples].map(sorted)
}

/// The same with about this share of each class.
pub(super) fn split_stratified(classes: &[usize], count: usize, share: f64, seed: u64) -> [Vec<usize>; 2] {
    let mut rng = StdRng::seed_from_u64(seed);
    let (mut kept, mut taken) = (Vec::new(), Vec::new());
    // What is owed to the share from the classes so far, so that the parts add up.
    let mut owed = 0.0;
    for class in 0..count {
        let mut members: Vec<usize> = (0..classes.len()).filter(|&i| classes[i] == class).collect();
        members.shuffle(&mut rng);
        owed += share.clamp(0.0, 1.0) * members.len() as f64;
        let count = (owed.round() as usize).min(members.len());
        owed -= count as f64;
        let (first, rest) = members.split_at(count);
        taken.extend_from_slice(first);
        kept.extend_from_slice(rest);
    }
    [kept, taken].map(sorted)
}

/// `k` times all samples but a part, and that part; the parts are of one size, to within a sample.
pub(super) fn folds(len: usize, k: usize, seed: u64) -> Vec<[Vec<usize>; 2]> {
    let mut samples: Vec<usize> = (0..len).collect();
    samples.shuffle(&mut StdRng::seed_from_u64(seed));
    let fold = |i: usize| {
        let (begin, end) = (i * len / k, (i + 1) * len / k);
        [[&samples[..begin], &samples[end..]].concat(), samples[begin..end].to_vec()].map(sorted)
    };
    (0..k).map(fold).collect()
}

fn sorted(mut samples: Vec<usize>) -> Vec<usize> {
    samples.sort_unstable();
    samples
}

/// The class of each sample of a source.
pub(super) fn classes<S: Source<E, Target = Class<C>> + ?Sized, const C: usize, E: Float>(source: &S) -> Result<Vec<usize>, Error> {
    let class = |index| {
        let mut class = [0];
        source.read_target(index, &mut class)?;
        Ok(class[0])
    };
    (0..source.len()).map(class).collect()
}
