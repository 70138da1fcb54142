//! Matrix products on the register tile.
//!
//! `C[m, n] += A[m, k] B[k, n]`, row-major with free strides. The columns of `C` lie in the lanes: a tile reads numbers of `A`
//! and rows of `B`, so an `A` or `B` that lies otherwise is copied into panels first, and so is a `B` whose rows would push one another
//! out of the cache. Where both are contiguous along `k`, `k`
//! lies in the lanes and nothing is copied, if it is long enough to pay for the sums over the lanes.
//!
//! How an element is summed depends on the sizes and strides alone, so the result does not depend on how rows are shared out among calls
//! of one size.

use super::dots::Dots;
use super::pack::{pack, pack_rows, pack_wide};
use super::simd::{Job, Kernel, Lanes, Vector, with_best};
use super::tiles::{Next, Tiles, columns_of_tile, panel};
use crate::storage::Storage;
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

    /// Whether it has so many rows and columns.
    pub(super) fn fits(&self, rows: usize, cols: usize) -> bool {
        rows == 0 || cols == 0 || (rows - 1) * self.row + (cols - 1) * self.col < self.data.len()
    }

    /// The same from an element on.
    pub(super) fn from(self, i: usize, j: usize) -> Self {
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

/// Rows of numbers to be written, the first `width` of each `stride`.
pub(crate) struct Rows<'a, E> {
    numbers: Storage<'a, E>,
    /// Where the first row begins.
    first: usize,
    stride: usize,
    width: usize,
}

impl<'a, E> Rows<'a, E> {
    /// Rows as wide as they are apart, or less where the product is.
    pub(crate) fn new(numbers: &'a mut [E], stride: usize) -> Self {
        Rows { numbers: Storage::new(numbers), first: 0, stride, width: stride }
    }

    /// Some columns of rows, of which others may write other columns at the same time.
    ///
    /// # Safety
    /// As long as these are there nobody else has any of the columns.
    pub(crate) unsafe fn columns(numbers: Storage<'a, E>, stride: usize, columns: core::ops::Range<usize>) -> Self {
        Rows { numbers, first: columns.start, stride, width: columns.len() }
    }

    /// The same rows but for so many of the first.
    pub(crate) fn below(&mut self, rows: usize) -> Rows<'_, E> {
        Rows { first: self.first + rows * self.stride, ..*self }
    }

    /// Some columns of them, but for so many of the first rows.
    pub(super) fn part(&mut self, rows: usize, columns: core::ops::Range<usize>) -> Rows<'_, E> {
        assert!(columns.end <= self.width, "{columns:?} of {} columns", self.width);
        Rows { first: self.first + rows * self.stride + columns.start, width: columns.len(), ..*self }
    }

    /// How many numbers each has.
    pub(super) fn width(&self) -> usize {
        self.width
    }

    /// Whether there are so many.
    pub(super) fn fits(&self, rows: usize) -> bool {
        rows == 0 || self.first + (rows - 1) * self.stride + self.width <= self.numbers.len()
    }

    /// Where a row begins.
    ///
    /// # Safety
    /// The row is there.
    #[inline(always)]
    pub(super) unsafe fn pointer(&mut self, i: usize) -> *mut E {
        // SAFETY: the caller's contract.
        unsafe { self.numbers.pointer().add(self.first + i * self.stride) }
    }

    /// Some numbers of a row.
    pub(super) fn row(&mut self, i: usize, columns: core::ops::Range<usize>) -> &mut [E] {
        assert!(columns.end <= self.width, "{columns:?} of {} columns", self.width);
        let begin = self.first + i * self.stride;
        // SAFETY: these columns are this value's, which is borrowed as long as the slice.
        unsafe { self.numbers.write(begin + columns.start..begin + columns.end) }
    }
}

/// `C = A B` or, with `add`, `C += A B`; the rows of `C` follow one another.
pub(crate) fn gemm<E: Element>(size: Size, a: Mat<'_, E>, b: Mat<'_, E>, add: bool, c: &mut [E]) {
    gemm_rows(size, a, b, add, Rows::new(c, size.n));
}

