//! Matrix products on one register tile, with the widest instructions that the processor has.
//!
//! `C[m, n] += A[m, k] B[k, n]`, row-major with free strides. The tile is `ROWS x COLS` sums that stay in registers;
//! `B` is read in rows, so a `B` that lies otherwise is copied into panels first. Sums run over `k` in order, so the
//! result does not depend on how rows are shared out.

use super::simd::{Lanes, Plain};
use core::mem::MaybeUninit;

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

/// Rows of numbers to be written, `stride` apart.
pub(crate) struct Rows<'a, E> {
    pub data: &'a mut [E],
    pub stride: usize,
}

/// How much of `k` one panel of `B` holds: the panel then stays in the first-level cache.
const PANEL: usize = 256;
const MAX_COLS: usize = 16;

/// `C = A B` or, with `add`, `C += A B`; the rows of `C` follow one another.
pub(crate) fn gemm<E: Tile>(size: Size, a: Mat<'_, E>, b: Mat<'_, E>, add: bool, c: &mut [E]) {
    gemm_rows(size, a, b, add, &mut Rows { data: c, stride: size.n });
}

/// The same where the rows of `C` lie further apart.
pub(crate) fn gemm_rows<E: Tile>(size: Size, a: Mat<'_, E>, b: Mat<'_, E>, add: bool, c: &mut Rows<'_, E>) {
    let Size { m, n, k } = size;
    assert!(c.stride >= n && fits(m, n, Mat::rows(c.data, c.stride)), "C has {} numbers of {m} x {n}", c.data.len());
    assert!(fits(m, k, a) && fits(k, n, b), "A or B is smaller than {m} x {k} x {n}");
    if k == 0 && !add {
        (0..m).for_each(|i| c.data[i * c.stride..i * c.stride + n].fill(E::zero()));
    }
    let tile = E::tile();
    let mut panel = [const { MaybeUninit::uninit() }; PANEL * MAX_COLS];
    for j in (0..n).step_by(tile.cols) {
        let cols = tile.cols.min(n - j);
        for p in (0..k).step_by(PANEL) {
            let depth = PANEL.min(k - p);
            let b = if b.col == 1 && cols == tile.cols {
                Mat { data: &b.data[p * b.row + j..], ..b }
            } else {
                Mat::rows(pack(&mut panel, tile.cols, b, [p, j], [depth, cols]), tile.cols)
            };
            for i in (0..m).step_by(tile.rows) {
                let a = Mat { data: &a.data[i * a.row + p * a.col..], ..a };
                let (to, stride) = (&mut c.data[i * c.stride + j..], c.stride);
                let block = Block { depth, rows: tile.rows.min(m - i), cols, a, b, c: to, stride, add: add || p > 0 };
                // SAFETY: `fits` was asserted for A; B is either a full panel of `PANEL * MAX_COLS` numbers or has
                // `tile.cols` columns left from `j` on; and C holds the block's rows and columns from `(i, j)` on.
                unsafe { (tile.run)(block) };
            }
        }
    }
}

/// `C = A B + b`, the same row added to each; an empty one is none.
pub(crate) fn affine<E: Tile>(size: Size, a: Mat<'_, E>, b: Mat<'_, E>, bias: &[E], c: &mut [E]) {
    if !bias.is_empty() {
        c[..size.m * size.n].chunks_exact_mut(size.n).for_each(|row| row.copy_from_slice(bias));
    }
    gemm(size, a, b, !bias.is_empty(), c);
}

fn fits<E>(rows: usize, cols: usize, mat: Mat<'_, E>) -> bool {
    rows == 0 || cols == 0 || (rows - 1) * mat.row + (cols - 1) * mat.col < mat.data.len()
}

/// Copies a block of `b` into rows of `width` numbers; columns that `b` has not become zero.
fn pack<'a, E: Tile>(panel: &'a mut [MaybeUninit<E>], width: usize, b: Mat<'_, E>, [p, j]: [usize; 2], [depth, cols]: [usize; 2]) -> &'a [E] {
    let panel = &mut panel[..depth * width];
    for q in 0..width {
        let to = panel[q..].iter_mut().step_by(width);
        if q < cols {
            let from = b.data[p * b.row + (j + q) * b.col..].iter().step_by(b.row);
            to.zip(from).for_each(|(to, &x)| _ = to.write(x));
        } else {
            to.for_each(|to| _ = to.write(E::zero()));
        }
    }
    // SAFETY: each of the `width` columns of the panel has just been written, all the way down.
    unsafe { &*(&raw const *panel as *const [E]) }
}

/// What one tile computes: `C[..rows, ..cols] (+)= A B` over `depth`, where the rows of `C` are `stride` apart.
struct Block<'a, E> {
    depth: usize,
    rows: usize,
    cols: usize,
    a: Mat<'a, E>,
    b: Mat<'a, E>,
    c: &'a mut [E],
    stride: usize,
    add: bool,
}

