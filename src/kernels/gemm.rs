//! Matrix products on the register tile.
//!
//! `C[m, n] += A[m, k] B[k, n]`, row-major with free strides. The columns of `C` lie in the lanes: a tile reads numbers of `A`
//! and rows of `B`, so an `A` or `B` that lies otherwise is copied into panels first. Where both are contiguous along `k`, `k`
//! lies in the lanes and nothing is copied, if it is long enough to pay for the sums over the lanes.
//!
//! How an element is summed depends on the sizes and strides alone, so the result does not depend on how rows are shared out among calls
//! of one size.

use super::dots::Dots;
use super::pack::{pack, pack_rows, pack_wide};
use super::simd::{Job, Kernel, Lanes, Vector, with_best};
use super::tile::{Sums, outer, put};
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

    /// The same from an element on.
    fn from(self, i: usize, j: usize) -> Self {
        Mat { data: &self.data[i * self.row + j * self.col..], ..self }
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

/// `C = A B` or, with `add`, `C += A B`; the rows of `C` follow one another.
pub(crate) fn gemm<E: Element>(size: Size, a: Mat<'_, E>, b: Mat<'_, E>, add: bool, c: &mut [E]) {
    gemm_rows(size, a, b, add, &mut Rows { data: c, stride: size.n });
}

/// The same where the rows of `C` lie further apart.
pub(crate) fn gemm_rows<E: Element>(size: Size, a: Mat<'_, E>, b: Mat<'_, E>, add: bool, c: &mut Rows<'_, E>) {
    Product { size, a, b, bias: &[], add, c: c.data, stride: c.stride }.run();
}

/// `C = A B + b`, the same row added to each; an empty one is none.
pub(crate) fn affine<E: Element>(size: Size, a: Mat<'_, E>, b: Mat<'_, E>, bias: &[E], c: &mut [E]) {
    Product { size, a, b, bias, add: false, c, stride: size.n }.run();
}

fn fits<E>(rows: usize, cols: usize, mat: Mat<'_, E>) -> bool {
    rows == 0 || cols == 0 || (rows - 1) * mat.row + (cols - 1) * mat.col < mat.data.len()
}

/// What is multiplied.
pub trait Element: Vector + num_traits::Float + core::ops::AddAssign {}
impl Element for f32 {}
impl Element for f64 {}

/// How many numbers along `k` pay for the sums over the lanes.
const LONG: usize = 192;
/// Up to how many rows a copy of `B` would not pay.
const FEW: usize = 64;

/// From how many rows on `B` is copied even where it could be read as it is, unless its rows follow one another: those that are a
/// power of two apart share few places in the cache.
const COPIED: usize = 24;

/// How much of `k` a panel holds: one of `B` then stays in the first-level cache.
const DEPTH: usize = 256;
/// How many columns a panel of `B` has at most, and how many rows one of `A`.
const MAX_COLS: usize = 48;
const MAX_ROWS: usize = 96;

/// From how many bytes on `B` is far away, if each of its rows is on a page of its own.
const FAR: usize = 1 << 20;
/// The bytes of a page.
const PAGE: usize = 4096;
/// How many columns of such a `B` are copied together at most, so that finding a page pays.
const WIDE: usize = 128;

/// A product; its sizes fit what it reads and writes.
pub(super) struct Product<'a, 'c, E> {
    pub size: Size,
    pub a: Mat<'a, E>,
    pub b: Mat<'a, E>,
    /// What sums begin with, if it is not empty: a row for all rows.
    pub bias: &'a [E],
    pub add: bool,
    pub c: &'c mut [E],
    pub stride: usize,
}

impl<E: Element> Product<'_, '_, E> {
    /// Chooses how, and does it.
    pub fn run(mut self) {
        let Product { size: Size { m, n, k }, a, b, bias, stride, .. } = self;
        assert!(stride >= n && fits(m, n, Mat::rows(self.c, stride)), "C has {} numbers of {m} x {n}", self.c.len());
        assert!(fits(m, k, a) && fits(k, n, b), "A or B is smaller than {m} x {k} x {n}");
        assert!(bias.is_empty() || bias.len() == n, "a bias for each of {n} columns");
        if m == 0 || n == 0 {
            return;
        }
        let is_long = a.col == 1 && b.row == 1 && k >= LONG && m <= FEW;
        let is_flat = k == 1 && b.col == 1;
        if k == 0 || is_long || is_flat {
            self.begin();
        }
        match k {
            0 => {}
            _ if is_flat => with_best(Outer(self)),
            _ if is_long => E::run(Dots(self)),
            _ => E::run(self),
        }
    }

    /// Writes what sums begin with, so that they can be added to it.
    fn begin(&mut self) {
        let Size { m, n, k } = self.size;
        let is_written = k == 0 && !self.add || !self.bias.is_empty();
        for row in self.c.chunks_mut(self.stride).take(if is_written { m } else { 0 }) {
            if self.bias.is_empty() { row[..n].fill(E::zero()) } else { row[..n].copy_from_slice(self.bias) }
        }
        self.add |= is_written;
        self.bias = &[];
    }
}

/// How many rows a tile takes that has `left` before it, and at most `most`. Tiles of two rows and less wait for their sums, so
/// the last two share what is left.
#[inline(always)]
fn rows_of_tile(left: usize, most: usize) -> usize {
    match left {
        _ if left >= most + 3 || left == most => most,
        4.. => 4,
        2.. => 2,
        _ => 1,
    }
}

impl<E: Element> Kernel<E> for Product<'_, '_, E> {
    type Output = ();

    #[inline(always)]
    unsafe fn run<V: Lanes<E>>(self) {
        // SAFETY: the caller's contract.
        unsafe { self.strips::<V, ROWS, REGS>() }
    }

    #[inline(always)]
    unsafe fn run_wide<V: Lanes<E>>(self) {
        // SAFETY: the caller's contract.
        unsafe { self.strips::<V, WIDE_ROWS, WIDE_REGS>() }
    }
}

/// How many rows of how many registers the largest tile has, of 16 registers and of 32.
pub(super) const ROWS: usize = 6;
pub(super) const REGS: usize = 2;
pub(super) const WIDE_ROWS: usize = 8;
pub(super) const WIDE_REGS: usize = 3;

/// How many columns the largest tile has.
pub(super) fn columns_of_tile<E: Vector>() -> usize {
    struct Columns;
    impl<E> Kernel<E> for Columns {
        type Output = usize;
        #[inline(always)]
        unsafe fn run<V: Lanes<E>>(self) -> usize {
            REGS * V::LEN
        }
        #[inline(always)]
        unsafe fn run_wide<V: Lanes<E>>(self) -> usize {
            WIDE_REGS * V::LEN
        }
    }
    E::run(Columns)
}

/// Where blocks are copied to, from the begin of a line of the cache: registers of 64 bytes are then read from one line each.
#[repr(align(64))]
struct Room<E, const N: usize>([MaybeUninit<E>; N]);

/// Rows of `C`, and the part of `k` that is summed.
#[derive(Clone)]
struct Strip {
    rows: core::ops::Range<usize>,
    depth: core::ops::Range<usize>,
}

impl<E: Element> Product<'_, '_, E> {
    /// All rows, in tiles of at most `ROWS` rows of `REGS` registers. An `A` that is not contiguous along `k` is copied into
    /// panels of a few rows, number by number of `k`.
    ///
    /// # Safety
    /// The contract of [`Lanes`].
    #[inline(always)]
    unsafe fn strips<V: Lanes<E>, const ROWS: usize, const REGS: usize>(mut self) {
        let (Size { m, k, .. }, a) = (self.size, self.a);
        let mut panel = Room([const { MaybeUninit::uninit() }; DEPTH * MAX_ROWS]);
        let is_copied = a.col != 1;
        let [most_rows, most_depth] = if is_copied { [MAX_ROWS, DEPTH] } else { [m, k] };
        for p in (0..k).step_by(most_depth) {
            for i in (0..m).step_by(most_rows) {
                let strip = Strip { rows: i..m.min(i + most_rows), depth: p..k.min(p + most_depth) };
                let a = a.from(i, p);
                // SAFETY: `Product::run` has asserted that the matrix fits; and the caller's contract.
                let a = if is_copied { unsafe { pack_rows::<E, V>(&mut panel.0, a, [strip.rows.len(), strip.depth.len()]) } } else { a };
                // SAFETY: `a` has the strip's numbers; and the caller's contract.
                unsafe { self.strip::<V, ROWS, REGS>(strip, a) };
            }
        }
    }

    /// All columns of some rows, of which `a` holds the numbers.
    ///
    /// # Safety
    /// `a` begins at the strip and fits it; and the contract of [`Lanes`].
    #[inline(always)]
    unsafe fn strip<V: Lanes<E>, const ROWS: usize, const REGS: usize>(&mut self, strip: Strip, a: Mat<'_, E>) {
        let n = self.size.n;
        let mut room = Room([const { MaybeUninit::uninit() }; DEPTH * MAX_COLS]);
        let (cols, height) = (REGS * V::LEN, strip.rows.len());
        let [together, most_depth] = if self.is_far() { [WIDE / cols * cols, DEPTH * MAX_COLS / WIDE] } else { [cols, DEPTH] };
        for first in (0..n).step_by(together) {
            for p in strip.depth.clone().step_by(most_depth) {
                let depth = most_depth.min(strip.depth.end - p);
                let (a, b) = (a.from(0, p - strip.depth.start), self.b.from(p, first));
                let block = [together.min(n - first), depth];
                let is_ready = !self.is_far() && b.col == 1 && block[0] % V::LEN == 0 && (height < COPIED || b.row == block[0]);
                // SAFETY: `Product::run` has asserted that `B` fits; and the caller's contract.
                let panels = unsafe {
                    if is_ready {
                        b.data
                    } else if self.is_far() {
                        pack_wide::<E, V>(&mut room.0, b, block, cols)
                    } else {
                        pack::<E, V>(&mut room.0, b, block)
                    }
                };
                for j in (first..n.min(first + together)).step_by(cols) {
                    let width = cols.min(n - j);
                    let b = if is_ready { b } else { Mat::rows(&panels[(j - first) * depth..], width.next_multiple_of(V::LEN)) };
                    let at = Columns { first: j, width, add: self.add || p > 0, has_bias: p == 0 && !self.bias.is_empty(), depth };
                    // SAFETY: `Product::run` has asserted that the matrices fit; a panel has whole registers.
                    unsafe { self.panel::<V, ROWS, REGS>(strip.rows.clone(), at, a, b) };
                }
            }
        }
    }

    /// The columns of one panel, as many registers wide as it is.
    ///
    /// # Safety
    /// As for [`Product::strip`]; each of the `depth` rows of `b` has whole registers, `REGS` at most.
    #[inline(always)]
    unsafe fn panel<V: Lanes<E>, const ROWS: usize, const REGS: usize>(
        &mut self,
        rows: core::ops::Range<usize>,
        at: Columns,
        a: Mat<'_, E>,
        b: Mat<'_, E>,
    ) {
        // SAFETY: the caller's contract.
        unsafe {
            match at.width.div_ceil(V::LEN) {
                1 => self.columns::<V, ROWS, 1>(rows, at, a, b),
                2 if REGS > 2 => self.columns::<V, ROWS, 2>(rows, at, a, b),
                _ => self.columns::<V, ROWS, REGS>(rows, at, a, b),
            }
        }
    }

    /// Whether finding the pages of `B` takes longer than reading what is there.
    #[inline(always)]
    fn is_far(&self) -> bool {
        let Size { n, k, .. } = self.size;
        self.b.col == 1 && size_of::<E>() * self.b.row >= PAGE && size_of::<E>() * n * k >= FAR
    }

    /// The columns of one panel, tile by tile.
    ///
    /// # Safety
    /// As for [`Product::strip`]; `b` has `REGS` registers in each of its `depth` rows.
    #[inline(always)]
    unsafe fn columns<V: Lanes<E>, const ROWS: usize, const REGS: usize>(
        &mut self,
        rows: core::ops::Range<usize>,
        at: Columns,
        a: Mat<'_, E>,
        b: Mat<'_, E>,
    ) {
        let mut i = rows.start;
        while i < rows.end {
            let (a, rows) = (a.from(i - rows.start, 0), rows_of_tile(rows.end - i, ROWS));
            // SAFETY: the caller's contract.
            unsafe {
                match rows {
                    1 => self.tile::<V, 1, REGS>(i, at, a, b),
                    2 => self.tile::<V, 2, REGS>(i, at, a, b),
                    4 => self.tile::<V, 4, REGS>(i, at, a, b),
                    _ => self.tile::<V, ROWS, REGS>(i, at, a, b),
                }
            }
            i += rows;
        }
    }

    /// # Safety
    /// As for [`Product::columns`], with `ROWS` rows from `i` on.
    #[inline(always)]
    unsafe fn tile<V: Lanes<E>, const ROWS: usize, const REGS: usize>(&mut self, i: usize, at: Columns, a: Mat<'_, E>, b: Mat<'_, E>) {
        // SAFETY: the caller's contract.
        unsafe {
            let mut begin = [V::splat(E::zero()); REGS];
            if at.has_bias {
                let bias = self.bias[at.first..at.first + at.width].as_ptr();
                for (j, register) in begin.iter_mut().enumerate() {
                    let (from, left) = (bias.add(j * V::LEN), at.width - j * V::LEN);
                    *register = if left >= V::LEN { V::load(from) } else { V::load_first(from, left) };
                }
            }
            let mut sums = [begin; ROWS];
            let (mut a_rows, mut b_regs) = ([a.data.as_ptr(); ROWS], [b.data.as_ptr(); REGS]);
            for (l, row) in a_rows.iter_mut().enumerate() {
                *row = row.add(l * a.row);
            }
            for (l, reg) in b_regs.iter_mut().enumerate() {
                *reg = reg.add(l * V::LEN);
            }
            for l in 0..at.depth {
                let (mut numbers, mut registers) = (a_rows, b_regs);
                for number in &mut numbers {
                    *number = number.add(l * a.col);
                }
                for register in &mut registers {
                    *register = register.add(l * b.row);
                }
                outer(numbers, registers, &mut sums);
            }
            self.put(i, at, &sums);
        }
    }

    /// Writes or adds the sums of a tile.
    ///
    /// # Safety
    /// As for [`Product::tile`].
    #[inline(always)]
    unsafe fn put<V: Lanes<E>, const ROWS: usize, const REGS: usize>(&mut self, i: usize, at: Columns, sums: &Sums<V, ROWS, REGS>) {
        for (l, row) in sums.iter().enumerate() {
            let begin = (i + l) * self.stride + at.first;
            let to = self.c[begin..begin + at.width].as_mut_ptr();
            for (j, &sum) in row.iter().enumerate() {
                let left = if j + 1 < REGS { V::LEN } else { at.width - j * V::LEN };
                // SAFETY: `to` has `width` numbers, of which those of the last register may be fewer than it could have.
                unsafe { put(sum, to.add(j * V::LEN), left, at.add) };
            }
        }
    }
}

/// `C = A B` where `B` and `C` are as wide as one tile or less, and their rows, of whole registers, follow one another.
///
/// # Safety
/// The matrices have so many numbers; and the contract of [`Lanes`].
#[inline(always)]
pub(super) unsafe fn one_panel<E: Element, V: Lanes<E>, const ROWS: usize, const REGS: usize>(size: Size, [a, b]: [&[E]; 2], c: &mut [E]) {
    let Size { m, n, k } = size;
    let (a, b) = (Mat::rows(a, k), Mat::rows(b, n));
    let at = Columns { first: 0, width: n, add: false, has_bias: false, depth: k };
    // SAFETY: the caller's contract.
    unsafe { Product { size, a, b, bias: &[], add: false, c, stride: n }.panel::<V, ROWS, REGS>(0..m, at, a, b) };
}

/// The columns of `C` that a panel of `B` makes.
#[derive(Clone, Copy)]
struct Columns {
    first: usize,
    width: usize,
    add: bool,
    has_bias: bool,
    depth: usize,
}

/// A product of a column and a row: there is nothing to sum, so it is as fast as memory.
struct Outer<'a, 'c, E>(Product<'a, 'c, E>);

impl<E: Element> Job for Outer<'_, '_, E> {
    #[inline(always)]
    fn run(self) {
        let Product { size: Size { m, n, .. }, a, b, add, c, stride, .. } = self.0;
        for i in 0..m {
            let (x, to) = (a.data[i * a.row], &mut c[i * stride..][..n]);
            if add {
                to.iter_mut().zip(b.data).for_each(|(to, &b)| *to += x * b);
            } else {
                to.iter_mut().zip(b.data).for_each(|(to, &b)| *to = x * b);
            }
        }
    }
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

    /// Wide enough to be copied in several panels at a time.
    #[test]
    fn far_matrices() {
        for [m, n, k] in [[5, 523, 260], [30, 700, 205]] {
            let numbers: Vec<f64> = (0..n * k).map(|i| ((i * 37 % 101) as f64 - 50.0) / 64.0).collect();
            let (size, a, b) = (Size { m, n, k }, Mat::rows(&numbers, k), Mat::rows(&numbers, n));
            let (mut c, mut expected) = (vec![1.0; m * n], vec![1.0; m * n]);
            let product = Product { size, a, b, bias: &[], add: true, c: &mut c, stride: n };
            assert!(product.is_far());
            product.run();
            naive(size, a, b, &mut expected);
            assert!(c.iter().zip(&expected).all(|(got, want)| (got - want).abs() < 1e-9));
        }
    }

    proptest! {
        #[test]
        fn products_of_any_size_and_stride(m in 1..100usize, n in 1..70usize, k in prop_oneof![1..3usize, 1..300usize], gap in 0..3usize, flip_a: bool, flip_b: bool, add: bool, has_bias: bool) {
            let data: Vec<f64> = (0..m.max(n) * k).map(|i| ((i * 37 % 101) as f64 - 50.0) / 64.0).collect();
            let a = if flip_a { Mat::rows(&data, m).transposed() } else { Mat::rows(&data, k) };
            let b = if flip_b { Mat::rows(&data, k).transposed() } else { Mat::rows(&data, n) };
            let size = Size { m, n, k };
            let stride = n + gap;
            let mut c = vec![1.0; m * stride];
            let bias: Vec<f64> = (0..if has_bias && !add { n } else { 0 }).map(|j| j as f64 / 8.0).collect();
            let mut expected: Vec<f64> = (0..m * n).map(|i| bias.get(i % n).copied().unwrap_or(f64::from(u8::from(add)))).collect();
            Product { size, a, b, bias: &bias, add, c: &mut c, stride }.run();
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
