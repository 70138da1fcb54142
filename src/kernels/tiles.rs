//! Rows of one matrix times a panel of another: what all products are cut into.

use super::gemm::{Element, Mat, Rows};
use super::simd::{Kernel, Lanes};
use super::tile::{Sums, outer, put};
use core::ops::Range;

/// How many rows of how many registers the largest tile has, of 16 registers and of 32.
pub(super) const ROWS: usize = 6;
pub(super) const REGS: usize = 2;
pub(super) const WIDE_ROWS: usize = 8;
pub(super) const WIDE_REGS: usize = 3;

/// How many numbers ahead along `k` the processor is told of what it will read of `A` where they do not follow one another: each is then on
/// a line of its own, often on a page of its own, which it does not see coming. Of what is
/// in the second-level cache 8 would do, of what is in the third 16 are faster, and 4 are too few for either.
const NEAR: usize = 16;

/// `C = A B + b`, or with `add` `C += A B`, where `B` is a panel: no wider than a tile, and the numbers behind the last of a row fill
/// its register up.
///
/// It is compiled by itself, so that the loop over `k` has the processor's registers to itself.
pub(super) struct Tiles<'a, 'c, E> {
    /// How many rows `A` has, and over how many numbers is summed.
    pub size: [usize; 2],
    pub a: Mat<'a, E>,
    pub b: Mat<'a, E>,
    /// What sums begin with, if it is not empty: a row for all rows.
    pub bias: &'a [E],
    pub add: bool,
    /// As wide as the product.
    pub c: Rows<'c, E>,
    /// What will be read next: the processor is told of it meanwhile, since its rows are too far apart to be seen coming.
    pub next: Next<E>,
}

/// Rows of numbers, `row` apart, that somebody may read soon; none if they are not apart.
#[derive(Clone, Copy)]
pub(super) struct Next<E> {
    pub from: *const E,
    pub row: usize,
}

impl<E> Next<E> {
    /// Nothing.
    pub(super) fn nothing() -> Self {
        Next { from: core::ptr::null(), row: 0 }
    }
}

