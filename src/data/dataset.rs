//! Samples and their targets.

use super::subset;
use super::target::Target;
use crate::error::Error;
use crate::float::Float;
use crate::types::Sample;
use core::marker::PhantomData;
use rand::SeedableRng;
use rand::rngs::StdRng;
use rand::seq::SliceRandom;

/// Samples of shape `I` with targets of kind `T`, in memory.
///
/// # Examples
/// ```
/// use formwork::prelude::*;
///
/// let pixels = vec![0.0; 3 * 4];
/// let data = Dataset::<Rank3<1, 2, 2>, Class<2>>::new(pixels, vec![0, 1, 1]).unwrap();
/// assert_eq!(data.len(), 3);
///
/// let error = Dataset::<Rank3<1, 2, 2>, Class<2>>::new(vec![0.0; 4], vec![7]).unwrap_err();
/// assert_eq!(error.to_string(), "target 0: expected a class below 2, given 7");
/// ```
pub struct Dataset<I, T: Target, E: Float = f32> {
    inputs: Vec<E>,
    targets: Vec<T::Number<E>>,
    len: usize,
    input: PhantomData<fn() -> I>,
}

impl<I: Sample, T: Target, E: Float> core::fmt::Debug for Dataset<I, T, E> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "Dataset({} samples of shape {})", self.len, I::PARTS.x)
    }
}

impl<I: Sample, T: Target, E: Float> Dataset<I, T, E> {
    /// The samples, one behind the other, and their targets.
    ///
    /// # Errors
    /// [`Error::Count`] if they do not make whole samples or not as many of one as of the other; [`Error::NotFinite`],
    /// [`Error::Id`] and [`Error::Class`] for numbers that are none.
    pub fn new(inputs: I::Numbers<E>, targets: Vec<T::Number<E>>) -> Result<Self, Error> {
        MiniBatch::new(inputs, targets).map(Dataset::from)
    }

    /// How many samples there are.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// The numbers of one sample; `i` is below [`Dataset::len`].
    pub fn input(&self, i: usize) -> &[E] {
        &self.inputs[i * I::WIDTH..(i + 1) * I::WIDTH]
    }

    /// The targets of one sample; `i` is below [`Dataset::len`].
    pub fn target(&self, i: usize) -> &[T::Number<E>] {
        &self.targets[i * T::PER_SAMPLE..(i + 1) * T::PER_SAMPLE]
    }

    /// The samples with these numbers, in this order; all are below [`Dataset::len`].
    pub fn select(&self, samples: &[usize]) -> MiniBatch<I, T, E> {
        let mut batch = MiniBatch::default();
        batch.fill(self, samples);
        batch
    }

    /// All samples as one batch.
    pub fn all(&self) -> MiniBatch<I, T, E> {
        MiniBatch { inputs: self.inputs.clone(), targets: self.targets.clone(), len: self.len, input: PhantomData }
    }

    /// Batches of `size` samples in the order of the data; the last one may be smaller.
    pub fn batches(&self, size: usize) -> Batches<'_, I, T, E> {
        Batches { data: self, order: (0..self.len).collect(), size: size.max(1), at: 0 }
    }

    /// Batches of `size` samples, shuffled; the last one may be smaller. The same seed gives the same order.
    pub fn shuffled(&self, size: usize, seed: u64) -> Batches<'_, I, T, E> {
        Batches { order: shuffled(self.len, seed), ..self.batches(size) }
    }
}

impl<I: Sample, T: Target, E: Float> From<MiniBatch<I, T, E>> for Dataset<I, T, E> {
    fn from(MiniBatch { inputs, targets, len, input }: MiniBatch<I, T, E>) -> Self {
        Dataset { inputs, targets, len, input }
    }
}

impl<I: Sample, const C: usize, E: Float> Dataset<I, super::Class<C>, E> {
    /// Splits off about this share of each class, at random: the rest comes first. The same seed gives the same split.
    pub fn split_stratified(&self, share: f64, seed: u64) -> (Self, Self) {
        let [kept, taken] = subset::split_stratified(&self.targets, C, share, seed);
        (self.select(&kept).into(), self.select(&taken).into())
    }
}