/// A register tile and the function that runs it.
#[derive(Clone, Copy)]
pub struct TileFn<E> {
    rows: usize,
    cols: usize,
    run: unsafe fn(Block<'_, E>),
}

/// A number type with register tiles; which one runs is chosen once, from what the processor can do.
pub trait Tile: num_traits::Float + core::ops::AddAssign {
    /// The tile for this processor.
    fn tile() -> TileFn<Self>;
}

/// Computes a block in `ROWS x REGS` registers.
///
/// # Safety
/// `a` holds `rows x depth`, `b` holds `depth` rows of `REGS * V::LEN` numbers, `c` holds `rows` rows of `cols` numbers;
/// `0 < rows <= ROWS` and `cols <= REGS * V::LEN <= MAX_COLS`; and the contract of [`Lanes`].
#[inline(always)]
unsafe fn run<E: Tile, V: Lanes<E>, const ROWS: usize, const REGS: usize>(block: Block<'_, E>) {
    let Block { depth, rows, cols, a, b, c, stride, add } = block;
    // SAFETY: every pointer below is within what the contract says the matrices hold; a row of A that is not there is
    // read as the last one that is, and its sums are dropped.
    unsafe {
        let mut acc = [[V::splat(E::zero()); REGS]; ROWS];
        let mut a_rows = [a.data.as_ptr(); ROWS];
        for (i, row) in a_rows.iter_mut().enumerate() {
            *row = row.add(i.min(rows - 1) * a.row);
        }
        let mut b_row = b.data.as_ptr();
        for l in 0..depth {
            let mut b_regs = [V::splat(E::zero()); REGS];
            for (j, reg) in b_regs.iter_mut().enumerate() {
                *reg = V::load(b_row.add(j * V::LEN));
            }
            for (sums, row) in acc.iter_mut().zip(a_rows) {
                let x = V::splat(*row.add(l * a.col));
                for (sum, reg) in sums.iter_mut().zip(b_regs) {
                    *sum = x.mul_add(reg, *sum);
                }
            }
            b_row = b_row.wrapping_add(b.row);
        }
        let whole = cols == REGS * V::LEN;
        for (i, sums) in acc.iter().enumerate().take(rows) {
            let to = &mut c[i * stride..i * stride + cols];
            if whole {
                for (j, &sum) in sums.iter().enumerate() {
                    let to = to.as_mut_ptr().add(j * V::LEN);
                    if add { V::load(to).add(sum).store(to) } else { sum.store(to) }
                }
            } else {
                let mut row = [E::zero(); MAX_COLS];
                for (j, &sum) in sums.iter().enumerate() {
                    sum.store(row.as_mut_ptr().add(j * V::LEN));
                }
                to.iter_mut().zip(row).for_each(|(to, sum)| *to = if add { *to + sum } else { sum });
            }
        }
    }
}

macro_rules! tiles {
    ($($Float:ident: avx2 $V256:ident $r256:literal x $n256:literal, plain $r:literal x $n:literal;)*) => { $(
        impl Tile for $Float {
            #[inline]
            fn tile() -> TileFn<Self> {
                #[cfg(target_arch = "x86_64")]
                {
                    use core::arch::x86_64::$V256;
                    #[target_feature(enable = "avx2,fma")]
                    unsafe fn avx2(block: Block<'_, $Float>) {
                        // SAFETY: the caller keeps `run`'s contract, and this function has the target feature.
                        unsafe { run::<$Float, $V256, $r256, $n256>(block) }
                    }
                    if std::is_x86_feature_detected!("avx2") && std::is_x86_feature_detected!("fma") {
                        return TileFn { rows: $r256, cols: $n256 * <$V256 as Lanes<$Float>>::LEN, run: avx2 };
                    }
                }
                TileFn { rows: $r, cols: $n * <Plain<$Float> as Lanes<$Float>>::LEN, run: run::<$Float, Plain<$Float>, $r, $n> }
            }
        }
    )* };
}
tiles! {
    f32: avx2 __m256 6 x 2, plain 4 x 2;
    f64: avx2 __m256d 6 x 2, plain 4 x 1;
}

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
        fn products_of_any_size_and_stride(m in 1..20usize, n in 1..70usize, k in 1..300usize, gap in 0..3usize, flip_a: bool, flip_b: bool, add: bool) {
            let data: Vec<f64> = (0..m.max(n) * k).map(|i| ((i * 37 % 101) as f64 - 50.0) / 64.0).collect();
            let a = if flip_a { Mat::rows(&data, m).transposed() } else { Mat::rows(&data, k) };
            let b = if flip_b { Mat::rows(&data, k).transposed() } else { Mat::rows(&data, n) };
            let size = Size { m, n, k };
            let stride = n + gap;
            let mut c = vec![1.0; m * stride];
            let mut expected = vec![if add { 1.0 } else { 0.0 }; m * n];
            gemm_rows(size, a, b, add, &mut Rows { data: &mut c, stride });
            naive(size, a, b, &mut expected);
            for (row, expected) in c.chunks_exact(stride).zip(expected.chunks_exact(n)) {
                let (row, between) = row.split_at(n);
                for (got, want) in row.iter().zip(expected) {
                    prop_assert!((got - want).abs() < 1e-9, "{got} is not {want}");
                }
                prop_assert!(between.iter().all(|&x| x == 1.0));
            }
        }
    }
}
