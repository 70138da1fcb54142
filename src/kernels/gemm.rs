//! Matrix products on one register tile, with the widest instructions that the processor has.
//!
//! `C[m, n] += A[m, k] B[k, n]`, row-major with free strides. The tile is `ROWS x COLS` sums that stay in registers;
//! `B` is read in rows, so a `B` that lies otherwise is copied into panels first. Sums run over `k` in order, so the
//! result does not depend on how rows are shared out.

use crate::float::Float;

/// A matrix with free strides: element `(i, j)` is `data[i * row + j * col]`.
#[derive(Clone, Copy)]
pub(crate) struct Mat<'a, E> {
    pub data: &'a [E],
    pub row: usize,
    pub col: usize,
}

impl<'a, E> Mat<'a, E> {
    /// A matrix whose rows have `cols` numbers and follow one another.
    pub(crate) fn rows(data: &'a [E], cols: usize) -> Self {
        Mat { data, row: cols, col: 1 }
    }

    /// The same numbers, rows as columns.
    pub(crate) fn transposed(self) -> Self {
        Mat { data: self.data, row: self.col, col: self.row }
    }
}

/// The sizes of a product.
#[derive(Clone, Copy)]
pub(crate) struct Size {
    pub m: usize,
    pub n: usize,
    pub k: usize,
}

/// How much of `k` one panel of `B` holds: the panel then stays in the first-level cache.
const PANEL: usize = 256;
const MAX_COLS: usize = 32;
const MAX_ROWS: usize = 8;

/// `C = A B` or, with `add`, `C += A B`; the rows of `C` follow one another.
pub(crate) fn gemm<E: Float>(size: Size, a: Mat<'_, E>, b: Mat<'_, E>, add: bool, c: &mut [E]) {
    let Size { m, n, k } = size;
    assert!(c.len() >= m * n, "C has {} numbers of {m} x {n}", c.len());
    assert!(fits(m, k, a) && fits(k, n, b), "A or B is smaller than {m} x {k} x {n}");
    if !add {
        c[..m * n].fill(E::zero());
    }
    let tile = E::tile();
    let mut panel = [E::zero(); PANEL * MAX_COLS];
    for j in (0..n).step_by(tile.cols) {
        let cols = tile.cols.min(n - j);
        for p in (0..k).step_by(PANEL) {
            let depth = PANEL.min(k - p);
            let whole = b.col == 1 && cols == tile.cols;
            if !whole {
                pack(&mut panel, tile.cols, b, [p, j], [depth, cols]);
            }
            let (b_data, b_row) = if whole { (&b.data[p * b.row + j..], b.row) } else { (&panel[..], tile.cols) };
            for i in (0..m).step_by(tile.rows) {
                let rows = tile.rows.min(m - i);
                let a = Mat { data: &a.data[i * a.row + p * a.col..], ..a };
                // SAFETY: `fits` was asserted for A; B is either a full panel of `PANEL * MAX_COLS` numbers or has
                // `tile.cols` columns left from `j` on; and C holds `rows` rows of `cols` columns from `(i, j)` on.
                unsafe { (tile.run)(depth, [rows, cols], a, Mat { data: b_data, row: b_row, col: 1 }, &mut c[i * n + j..], n) };
            }
        }
    }
}

fn fits<E>(rows: usize, cols: usize, mat: Mat<'_, E>) -> bool {
    rows == 0 || cols == 0 || (rows - 1) * mat.row + (cols - 1) * mat.col < mat.data.len()
}

/// Copies a block of `b` into rows of `width` numbers; columns that `b` has not become zero.
fn pack<E: Float>(panel: &mut [E], width: usize, b: Mat<'_, E>, [p, j]: [usize; 2], [depth, cols]: [usize; 2]) {
    for (l, row) in panel.chunks_exact_mut(width).take(depth).enumerate() {
        let at = (p + l) * b.row + j * b.col;
        for (q, to) in row.iter_mut().enumerate() {
            *to = if q < cols { b.data[at + q * b.col] } else { E::zero() };
        }
    }
}

type Run<E> = for<'a, 'b, 'c> unsafe fn(usize, [usize; 2], Mat<'a, E>, Mat<'b, E>, &'c mut [E], usize);

/// A register tile and the function that runs it.
#[derive(Clone, Copy)]
pub struct TileFn<E> {
    rows: usize,
    cols: usize,
    run: Run<E>,
}

/// A number type with register tiles; which one runs is chosen once, from what the processor can do.
pub trait Tile: Sized {
    /// The tile for this processor.
    fn tile() -> TileFn<Self>;
}