/// The same where the rows of `C` lie further apart.
pub(crate) fn gemm_rows<E: Element>(size: Size, a: Mat<'_, E>, b: Mat<'_, E>, add: bool, c: Rows<'_, E>) {
    Product { size, a, b, bias: &[], add, c }.run();
}

/// `C = A B + b`, the same row added to each; an empty one is none.
pub(crate) fn affine<E: Element>(size: Size, a: Mat<'_, E>, b: Mat<'_, E>, bias: &[E], c: Rows<'_, E>) {
    Product { size, a, b, bias, add: false, c }.run();
}

/// What is multiplied.
pub trait Element: Vector + num_traits::Float + core::ops::AddAssign {}
impl Element for f32 {}
impl Element for f64 {}

/// How many numbers along `k` pay for the sums over the lanes.
const LONG: usize = 192;
/// Up to how many rows a copy of `B` would not pay.
const FEW: usize = 24;

/// From how many rows on `B` is copied even where it could be read as it is, if its rows share few places in the cache.
const COPIED: usize = 24;
/// How many lines the first-level cache has for each place, of how many bytes, and how many places; other processors have more lines.
const WAYS: usize = 8;
const LINE: usize = 64;
const PLACES: usize = 64;

/// How much of `k` a panel holds: one of `B` then stays in the first-level cache.
pub(super) const DEPTH: usize = 192;
/// How much at least, so that taking up sums again for each part costs less than a copy; half as much where a copy has to wait for
/// memory.
const LEAST: usize = 128;
/// How many panels of `B` have to read numbers of `A` that lie side by side, but not along `k`, so that a copy pays.
const OFTEN: usize = 4;
/// How many columns a panel of `B` has at most, and how many rows one of `A`.
const MAX_COLS: usize = 48;
const MAX_ROWS: usize = 96;

/// From how many bytes on a matrix is far away: `B`, if each of its rows is on a page of its own.
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
    pub c: Rows<'c, E>,
}

impl<E: Element> Product<'_, '_, E> {
    /// Chooses how, and does it.
    pub fn run(mut self) {
        let Product { size: Size { m, n, k }, a, b, bias, .. } = self;
        assert!(a.fits(m, k) && b.fits(k, n), "A or B is smaller than {m} x {k} x {n}");
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
            _ if is_flat => with_best(Outer(&mut self)),
            _ if is_long => E::run(Dots(&mut self)),
            _ => E::run(&mut self),
        }
    }

    /// Writes what sums begin with, so that they can be added to it.
    fn begin(&mut self) {
        let Size { m, n, k } = self.size;
        let is_written = k == 0 && !self.add || !self.bias.is_empty();
        for i in 0..if is_written { m } else { 0 } {
            let row = self.c.row(i, 0..n);
            if self.bias.is_empty() { row.fill(E::zero()) } else { row.copy_from_slice(self.bias) }
        }
        self.add |= is_written;
        self.bias = &[];
    }
}

/// Behind a reference, so that nothing is copied on the way.
impl<E: Element> Kernel<E> for &mut Product<'_, '_, E> {
    type Output = ();

    #[inline(always)]
    unsafe fn run<V: Lanes<E>>(self) {
        // SAFETY: the caller's contract.
        unsafe { self.strips::<V>() }
    }
}

/// How a matrix on the right is read.
#[derive(Clone, Copy)]
enum Reading {
    /// From where it is, so many rows at a time.
    AsItIs { depth: usize },
    /// From a copy of each panel.
    Copied,
    /// From a copy of several panels.
    Wide,
}

/// How much of `k` is summed at a time, `most` or less: parts of the same size, whole registers.
pub(super) fn part_of_depth(k: usize, most: usize) -> usize {
    k.div_ceil(k.div_ceil(most).max(1)).next_multiple_of(LINE / 4).min(most).max(1)
}