/// The numbers of so many samples in an order that is left to chance; the same seed gives the same.
pub(crate) fn shuffled(samples: usize, seed: u64) -> Vec<usize> {
    let mut order: Vec<usize> = (0..samples).collect();
    order.shuffle(&mut StdRng::seed_from_u64(seed));
    order
}

/// Some samples of a data set, in memory.
pub struct MiniBatch<I, T: Target, E: Float = f32> {
    inputs: Vec<E>,
    targets: Vec<T::Number<E>>,
    len: usize,
    input: PhantomData<fn() -> I>,
}

impl<I: Sample, T: Target, E: Float> core::fmt::Debug for MiniBatch<I, T, E> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "MiniBatch({} samples of shape {})", self.len, I::PARTS.x)
    }
}

impl<I, T: Target, E: Float> Default for MiniBatch<I, T, E> {
    fn default() -> Self {
        MiniBatch { inputs: Vec::new(), targets: Vec::new(), len: 0, input: PhantomData }
    }
}

impl<I: Sample, T: Target, E: Float> MiniBatch<I, T, E> {
    /// The samples, one behind the other, and their targets.
    ///
    /// # Errors
    /// [`Error::Count`] if they do not make whole samples or not as many of one as of the other; [`Error::NotFinite`],
    /// [`Error::Id`] and [`Error::Class`] for numbers that are none.
    pub fn new(inputs: I::Numbers<E>, targets: Vec<T::Number<E>>) -> Result<Self, Error> {
        let len = targets.len() / T::PER_SAMPLE.max(1);
        if targets.len() != len * T::PER_SAMPLE {
            return Err(Error::Count { what: "targets", expected: len * T::PER_SAMPLE, given: targets.len() });
        }
        let inputs = I::rows(inputs, len)?;
        T::check(&targets)?;
        Ok(MiniBatch { inputs, targets, len, input: PhantomData })
    }

    /// Takes other samples; memory that is there is used again.
    pub fn fill(&mut self, data: &Dataset<I, T, E>, samples: &[usize]) {
        self.inputs.clear();
        self.targets.clear();
        for &i in samples {
            self.inputs.extend_from_slice(data.input(i));
            self.targets.extend_from_slice(data.target(i));
        }
        self.len = samples.len();
    }

    /// Memory for this many samples and their targets, to be written.
    pub(super) fn resized(&mut self, samples: usize) -> (&mut [E], &mut [T::Number<E>]) {
        self.len = samples;
        self.inputs.resize(samples * I::WIDTH, E::zero());
        self.targets.resize(samples * T::PER_SAMPLE, T::Number::<E>::default());
        (&mut self.inputs, &mut self.targets)
    }

    /// How many samples there are.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// The samples, one behind the other.
    pub fn inputs(&self) -> &[E] {
        &self.inputs
    }

    /// Their targets.
    pub fn targets(&self) -> &[T::Number<E>] {
        &self.targets
    }
}

/// The batches of an epoch.
pub struct Batches<'a, I, T: Target, E: Float> {
    data: &'a Dataset<I, T, E>,
    order: Vec<usize>,
    size: usize,
    at: usize,
}

impl<I: Sample, T: Target, E: Float> Batches<'_, I, T, E> {
    /// The next batch in the memory of another; `false` when there is none. For loops that are not to allocate.
    pub fn next_into(&mut self, batch: &mut MiniBatch<I, T, E>) -> bool {
        let end = (self.at + self.size).min(self.order.len());
        let samples = &self.order[self.at..end];
        self.at = end;
        batch.fill(self.data, samples);
        !samples.is_empty()
    }
}

impl<I: Sample, T: Target, E: Float> Iterator for Batches<'_, I, T, E> {
    type Item = MiniBatch<I, T, E>;

    fn next(&mut self) -> Option<Self::Item> {
        let mut batch = MiniBatch::default();
        self.next_into(&mut batch).then_some(batch)
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        let left = (self.order.len() - self.at).div_ceil(self.size);
        (left, Some(left))
    }
}

impl<I: Sample, T: Target, E: Float> ExactSizeIterator for Batches<'_, I, T, E> {}
