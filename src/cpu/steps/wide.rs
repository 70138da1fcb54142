//! Products of one chunk, on several threads.

use crate::cpu::pieces::{in_columns, in_pieces};
use crate::float::Float;
use crate::kernels::gemm::{Mat, Rows, Size, affine, gemm_rows};
use crate::kernels::panels::Panels;

/// How many multiplications are worth waking a thread, and how many where each of them reads a number of its own.
const WORTH: usize = 128 * 1024;
const WORTH_OF_ROW: usize = 48 * 1024;
/// Rows come in multiples of this, whole register tiles.
const ROWS: usize = 24;
/// Columns come in multiples of this, whole registers of any kind and pairs of them; so many at least are worth reading all of `A`,
/// and many more where there are many.
const COLUMNS: usize = 32;
const LEAST: usize = 2 * COLUMNS;
const MANY: usize = 512;

/// What sums begin with.
#[derive(Clone, Copy)]
enum Begin<'a, E> {
    /// What is there.
    There,
    /// A row for all rows; zeros, if it is empty.
    Bias(&'a [E]),
}

impl<E: Float> Begin<'_, E> {
    /// The product of some rows and columns, of which `first` is the first column.
    fn multiply(self, size: Size, a: Mat<'_, E>, b: Mat<'_, E>, first: usize, c: Rows<'_, E>) {
        match self {
            Begin::There => gemm_rows(size, a, b, true, c),
            Begin::Bias([]) => gemm_rows(size, a, b, false, c),
            Begin::Bias(bias) => affine(size, a, b, &bias[first..first + size.n], c),
        }
    }
}

/// `C = A B` or, with `add`, `C += A B`, on up to `threads` threads, each of which makes some columns of `C`, or some rows if there
/// are few columns; with `None` as a whole. How an element is summed does not depend on the number of threads.
///
/// Columns first: a thread then reads only its own part of `B`, a weight, whose gradient it has made in the step before.
pub(crate) fn wide<E: Float>(threads: Option<usize>, size: Size, a: Mat<'_, E>, b: Mat<'_, E>, add: bool, c: &mut [E]) {
    multiply(threads, size, [a, b], if add { Begin::There } else { Begin::Bias(&[]) }, c);
}

/// `C = A B + b` in the same way, the same row added to each; an empty one is none.
pub(crate) fn wide_affine<E: Float>(threads: Option<usize>, size: Size, a: Mat<'_, E>, b: Mat<'_, E>, bias: &[E], c: &mut [E]) {
    multiply(threads, size, [a, b], Begin::Bias(bias), c);
}

/// Either of them.
fn multiply<E: Float>(threads: Option<usize>, size: Size, [a, b]: [Mat<'_, E>; 2], begin: Begin<'_, E>, c: &mut [E]) {
    let Size { m, n, k } = size;
    let (worth, c) = (if m == 1 { WORTH_OF_ROW } else { WORTH }, &mut c[..m * n]);
    let Some(threads) = threads.filter(|_| m * n * k > worth) else { return begin.multiply(size, a, b, 0, Rows::new(c, n)) };
    let columns = worth.div_ceil((m * k).max(1)).next_multiple_of(COLUMNS).max(if n < MANY { LEAST } else { LEAST + COLUMNS });
    if m == 1 || columns < n {
        return in_columns(threads, (c, n), columns, &|columns, c| {
            let b = Mat { data: &b.data[columns.start * b.col..], ..b };
            begin.multiply(Size { m, n: columns.len(), k }, a, b, columns.start, c);
        });
    }
    let piece = worth.div_ceil((n * k).max(1)).next_multiple_of(ROWS) * n;
    in_pieces(threads, c, piece, &|first, c| {
        let a = Mat { data: &a.data[first / n * a.row..], ..a };
        begin.multiply(Size { m: c.len() / n, n, k }, a, b, 0, Rows::new(c, n));
    });
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
                let [mut c, mut with_bias] = [(); 2].map(|()| vec![1.0; m * n]);
                wide(Some(threads), Size { m, n, k }, a, b, add, &mut c);
                wide_affine(Some(threads), Size { m, n, k }, a, b, &numbers[..n], &mut with_bias);
                c.extend(with_bias);
                c
            }).into_iter();
            let one = products.next();
            prop_assert!(products.all(|c| Some(c) == one));
        }
    }
}