/// How many rows of so many numbers, `row` apart, can be in the first-level cache at once: those a power of two apart share few places.
fn staying<E>(row: usize, width: usize) -> usize {
    let lines = (width * size_of::<E>()).div_ceil(LINE).max(1);
    let begins = match row * size_of::<E>() {
        bytes if bytes % LINE == 0 => PLACES >> (bytes / LINE).trailing_zeros().min(PLACES.ilog2()),
        _ => PLACES,
    };
    WAYS * PLACES.min(begins * lines) / lines
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
    /// All rows, as many at a time as a panel of `A` has: one that is not contiguous along `k` is copied, number by number of `k`.
    ///
    /// # Safety
    /// The contract of [`Lanes`].
    #[inline(always)]
    unsafe fn strips<V: Lanes<E>>(&mut self) {
        let (Size { m, k, .. }, a) = (self.size, self.a);
        let mut panel = Room([const { MaybeUninit::uninit() }; DEPTH * MAX_ROWS]);
        let is_copied = a.col != 1 && (a.row != 1 || self.size.n > OFTEN * columns_of_tile::<E>());
        let most_depth = if is_copied || self.rereads() { part_of_depth(k, DEPTH) } else { k };
        let most_rows = if is_copied { MAX_ROWS } else { m };
        for p in (0..k).step_by(most_depth) {
            for i in (0..m).step_by(most_rows) {
                let strip = Strip { rows: i..m.min(i + most_rows), depth: p..k.min(p + most_depth) };
                let a = a.from(i, p);
                // SAFETY: `Product::run` has asserted that the matrix fits; and the caller's contract.
                let a = if is_copied { unsafe { pack_rows::<E, V>(&mut panel.0, a, [strip.rows.len(), strip.depth.len()]) } } else { a };
                // SAFETY: the caller's contract.
                unsafe { self.strip::<V>(strip, a) };
            }
        }
    }

    /// All columns of some rows, of which `a` holds the numbers.
    ///
    /// # Safety
    /// The contract of [`Lanes`].
    #[inline(always)]
    unsafe fn strip<V: Lanes<E>>(&mut self, strip: Strip, a: Mat<'_, E>) {
        let n = self.size.n;
        let mut room = Room([const { MaybeUninit::uninit() }; DEPTH * MAX_COLS]);
        let (cols, height) = (columns_of_tile::<E>(), strip.rows.len());
        let reading = self.reading(height, cols);
        let most_depth = match reading {
            Reading::AsItIs { depth } => depth,
            Reading::Copied => DEPTH,
            Reading::Wide => DEPTH * MAX_COLS / WIDE,
        };
        let (most_depth, mut end) = (part_of_depth(self.size.k, most_depth), 0);
        while end < n {
            let first = end;
            end = if matches!(reading, Reading::Wide) { n.min(first + WIDE / cols * cols) } else { panel::<E>(first, n).end };
            for p in strip.depth.clone().step_by(most_depth) {
                let depth = most_depth.min(strip.depth.end - p);
                let (a, b) = (a.from(0, p - strip.depth.start), self.b.from(p, first));
                let block = [end - first, depth];
                let is_ready = matches!(reading, Reading::AsItIs { .. }) && block[0] % V::LEN == 0;
                // SAFETY: `Product::run` has asserted that `B` fits; and the caller's contract.
                let panels = unsafe {
                    match reading {
                        _ if is_ready => b.data,
                        Reading::Wide => pack_wide::<E, V>(&mut room.0, b, block, cols),
                        _ => pack::<E, V>(&mut room.0, b, block),
                    }
                };
                let next = match (p + depth < strip.depth.end, end < n) {
                    (true, _) => self.b.from(p + depth, first).data,
                    (false, true) => self.b.from(strip.depth.start, end).data,
                    (false, false) => &[],
                };
                for j in (first..end).step_by(cols) {
                    let columns = j..end.min(j + cols);
                    let b = if is_ready { b } else { Mat::rows(&panels[(j - first) * depth..], columns.len().next_multiple_of(V::LEN)) };
                    let bias = if p == 0 && !self.bias.is_empty() { &self.bias[columns.clone()] } else { &[] };
                    let is_row = self.b.col == 1 && !next.is_empty() && self.is_cold();
                    let next = if is_row { Next { from: next.as_ptr().wrapping_add(j - first), row: self.b.row } } else { Next::nothing() };
                    let c = self.c.part(strip.rows.start, columns);
                    Tiles { size: [height, depth], a, b, bias, add: self.add || p > 0, c, next }.run();
                }
            }
        }
    }

    /// How `B` is best read for so many rows of `A`, in panels of so many columns.
    #[inline(always)]
    fn reading(&self, height: usize, cols: usize) -> Reading {
        let (Size { n, .. }, b) = (self.size, self.b);
        if self.is_far() {
            return Reading::Wide;
        }
        let depth = if height < COPIED || b.row == n && n <= cols { DEPTH } else { staying::<E>(b.row, cols).min(DEPTH) };
        let least = if self.is_cold() { LEAST / 2 } else { LEAST };
        if b.col == 1 && depth >= least { Reading::AsItIs { depth } } else { Reading::Copied }
    }

    /// Whether `A` is so large that it would be out of this thread's cache again when the next panel of `B` wants it.
    #[inline(always)]
    fn rereads(&self) -> bool {
        self.size.m * self.size.k * size_of::<E>() > FAR && self.size.n > columns_of_tile::<E>()
    }

    /// Whether `B` is so large that it is hardly in a cache of this thread.
    #[inline(always)]
    fn is_cold(&self) -> bool {
        self.size.n * self.size.k * size_of::<E>() >= FAR / 2
    }

    /// Whether finding the pages of `B` takes longer than reading what is there.
    #[inline(always)]
    fn is_far(&self) -> bool {
        let Size { n, k, .. } = self.size;
        self.b.col == 1 && size_of::<E>() * self.b.row >= PAGE && size_of::<E>() * n * k >= FAR
    }
}

