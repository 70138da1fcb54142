//! A matrix on the right of many products, copied once.

use super::gemm::{DEPTH, Element, Mat, Product, Rows, Size, part_of_depth};
use super::tiles::{Next, Tiles, panel};
use super::transpose::Transpose;
use core::ops::Range;

/// `B[k, n]` cut into panels of as many columns as a register tile has, or less: each is a matrix of its own, one behind the other, so that a
/// product reads all numbers in a row.
#[derive(Clone, Copy)]
pub(crate) struct Panels<'a, E> {
    numbers: &'a [E],
    k: usize,
    n: usize,
}

/// The columns of each panel.
fn columns<E: Element>(n: usize) -> impl Iterator<Item = Range<usize>> {
    core::iter::successors((n > 0).then(|| panel::<E>(0, n)), move |before| (before.end < n).then(|| panel::<E>(before.end, n)))
}

impl<'a, E: Element> Panels<'a, E> {
    /// Copies a matrix whose rows or columns are contiguous to `to`, which has `k n` numbers.
    pub(crate) fn copy(b: Mat<'_, E>, [k, n]: [usize; 2], to: &'a mut [E]) -> Self {
        for columns in columns::<E>(n) {
            let (width, from) = (columns.len(), &b.data[columns.start * b.col..]);
            let panel = &mut to[columns.start * k..columns.end * k];
            if b.row == 1 {
                Transpose { size: [width, k], from, row: b.col, to: panel, col: width }.run();
                continue;
            }
            assert!(b.col == 1, "rows or columns are contiguous");
            for (p, row) in panel.chunks_exact_mut(width).enumerate() {
                row.copy_from_slice(&from[p * b.row..][..width]);
            }
        }
        Panels { numbers: to, k, n }
    }

    /// Those that [`Panels::copy`] has made.
    pub(crate) fn made(numbers: &'a [E], [k, n]: [usize; 2]) -> Self {
        assert!(numbers.len() == k * n, "a copy of {k} x {n}");
        Panels { numbers, k, n }
    }

    /// How many columns there are.
    pub(crate) fn columns(&self) -> usize {
        self.n
    }

    /// `C = A B + b`, where an empty `bias` is none, or with `add` `C += A B`; `C` has `m` rows, which follow one another.
    pub(crate) fn multiply(&self, m: usize, a: Mat<'_, E>, bias: &[E], add: bool, c: &mut [E]) {
        let (k, n) = (self.k, self.n);
        let mut c = Rows::new(c, n);
        if k == 0 {
            // Nothing is summed.
            return Product { size: Size { m, n, k }, a, b: Mat::rows(self.numbers, n), bias, add, c }.run();
        }
        for columns in columns::<E>(n) {
            let panel = &self.numbers[columns.start * k..columns.end * k];
            if columns.len() % E::lanes() > 0 {
                let (width, bias) = (columns.len(), if bias.is_empty() { bias } else { &bias[columns.clone()] });
                let c = c.part(0, columns);
                Product { size: Size { m, n: width, k }, a, b: Mat::rows(panel, width), bias, add, c }.run();
                continue;
            }
            let part = part_of_depth(k, DEPTH);
            for p in (0..k).step_by(part) {
                let (b, depth) = (Mat::rows(&panel[p * columns.len()..], columns.len()), part.min(k - p));
                let bias = if p == 0 && !bias.is_empty() { &bias[columns.clone()] } else { &[] };
                let (a, c) = (a.from(0, p), c.part(0, columns.clone()));
                Tiles { size: [m, depth], a, b, bias, add: add || p > 0, c, next: Next::nothing() }.run();
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernels::gemm::affine;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn as_without_a_copy(m in 1..40usize, n in 1..110usize, k in 1..300usize, is_flipped: bool) {
            let numbers: Vec<f64> = (0..m.max(n) * k).map(|i| ((i * 37 % 101) as f64 - 50.0) / 64.0).collect();
            let b = if is_flipped { Mat::rows(&numbers, k).transposed() } else { Mat::rows(&numbers, n) };
            let bias: Vec<f64> = (0..n).map(|j| j as f64 / 8.0).collect();
            let (a, mut expected, mut got, mut room) = (Mat::rows(&numbers, k), vec![0.0; m * n], vec![7.0; m * n], vec![0.0; k * n]);
            affine(Size { m, n, k }, a, b, &bias, Rows::new(&mut expected, n));
            let panels = Panels::copy(b, [k, n], &mut room);
            panels.multiply(m, a, &bias, false, &mut got);
            for (&got, &want) in got.iter().zip(&expected) {
                prop_assert!((got - want).abs() < 1e-9, "{got} is not {want}");
            }
            panels.multiply(m, a, &[], true, &mut got);
            affine(Size { m, n, k }, a, b, &[], Rows::new(&mut expected, n));
            for ((&got, &product), bias) in got.iter().zip(&expected).zip(bias.iter().cycle()) {
                prop_assert!((got - 2.0 * product - bias).abs() < 1e-9, "{got} is not twice {product} and {bias}");
            }
        }
    }
}
