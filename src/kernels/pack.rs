//! Blocks of matrices, copied to where a product reads them in a row.

use super::gemm::{Element, Mat};
use super::simd::Lanes;
use super::transpose::transpose;
use core::mem::MaybeUninit;

/// How many rows ahead of those that are copied the processor is told of, and where the rows are wide.
const AHEAD: usize = 32;
const WIDE_AHEAD: usize = 4;

/// Copies a block of `b` into rows of whole registers; columns that it has not become zero.
///
/// # Safety
/// The contract of [`Lanes`]; `b` holds `depth x width`.
#[inline(always)]
pub(super) unsafe fn pack<'p, E: Element, V: Lanes<E>>(room: &'p mut [MaybeUninit<E>], b: Mat<'_, E>, [width, depth]: [usize; 2]) -> &'p [E] {
    let cols = width.next_multiple_of(V::LEN);
    let panel = &mut room[..depth * cols];
    let to = panel.as_mut_ptr().cast::<E>();
    if b.col == 1 {
        for p in 0..depth {
            let from = b.data[p * b.row..p * b.row + width].as_ptr();
            // SAFETY: `from` has `width` numbers; a row of the panel has whole registers. The panel behind this one: rows are too far
            // apart for the processor to see it come.
            unsafe {
                V::prefetch(from.wrapping_add(width));
                pack_row::<E, V>(from, width, to.add(p * cols));
            }
        }
    } else {
        // SAFETY: the panel has `depth` rows of `cols` numbers; where `b` lies column by column it has `width` of `depth`.
        unsafe {
            if b.row == 1 {
                transpose::<E, V>([width, depth], (b.data.as_ptr(), b.col), (to, cols));
            }
            for p in 0..depth {
                let done = if b.row == 1 { width } else { 0 };
                for q in done..cols {
                    let x = if q < width { b.data[p * b.row + q * b.col] } else { E::zero() };
                    to.add(p * cols + q).write(x);
                }
            }
        }
    }
    // SAFETY: each of the `cols` columns of the panel has just been written, all the way down.
    unsafe { &*(&raw const *panel as *const [E]) }
}

/// The same where `b` is wide and its rows are contiguous: into panels of `cols` columns, one behind the other.
///
/// # Safety
/// As for [`pack`]; `cols` is in whole registers.
#[inline(always)]
pub(super) unsafe fn pack_wide<'p, E: Element, V: Lanes<E>>(
    room: &'p mut [MaybeUninit<E>],
    b: Mat<'_, E>,
    [width, depth]: [usize; 2],
    cols: usize,
) -> &'p [E] {
    let panels = &mut room[..depth * width.next_multiple_of(V::LEN)];
    let to = panels.as_mut_ptr().cast::<E>();
    for p in 0..depth {
        let from = b.data[p * b.row..p * b.row + width].as_ptr();
        for first in (0..width).step_by(cols) {
            let in_panel = cols.min(width - first);
            // SAFETY: `from` has `width` numbers; the panels before this one are full, and its rows have whole registers.
            unsafe {
                V::prefetch(from.wrapping_add(WIDE_AHEAD * b.row + first));
                pack_row::<E, V>(from.add(first), in_panel, to.add(first * depth + p * in_panel.next_multiple_of(V::LEN)));
            }
        }
    }
    // SAFETY: all registers of all rows have just been written.
    unsafe { &*(&raw const *panels as *const [E]) }
}

/// Copies `width` numbers, and zeros up to a whole register.
///
/// # Safety
/// The contract of [`Lanes`]; so many numbers are behind both pointers.
#[inline(always)]
unsafe fn pack_row<E: Element, V: Lanes<E>>(from: *const E, width: usize, to: *mut E) {
    let mut j = 0;
    while j < width {
        // SAFETY: the caller's contract.
        unsafe {
            let numbers = if width - j >= V::LEN { V::load(from.add(j)) } else { V::load_first(from.add(j), width - j) };
            numbers.store(to.add(j));
        }
        j += V::LEN;
    }
}

/// Copies a block of `a` so that its rows lie side by side: element `(i, p)` is number `p * height + i`.
///
/// # Safety
/// The contract of [`Lanes`]; `a` holds `height x depth`.
#[inline(always)]
pub(super) unsafe fn pack_rows<'p, E: Element, V: Lanes<E>>(
    panel: &'p mut [MaybeUninit<E>],
    a: Mat<'_, E>,
    [height, depth]: [usize; 2],
) -> Mat<'p, E> {
    let panel = &mut panel[..height * depth];
    for (p, to) in panel.chunks_exact_mut(height).enumerate() {
        let column = &a.data[p * a.col..];
        // Told apart so that what is usual is a loop over neighbours.
        if a.row == 1 {
            let (from, to) = (column[..height].as_ptr(), to.as_mut_ptr().cast::<E>());
            let mut i = 0;
            // SAFETY: both have `height` numbers; and the caller's contract.
            unsafe {
                while i + V::LEN <= height {
                    V::prefetch(from.wrapping_add(AHEAD * a.col + i));
                    V::load(from.add(i)).store(to.add(i));
                    i += V::LEN;
                }
                if i < height {
                    V::load_first(from.add(i), height - i).store_first(to.add(i), height - i);
                }
            }
        } else {
            to.iter_mut().zip(column.iter().step_by(a.row)).for_each(|(to, &x)| _ = to.write(x));
        }
    }
    // SAFETY: all numbers of the panel have just been written.
    Mat { data: unsafe { &*(&raw const *panel as *const [E]) }, row: 1, col: height }
}