/// A product of a column and a row: there is nothing to sum, so it is as fast as memory.
struct Outer<'p, 'a, 'c, E>(&'p mut Product<'a, 'c, E>);

impl<E: Element> Job for Outer<'_, '_, '_, E> {
    #[inline(always)]
    fn run(self) {
        let Product { size: Size { m, n, .. }, a, b, add, ref mut c, .. } = *self.0;
        for i in 0..m {
            let (x, to) = (a.data[i * a.row], c.row(i, 0..n));
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
            let product = Product { size, a, b, bias: &[], add: true, c: Rows::new(&mut c, n) };
            assert!(product.is_far());
            product.run();
            naive(size, a, b, &mut expected);
            assert!(c.iter().zip(&expected).all(|(got, want)| (got - want).abs() < 1e-9));
        }
    }

    /// So large on the left that parts of its depth are read one after the other.
    #[test]
    fn large_matrices_on_the_left() {
        let (size, bias) = (Size { m: 300, n: 60, k: 500 }, (0..60).map(|j| f64::from(j) / 8.0).collect::<Vec<_>>());
        let [a, b] = [300 * 500, 500 * 60].map(|count| (0..count).map(|i| ((i * 37 % 101) as f64 - 50.0) / 64.0).collect::<Vec<_>>());
        let (a, b) = (Mat::rows(&a, 500), Mat::rows(&b, 60));
        for bias in [&bias[..], &[]] {
            let add = bias.is_empty();
            let mut c = vec![1.0; 300 * 60];
            let mut expected: Vec<f64> = (0..c.len()).map(|i| bias.get(i % 60).copied().unwrap_or(1.0)).collect();
            let product = Product { size, a, b, bias, add, c: Rows::new(&mut c, 60) };
            assert!(product.rereads());
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
            Product { size, a, b, bias: &bias, add, c: Rows::new(&mut c, stride) }.run();
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
