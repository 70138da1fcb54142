//! Sums, and the largest of some numbers.

use super::simd::{Job, with_best};
use core::ops::AddAssign;
use num_traits::Float;

/// How many partial sums there are that do not wait for one another.
const PARTS: usize = 16;

/// A sum to which numbers are added block by block; what is behind the last whole block has a sum of its own. The order is
/// always the same, whatever the registers.
#[derive(Clone, Copy)]
pub(crate) struct Partial<E> {
    blocks: [E; PARTS],
    rest: E,
}

impl<E: Float + AddAssign> Partial<E> {
    #[inline(always)]
    pub(crate) fn new() -> Self {
        Partial { blocks: [E::zero(); PARTS], rest: E::zero() }
    }

    /// Adds `Σ f(x)`.
    #[inline(always)]
    pub(crate) fn add(mut self, numbers: &[E], f: impl Fn(E) -> E) -> Self {
        let (blocks, rest) = numbers.as_chunks::<PARTS>();
        for block in blocks {
            for (sum, &x) in self.blocks.iter_mut().zip(block) {
                *sum += f(x);
            }
        }
        for &x in rest {
            self.rest += f(x);
        }
        self
    }

    /// Adds `Σ f(a) b`.
    #[inline(always)]
    pub(crate) fn add_products(mut self, a: &[E], b: &[E], f: impl Fn(E) -> E) -> Self {
        let ((a_blocks, a_rest), (b_blocks, b_rest)) = (a.as_chunks::<PARTS>(), b.as_chunks::<PARTS>());
        for (a, b) in a_blocks.iter().zip(b_blocks) {
            for (sum, (&a, &b)) in self.blocks.iter_mut().zip(a.iter().zip(b)) {
                *sum += f(a) * b;
            }
        }
        for (&a, &b) in a_rest.iter().zip(b_rest) {
            self.rest += f(a) * b;
        }
        self
    }

    /// All of it, halves upon halves.
    #[inline(always)]
    pub(crate) fn total(self) -> E {
        let Partial { mut blocks, rest } = self;
        for half in [PARTS / 2, PARTS / 4, PARTS / 8, PARTS / 16] {
            let (sums, others) = blocks.split_at_mut(half);
            sums.iter_mut().zip(others).for_each(|(sum, &mut other)| *sum += other);
        }
        blocks[0] + rest
    }
}

/// The sum of some numbers.
#[inline(always)]
pub(crate) fn sum<E: Float + AddAssign>(numbers: &[E]) -> E {
    sum_of(numbers, |x| x)
}

/// `Σ f(x)`
#[inline(always)]
pub(crate) fn sum_of<E: Float + AddAssign>(numbers: &[E], f: impl Fn(E) -> E) -> E {
    Partial::new().add(numbers, f).total()
}

/// `Σ a b`
#[inline(always)]
pub(crate) fn dot<E: Float + AddAssign>(a: &[E], b: &[E]) -> E {
    Partial::new().add_products(a, b, |a| a).total()
}

/// The largest number; less than all where there is none. One that is not a number is passed over.
#[inline(always)]
pub(crate) fn largest<E: Float>(numbers: &[E]) -> E {
    let larger = |a: E, b: E| if b > a { b } else { a };
    let (blocks, rest) = numbers.as_chunks::<8>();
    let mut partial = [E::neg_infinity(); 8];
    for block in blocks {
        partial.iter_mut().zip(block).for_each(|(max, &x)| *max = larger(*max, x));
    }
    partial.into_iter().chain(rest.iter().copied()).fold(E::neg_infinity(), larger)
}

/// Adds to each number of `sums` a run of numbers, for samples of as many runs: the gradient of biases.
pub(crate) fn add_runs<E: Float + AddAssign>(numbers: &[E], run: usize, sums: &mut [E]) {
    if !sums.is_empty() {
        with_best(AddRuns { numbers, run, sums });
    }
}

struct AddRuns<'a, E> {
    numbers: &'a [E],
    run: usize,
    sums: &'a mut [E],
}

impl<E: Float + AddAssign> Job for AddRuns<'_, E> {
    #[inline(always)]
    fn run(self) {
        for sample in self.numbers.chunks_exact(self.sums.len() * self.run) {
            for (to, run) in self.sums.iter_mut().zip(sample.chunks_exact(self.run)) {
                *to += sum(run);
            }
        }
    }
}

/// Adds all rows to one, which is as long as each; an empty one has none.
pub(crate) fn add_rows<E: Float + AddAssign>(rows: &[E], sum: &mut [E]) {
    add_columns(rows, sum.len(), 0, sum);
}

/// The same for some columns of rows of `width` numbers, from `first` on.
pub(crate) fn add_columns<E: Float + AddAssign>(rows: &[E], width: usize, first: usize, sum: &mut [E]) {
    if !sum.is_empty() {
        with_best(AddColumns { rows, width, first, sum });
    }
}

struct AddColumns<'a, E> {
    rows: &'a [E],
    width: usize,
    first: usize,
    sum: &'a mut [E],
}

impl<E: Float + AddAssign> Job for AddColumns<'_, E> {
    #[inline(always)]
    fn run(self) {
        for row in self.rows.chunks_exact(self.width) {
            self.sum.iter_mut().zip(&row[self.first..]).for_each(|(sum, &x)| *sum += x);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{add_runs, dot, largest, sum, sum_of};

    #[test]
    fn sums_of_any_length() {
        for len in 0..40 {
            let numbers: Vec<f64> = (1..=len).map(f64::from).collect();
            let squares = f64::from(len * (len + 1) * (2 * len + 1) / 6);
            assert_eq!(sum(&numbers), f64::from(len * (len + 1) / 2));
            assert_eq!(sum_of(&numbers, |x| x * x), squares);
            assert_eq!(dot(&numbers, &numbers), squares);
            let mut runs = [1.0, 2.0];
            add_runs(&numbers.repeat(4), numbers.len().max(1), &mut runs);
            assert_eq!(runs, [1.0, 2.0].map(|x| x + 2.0 * sum(&numbers)));
        }
    }

    #[test]
    fn the_largest_wherever_it_is() {
        for len in 1..40 {
            for place in 0..len {
                let mut numbers = vec![-2.0; len];
                numbers[(place + 1) % len] = f64::NAN;
                numbers[place] = -1.0;
                assert_eq!(largest(&numbers), -1.0);
            }
        }
        assert_eq!(largest::<f64>(&[]), f64::NEG_INFINITY);
    }
}
