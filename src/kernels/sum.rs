//! Sums.

use core::ops::AddAssign;
use num_traits::Float;

/// The sum of some numbers, in eight partial sums that do not wait for one another; always in the same order.
pub(crate) fn sum<E: Float + AddAssign>(numbers: &[E]) -> E {
    let (blocks, rest) = numbers.as_chunks::<8>();
    let mut partial = [E::zero(); 8];
    for block in blocks {
        partial.iter_mut().zip(block).for_each(|(sum, &x)| *sum += x);
    }
    partial.iter().chain(rest).fold(E::zero(), |sum, &x| sum + x)
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
    use super::sum;

    #[test]
    fn sums_of_any_length() {
        for len in 0..40 {
            let numbers: Vec<f64> = (1..=len).map(f64::from).collect();
            assert_eq!(sum(&numbers), f64::from(len * (len + 1) / 2));
        }
    }
}
