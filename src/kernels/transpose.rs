//! Rows of a matrix as columns.

use super::gemm::Element;
use super::simd::{Kernel, Lanes};

/// Writes number `j` of row `i` as number `i` of row `j`: rows lie `row` numbers apart in `from`, and `col` in `to`.
pub(crate) struct Transpose<'a, E> {
    /// How many rows there are to read, and how many numbers in each.
    pub size: [usize; 2],
    pub from: &'a [E],
    pub row: usize,
    pub to: &'a mut [E],
    pub col: usize,
}

impl<E: Element> Transpose<'_, E> {
    /// Does it.
    pub(crate) fn run(self) {
        let [rows, cols] = self.size;
        if rows * cols > 0 {
            assert!((rows - 1) * self.row + cols <= self.from.len(), "the matrix is smaller than {rows} x {cols}");
            assert!((cols - 1) * self.col + rows <= self.to.len(), "there is less room than for {cols} x {rows}");
            E::run(self);
        }
    }
}

impl<E: Element> Kernel<E> for Transpose<'_, E> {
    type Output = ();

    #[inline(always)]
    unsafe fn run<V: Lanes<E>>(self) {
        // SAFETY: `run` has asserted that the numbers are there, and the caller's contract.
        unsafe { transpose::<E, V>(self.size, (self.from.as_ptr(), self.row), (self.to.as_mut_ptr(), self.col)) }
    }
}

/// # Safety
/// There are so many rows and numbers behind both pointers; and the contract of [`Lanes`].
#[inline(always)]
pub(super) unsafe fn transpose<E: Element, V: Lanes<E>>([rows, cols]: [usize; 2], (from, row): (*const E, usize), (to, col): (*mut E, usize)) {
    let mut j = 0;
    while j < cols {
        let mut i = 0;
        while i < rows {
            // SAFETY: the caller's contract.
            unsafe {
                let (from, to) = (from.add(i * row + j), to.add(j * col + i));
                if i + V::LEN <= rows && j + V::LEN <= cols {
                    V::transpose(from, row, to, col);
                } else {
                    for i in 0..V::LEN.min(rows - i) {
                        for j in 0..V::LEN.min(cols - j) {
                            *to.add(j * col + i) = *from.add(i * row + j);
                        }
                    }
                }
            }
            i += V::LEN;
        }
        j += V::LEN;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check<E: Element + core::fmt::Debug>() {
        for rows in 0..35 {
            for cols in [0, 1, 3, 4, 8, 15, 16, 21, 33] {
                let (row, col) = (cols + 2, rows + 1);
                let number = |i: usize, j: usize| E::from(i * 100 + j).unwrap_or_else(E::nan);
                let from: Vec<E> = (0..rows * row).map(|at| number(at / row, at % row)).collect();
                let mut to = vec![-E::one(); cols * col];
                Transpose { size: [rows, cols], from: &from, row, to: &mut to, col }.run();
                for (j, line) in to.chunks_exact(col).enumerate() {
                    let expected: Vec<E> = (0..rows).map(|i| number(i, j)).chain([-E::one()]).collect();
                    assert_eq!(line, expected, "row {j} of {cols} x {rows}");
                }
            }
        }
    }

    #[test]
    fn matrices_of_any_size() {
        check::<f32>();
        check::<f64>();
    }
}