/// One tile: `C[..rows, ..cols] += A B` over `depth`.
///
/// # Safety
/// `a` holds `rows x depth`, `b` holds `depth` rows of `COLS` numbers, `c` holds `rows` rows of `cols` numbers, each
/// `stride` behind the one before; `rows <= ROWS` and `cols <= COLS`.
#[inline(always)]
unsafe fn run<E: Float, const ROWS: usize, const COLS: usize, const FMA: bool>(
    depth: usize,
    [rows, cols]: [usize; 2],
    a: Mat<'_, E>,
    b: Mat<'_, E>,
    c: &mut [E],
    stride: usize,
) {
    let mut acc = [[E::zero(); COLS]; ROWS];
    // A row that is not there reads the last one, and its sums are dropped.
    let mut offsets = [0; ROWS];
    for (i, offset) in offsets.iter_mut().enumerate() {
        *offset = i.min(rows - 1) * a.row;
    }
    for l in 0..depth {
        // SAFETY: the caller's `b` has `COLS` numbers in each of its `depth` rows.
        let b_row: &[E; COLS] = unsafe { &*b.data.as_ptr().add(l * b.row).cast() };
        for i in 0..ROWS {
            // SAFETY: the offset is of one of the caller's `rows` rows, and `l < depth`.
            let x = unsafe { *a.data.as_ptr().add(offsets[i] + l * a.col) };
            for j in 0..COLS {
                acc[i][j] = if FMA { x.mul_add(b_row[j], acc[i][j]) } else { x * b_row[j] + acc[i][j] };
            }
        }
    }
    for (i, sums) in acc.iter().enumerate().take(rows) {
        for (to, &sum) in c[i * stride..i * stride + cols].iter_mut().zip(sums) {
            *to += sum;
        }
    }
}

macro_rules! tiles {
    ($Float:ident: avx512 $r512:literal x $c512:literal, avx2 $r256:literal x $c256:literal, plain $r:literal x $c:literal) => {
        const _: () = assert!($c512 <= MAX_COLS && $r512 <= MAX_ROWS && $c256 <= MAX_COLS && $c <= MAX_COLS);

        impl Tile for $Float {
            #[inline]
            fn tile() -> TileFn<Self> {
                #[cfg(target_arch = "x86_64")]
                {
                    #[target_feature(enable = "avx512f")]
                    unsafe fn avx512(depth: usize, size: [usize; 2], a: Mat<'_, $Float>, b: Mat<'_, $Float>, c: &mut [$Float], stride: usize) {
                        // SAFETY: the caller keeps `run`'s contract.
                        unsafe { run::<$Float, $r512, $c512, true>(depth, size, a, b, c, stride) }
                    }
                    #[target_feature(enable = "avx2,fma")]
                    unsafe fn avx2(depth: usize, size: [usize; 2], a: Mat<'_, $Float>, b: Mat<'_, $Float>, c: &mut [$Float], stride: usize) {
                        // SAFETY: the caller keeps `run`'s contract.
                        unsafe { run::<$Float, $r256, $c256, true>(depth, size, a, b, c, stride) }
                    }
                    if std::is_x86_feature_detected!("avx512f") {
                        return TileFn { rows: $r512, cols: $c512, run: avx512 };
                    }
                    if std::is_x86_feature_detected!("avx2") && std::is_x86_feature_detected!("fma") {
                        return TileFn { rows: $r256, cols: $c256, run: avx2 };
                    }
                }
                TileFn { rows: $r, cols: $c, run: run::<$Float, $r, $c, false> }
            }
        }
    };
}
tiles!(f32: avx512 8 x 32, avx2 4 x 16, plain 4 x 8);
tiles!(f64: avx512 8 x 16, avx2 4 x 8, plain 4 x 4);

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn naive(size: Size, a: Mat<'_, f64>, b: Mat<'_, f64>, c: &mut [f64]) {
        for i in 0..size.m {
            for j in 0..size.n {
                for l in 0..size.k {
                    c[i * size.n + j] += a.data[i * a.row + l * a.col] * b.data[l * b.row + j * b.col];
                }
            }
        }
    }

    proptest! {
        #[test]
        fn products_of_any_size_and_stride(m in 1..20usize, n in 1..70usize, k in 1..300usize, flip_a: bool, flip_b: bool, add: bool) {
            let data: Vec<f64> = (0..m.max(n) * k).map(|i| ((i * 37 % 101) as f64 - 50.0) / 64.0).collect();
            let a = if flip_a { Mat::rows(&data, m).transposed() } else { Mat::rows(&data, k) };
            let b = if flip_b { Mat::rows(&data, k).transposed() } else { Mat::rows(&data, n) };
            let size = Size { m, n, k };
            let mut c = vec![1.0; m * n];
            let mut expected = vec![if add { 1.0 } else { 0.0 }; m * n];
            gemm(size, a, b, add, &mut c);
            naive(size, a, b, &mut expected);
            for (got, want) in c.iter().zip(&expected) {
                prop_assert!((got - want).abs() < 1e-9, "{got} is not {want}");
            }
        }
    }
}