/// How many columns a panel has at most.
pub(super) fn columns_of_tile<E: Element>() -> usize {
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

/// The columns of the panel that begins at `first`, of `n` in all. A tile of one register waits for its sums, so the last four registers
/// are two and two.
pub(super) fn panel<E: Element>(first: usize, n: usize) -> Range<usize> {
    let (most, lanes, left) = (columns_of_tile::<E>(), E::lanes(), n - first);
    let has_four = left > most && left <= most + lanes && most > 2 * lanes;
    first..first + if has_four { 2 * lanes } else { left.min(most) }
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

/// Behind a reference, so that nothing is copied on the way.
impl<E: Element> Kernel<E> for &mut Tiles<'_, '_, E> {
    type Output = ();

    #[inline(always)]
    unsafe fn run<V: Lanes<E>>(self) {
        // SAFETY: the caller's contract.
        unsafe { self.panel::<V, ROWS, REGS>() }
    }

    #[inline(always)]
    unsafe fn run_wide<V: Lanes<E>>(self) {
        // SAFETY: the caller's contract.
        unsafe { self.panel::<V, WIDE_ROWS, WIDE_REGS>() }
    }
}

impl<E: Element> Tiles<'_, '_, E> {
    /// Does it.
    #[inline]
    pub(super) fn run(&mut self) {
        E::run(self);
    }

    /// Tiles as wide as the panel is.
    ///
    /// # Safety
    /// The contract of [`Lanes`].
    #[inline(always)]
    pub(super) unsafe fn panel<V: Lanes<E>, const ROWS: usize, const REGS: usize>(&mut self) {
        let ([rows, depth], width) = (self.size, self.c.width());
        let regs = width.div_ceil(V::LEN);
        assert!(
            (self.a.row == 1 || self.a.col == 1) && self.a.fits(rows, depth) && self.b.col == 1 && self.b.fits(depth, regs * V::LEN),
            "A or B is smaller than {rows} x {depth} x {width}"
        );
        assert!(self.c.fits(rows), "C is smaller than {rows} x {width}");
        assert!(regs <= REGS && (self.bias.is_empty() || self.bias.len() == width), "a panel of {width} columns");
        // SAFETY: as just asserted; and the caller's contract.
        unsafe {
            match regs {
                0 => {}
                1 => self.columns::<V, ROWS, 1>(),
                2 if REGS > 2 => self.columns::<V, ROWS, 2>(),
                _ => self.columns::<V, ROWS, REGS>(),
            }
        }
    }

    /// Tile by tile.
    ///
    /// # Safety
    /// The sizes are those of the matrices, and `REGS` registers hold a row of `b`; and the contract of [`Lanes`].
    #[inline(always)]
    unsafe fn columns<V: Lanes<E>, const ROWS: usize, const REGS: usize>(&mut self) {
        let (mut i, [rows, _]) = (0, self.size);
        while i < rows {
            let of_tile = rows_of_tile(rows - i, ROWS);
            // SAFETY: the caller's contract.
            unsafe {
                match of_tile {
                    1 => self.tile::<V, 1, REGS>(i),
                    2 => self.tile::<V, 2, REGS>(i),
                    4 => self.tile::<V, 4, REGS>(i),
                    _ => self.tile::<V, ROWS, REGS>(i),
                }
            }
            i += of_tile;
        }
    }

    /// # Safety
    /// As for [`Tiles::columns`], with `ROWS` rows from `i` on.
    #[inline(always)]
    unsafe fn tile<V: Lanes<E>, const ROWS: usize, const REGS: usize>(&mut self, i: usize) {
        // SAFETY: the caller's contract.
        unsafe {
            let mut sums = [self.begin::<V, REGS>(); ROWS];
            // Told apart so that the places of a row's numbers are computed once, or are known: an addition for each of them would take
            // the ports that multiply.
            match (self.a, self.next.row) {
                (Mat { row: 1, col, .. }, 0) => self.sum::<V, ROWS, REGS, false>(i, [1, col], &mut sums),
                (Mat { row: 1, col, .. }, _) => self.sum::<V, ROWS, REGS, true>(i, [1, col], &mut sums),
                (Mat { row, .. }, 0) => self.sum::<V, ROWS, REGS, false>(i, [row, 1], &mut sums),
                (Mat { row, .. }, _) => self.sum::<V, ROWS, REGS, true>(i, [row, 1], &mut sums),
            }
            self.put(i, &sums);
        }
    }

    /// Adds up along `k`; the numbers of `a` lie `row` apart in its rows, and `col` along them. With `AHEAD` the processor is told of
    /// what is next.
    ///
    /// # Safety
    /// As for [`Tiles::tile`].
    #[inline(always)]
    unsafe fn sum<V: Lanes<E>, const ROWS: usize, const REGS: usize, const AHEAD: bool>(
        &self,
        i: usize,
        [row, col]: [usize; 2],
        sums: &mut Sums<V, ROWS, REGS>,
    ) {
        let ([_, depth], Next { from, row: next_row }) = (self.size, self.next);
        // SAFETY: the caller's contract.
        unsafe {
            let (mut a, mut b) = (self.a.data.as_ptr().add(i * row), self.b.data.as_ptr());
            // One line of each row for each tile.
            let mut next = from.wrapping_add(i / ROWS % REGS * V::LEN);
            for _ in 0..depth {
                if AHEAD {
                    V::prefetch(next);
                }
                if row == 1 {
                    V::prefetch_near(a.wrapping_add(NEAR * col));
                }
                let (mut numbers, mut registers) = ([a; ROWS], [b; REGS]);
                for (l, number) in numbers.iter_mut().enumerate() {
                    *number = number.wrapping_add(l * row);
                }
                for (l, register) in registers.iter_mut().enumerate() {
                    *register = register.wrapping_add(l * V::LEN);
                }
                outer(numbers, registers, sums);
                (a, b, next) = (a.wrapping_add(col), b.wrapping_add(self.b.row), next.wrapping_add(next_row));
            }
        }
    }

    /// What each row of sums begins with.
    ///
    /// # Safety
    /// As for [`Tiles::columns`].
    #[inline(always)]
    unsafe fn begin<V: Lanes<E>, const REGS: usize>(&self) -> [V; REGS] {
        // SAFETY: the caller's contract; registers are read as far as there is a bias.
        unsafe {
            let mut begin = [V::splat(E::zero()); REGS];
            if !self.bias.is_empty() {
                for (j, register) in begin.iter_mut().enumerate() {
                    let (from, left) = (self.bias.as_ptr().add(j * V::LEN), self.bias.len() - j * V::LEN);
                    *register = if left >= V::LEN { V::load(from) } else { V::load_first(from, left) };
                }
            }
            begin
        }
    }

    /// Writes or adds the sums of a tile.
    ///
    /// # Safety
    /// As for [`Tiles::tile`].
    #[inline(always)]
    unsafe fn put<V: Lanes<E>, const ROWS: usize, const REGS: usize>(&mut self, i: usize, sums: &Sums<V, ROWS, REGS>) {
        let width = self.c.width();
        for (l, row) in sums.iter().enumerate() {
            for (j, &sum) in row.iter().enumerate() {
                let left = if j + 1 < REGS { V::LEN } else { width - j * V::LEN };
                // SAFETY: the row is there, and has `width` numbers, of which those of the last register may be fewer than it could have.
                unsafe { put(sum, self.c.pointer(i + l).add(j * V::LEN), left, self.add) };
            }
        }
    }
}
