//! Products of one chunk, on several threads.

use crate::cpu::storage::in_pieces;
use crate::float::Float;
use crate::kernels::gemm::{Mat, Size, affine, gemm};
use crate::kernels::panels::Panels;

/// How many multiplications are worth waking a thread.
const WORTH: usize = 128 * 1024;
/// Rows come in multiples of this, whole register tiles.
const ROWS: usize = 24;

/// [`gemm`] on up to `threads` threads, each of which makes some rows of `C`, or some columns if there is but one row; with `None` as a
/// whole. How an element is summed does not depend on the number of threads.
pub(crate) fn wide<E: Float>(threads: Option<usize>, size: Size, a: Mat<'_, E>, b: Mat<'_, E>, add: bool, c: &mut [E]) {
    let Size { m, n, k } = size;
    let (worth, c) = (WORTH.div_ceil(k.max(1)), &mut c[..m * n]);
    let Some(threads) = threads.filter(|_| m * n > worth) else { return gemm(size, a, b, add, c) };
    if m == 1 {
        let piece = worth.next_multiple_of(ROWS);
        return in_pieces(threads, c, piece, &|first, c| {
            let b = Mat { data: &b.data[first * b.col..], ..b };
            gemm(Size { m: 1, n: c.len(), k }, a, b, add, c);
        });
    }
    let piece = worth.div_ceil(n.max(1)).next_multiple_of(ROWS) * n;
    in_pieces(threads, c, piece, &|first, c| {
        let a = Mat { data: &a.data[first / n * a.row..], ..a };
        gemm(Size { m: c.len() / n, n, k }, a, b, add, c);
    });
}

/// [`affine`] in the same way.
pub(crate) fn wide_affine<E: Float>(threads: Option<usize>, size: Size, a: Mat<'_, E>, b: Mat<'_, E>, bias: &[E], c: &mut [E]) {
    if threads.is_none() {
        return affine(size, a, b, bias, c);
    }
    if !bias.is_empty() {
        c[..size.m * size.n].chunks_exact_mut(size.n).for_each(|row| row.copy_from_slice(bias));
    }
    wide(threads, size, a, b, !bias.is_empty(), c);
}

/// The same where the matrix on the right was copied; with `add`, without a bias.
pub(crate) fn wide_panels<E: Float>(threads: Option<usize>, m: usize, a: Mat<'_, E>, b: Panels<'_, E>, bias: &[E], add: bool, c: &mut [E]) {
    let (n, c) = (b.columns(), &mut c[..m * b.columns()]);
    // With less rows than these nothing is shared out.
    let Some(threads) = threads.filter(|_| m > ROWS) else { return b.multiply(m, a, bias, add, c) };
    in_pieces(threads, c, ROWS * n, &|first, c| {
        let a = Mat { data: &a.data[first / n * a.row..], ..a };
        b.multiply(c.len() / n, a, bias, add, c);
    });
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        /// The same bits as on one thread.
        #[test]
        fn threads_make_no_difference(m in 1..150usize, n in 1..90usize, k in 1..700usize, add: bool) {
            let numbers: Vec<f32> = (0..m.max(n) * k).map(|i| ((i * 37 % 101) as f32 - 50.0) / 64.0).collect();
            let (a, b) = (Mat::rows(&numbers, k), Mat::rows(&numbers, k).transposed());
            let mut products = [1, 2, 3].map(|threads| {
                let mut c = vec![1.0; m * n];
                wide(Some(threads), Size { m, n, k }, a, b, add, &mut c);
                c
            }).into_iter();
            let one = products.next();
            prop_assert!(products.all(|c| Some(c) == one));
        }
    }
}
