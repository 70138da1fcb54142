//! Matrix products as dot products.

use super::gemm::{Element, Product, Size};
use super::simd::{Kernel, Lanes};
use super::tile::{inner, totals};

/// A product whose `A` and `B` are contiguous along `k`.
pub(super) struct Dots<'p, 'a, 'c, E>(pub &'p mut Product<'a, 'c, E>);

impl<E: Element> Kernel<E> for Dots<'_, '_, '_, E> {
    type Output = ();

    #[inline(always)]
    unsafe fn run<V: Lanes<E>>(self) {
        // SAFETY: the caller's contract.
        unsafe { self.strips::<V, 3>() }
    }

    #[inline(always)]
    unsafe fn run_wide<V: Lanes<E>>(self) {
        // SAFETY: the caller's contract.
        unsafe { self.strips::<V, 6>() }
    }
}

/// How many columns all rows go over before the next: `B` may be too large for any cache, so it is read once. Whole tiles of any
/// kind.
const STRIP: usize = 24;

impl<E: Element> Dots<'_, '_, '_, E> {
    /// All rows and columns; tiles of four rows have `COLS` columns.
    ///
    /// # Safety
    /// The contract of [`Lanes`].
    #[inline(always)]
    unsafe fn strips<V: Lanes<E>, const COLS: usize>(mut self) {
        let Size { m, n, .. } = self.0.size;
        for j in (0..n).step_by(STRIP) {
            let columns = j..n.min(j + STRIP);
            let mut i = 0;
            while i < m {
                // SAFETY: the caller's contract; there are so many rows left.
                unsafe {
                    match m - i {
                        4.. => self.rows::<V, 4, COLS>(&mut i, columns.clone()),
                        2.. => self.rows::<V, 2, 4>(&mut i, columns.clone()),
                        _ => self.rows::<V, 1, 8>(&mut i, columns.clone()),
                    }
                }
            }
        }
    }

    /// # Safety
    /// There are `ROWS` rows from `i` on, and these columns; and the contract of [`Lanes`].
    #[inline(always)]
    unsafe fn rows<V: Lanes<E>, const ROWS: usize, const COLS: usize>(&mut self, i: &mut usize, columns: core::ops::Range<usize>) {
        let mut j = columns.start;
        // SAFETY: the caller's contract; there are so many columns left.
        unsafe {
            while j + COLS <= columns.end {
                self.tile::<V, ROWS, COLS>([*i, j]);
                j += COLS;
            }
            while COLS > 2 && j + 2 <= columns.end {
                self.tile::<V, ROWS, 2>([*i, j]);
                j += 2;
            }
            while j < columns.end {
                self.tile::<V, ROWS, 1>([*i, j]);
                j += 1;
            }
        }
        *i += ROWS;
    }

    /// # Safety
    /// There are `ROWS` rows and `COLS` columns from `(i, j)` on; and the contract of [`Lanes`].
    #[inline(always)]
    unsafe fn tile<V: Lanes<E>, const ROWS: usize, const COLS: usize>(&mut self, [i, j]: [usize; 2]) {
        let Product { a, b, add, size: Size { k, .. }, .. } = *self.0;
        // SAFETY: `Product::run` has asserted that rows of A and columns of B have `k` numbers.
        let totals = unsafe {
            let (mut rows, mut columns) = ([a.data.as_ptr(); ROWS], [b.data.as_ptr(); COLS]);
            for (l, row) in rows.iter_mut().enumerate() {
                *row = row.add((i + l) * a.row);
            }
            for (l, column) in columns.iter_mut().enumerate() {
                *column = column.add((j + l) * b.col);
            }
            let mut sums = [[V::splat(E::zero()); COLS]; ROWS];
            let mut p = 0;
            while p + V::LEN <= k {
                inner(at(rows, p), at(columns, p), None, &mut sums);
                p += V::LEN;
            }
            if p < k {
                inner(at(rows, p), at(columns, p), Some(k - p), &mut sums);
            }
            totals::<E, V, ROWS, COLS>(&sums)
        };
        for (l, row) in totals.iter().enumerate() {
            let to = self.0.c.row(i + l, j..j + COLS);
            for (to, &total) in to.iter_mut().zip(row) {
                *to = if add { *to + total } else { total };
            }
        }
    }
}

/// The pointers, so many numbers on.
#[inline(always)]
fn at<E, const N: usize>(mut pointers: [*const E; N], numbers: usize) -> [*const E; N] {
    for pointer in &mut pointers {
        *pointer = pointer.wrapping_add(numbers);
    }
    pointers
}
