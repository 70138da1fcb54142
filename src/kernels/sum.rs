//! Sums, and the largest of some numbers.

use core::ops::AddAssign;
use num_traits::Float;

/// The sum of some numbers; always in the same order.
pub(crate) fn sum<E: Float + AddAssign>(numbers: &[E]) -> E {
    sum_of(numbers, |x| x)
}

/// `Σ f(x)`, in eight partial sums that do not wait for one another; always in the same order.
#[inline(always)]
pub(crate) fn sum_of<E: Float + AddAssign>(numbers: &[E], f: impl Fn(E) -> E) -> E {
    let (blocks, rest) = numbers.as_chunks::<8>();
    let mut partial = [E::zero(); 8];
    for block in blocks {
        partial.iter_mut().zip(block).for_each(|(sum, &x)| *sum += f(x));
    }
    rest.iter().fold(total(partial), |sum, &x| sum + f(x))
}

/// `Σ a b`, summed in the same way.
pub(crate) fn dot<E: Float + AddAssign>(a: &[E], b: &[E]) -> E {
    let ((a_blocks, a_rest), (b_blocks, b_rest)) = (a.as_chunks::<8>(), b.as_chunks::<8>());
    let mut partial = [E::zero(); 8];
    for (a, b) in a_blocks.iter().zip(b_blocks) {
        partial.iter_mut().zip(a.iter().zip(b)).for_each(|(sum, (&a, &b))| *sum += a * b);
    }
    a_rest.iter().zip(b_rest).fold(total(partial), |sum, (&a, &b)| sum + a * b)
}

/// The largest number; less than all where there is none. One that is not a number is passed over.
pub(crate) fn largest<E: Float>(numbers: &[E]) -> E {
    let larger = |a: E, b: E| if b > a { b } else { a };
    let (blocks, rest) = numbers.as_chunks::<8>();
    let mut partial = [E::neg_infinity(); 8];
    for block in blocks {
        partial.iter_mut().zip(block).for_each(|(max, &x)| *max = larger(*max, x));
    }
    partial.into_iter().chain(rest.iter().copied()).fold(E::neg_infinity(), larger)
}

fn total<E: Float>(partial: [E; 8]) -> E {
    partial.into_iter().fold(E::zero(), |sum, x| sum + x)
}

/// Adds all rows to one, which is as long as each; an empty one has none.
pub(crate) fn add_rows<E: Float + AddAssign>(rows: &[E], sum: &mut [E]) {
    if !sum.is_empty() {
        for row in rows.chunks_exact(sum.len()) {
            sum.iter_mut().zip(row).for_each(|(sum, &x)| *sum += x);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{dot, largest, sum, sum_of};

    #[test]
    fn sums_of_any_length() {
        for len in 0..40 {
            let numbers: Vec<f64> = (1..=len).map(f64::from).collect();
            let squares = f64::from(len * (len + 1) * (2 * len + 1) / 6);
            assert_eq!(sum(&numbers), f64::from(len * (len + 1) / 2));
            assert_eq!(sum_of(&numbers, |x| x * x), squares);
            assert_eq!(dot(&numbers, &numbers), squares);
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
