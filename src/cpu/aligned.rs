//! Memory that begins with a line of the cache.

use crate::float::Float;
use core::ops::{Deref, DerefMut};

/// How many bytes a line of the cache has, and the widest register.
const LINE: usize = 64;

/// Numbers of which the first begins a line of the cache. A register of 64 bytes that is read across two lines takes longer, and
/// long memory that a `Vec` gets begins 16 bytes behind the begin of one.
#[derive(Default)]
pub(super) struct Aligned<E> {
    /// With room for a line before the first number.
    numbers: Vec<E>,
    len: usize,
}

impl<E: Float> Aligned<E> {
    /// So many zeros.
    pub fn zeros(len: usize) -> Self {
        Aligned { numbers: vec![E::zero(); if len == 0 { 0 } else { len + LINE / size_of::<E>() }], len }
    }

    /// These numbers.
    pub fn of(numbers: &[E]) -> Self {
        let mut aligned = Aligned::zeros(numbers.len());
        aligned.copy_from_slice(numbers);
        aligned
    }

    /// Makes room for so many numbers, where there are fewer; what they were is forgotten then.
    pub fn grow(&mut self, len: usize) {
        if self.len < len {
            *self = Aligned::zeros(len);
        }
    }

    fn begin(&self) -> usize {
        if self.len == 0 { 0 } else { self.numbers.as_ptr().align_offset(LINE) }
    }
}

impl<E: Float> Deref for Aligned<E> {
    type Target = [E];

    fn deref(&self) -> &[E] {
        &self.numbers[self.begin()..][..self.len]
    }
}

impl<E: Float> DerefMut for Aligned<E> {
    fn deref_mut(&mut self) -> &mut [E] {
        let begin = self.begin();
        &mut self.numbers[begin..][..self.len]
    }
}

#[cfg(test)]
mod tests {
    use super::{Aligned, LINE};

    #[test]
    fn it_begins_with_a_line() {
        let mut numbers = Aligned::<f32>::zeros(0);
        assert!(numbers.is_empty());
        for len in [1, 7, 1000, 3, 100_000] {
            numbers.grow(len);
            assert!(numbers.len() >= len && numbers.as_ptr().addr().is_multiple_of(LINE));
            numbers[len - 1] = 1.0;
            assert_eq!(numbers.iter().sum::<f32>(), 1.0);
            numbers[len - 1] = 0.0;
        }
    }
}
