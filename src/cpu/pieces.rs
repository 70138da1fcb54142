//! Numbers that threads share out.

use super::pool::Pool;
use crate::kernels::gemm::Rows;
use crate::storage::Storage;
use core::ops::Range;

/// Calls `work` with each piece of so many numbers and where it begins, on up to `threads` threads.
pub(crate) fn in_pieces<E: Send + Sync>(threads: usize, numbers: &mut [E], piece: usize, work: &(dyn Fn(usize, &mut [E]) + Sync)) {
    let (len, all) = (numbers.len(), Storage::new(numbers));
    Pool::global().run(threads, len.div_ceil(piece.max(1)), &|_, i| {
        let range = i * piece..((i + 1) * piece).min(len);
        // SAFETY: the pieces are disjoint.
        work(range.start, unsafe { all.write(range) });
    });
}

/// The same with the pieces of two lists of one length.
pub(crate) fn in_pairs<E: Send + Sync>(threads: usize, [one, other]: [&mut [E]; 2], piece: usize, work: &(dyn Fn(usize, [&mut [E]; 2]) + Sync)) {
    assert_eq!(one.len(), other.len(), "lists of one length");
    let other = Storage::new(other);
    in_pieces(threads, one, piece, &|first, one| {
        // SAFETY: the pieces are disjoint.
        let other = unsafe { other.write(first..first + one.len()) };
        work(first, [one, other]);
    });
}

/// Calls `work` with the columns of each piece of `columns` columns of a matrix of `width` numbers in a row, on up to `threads`
/// threads.
pub(crate) fn in_columns<E: Send + Sync>(
    threads: usize,
    (numbers, width): (&mut [E], usize),
    columns: usize,
    work: &(dyn Fn(Range<usize>, Rows<'_, E>) + Sync),
) {
    let all = Storage::new(numbers);
    Pool::global().run(threads, width.div_ceil(columns.max(1)), &|_, i| {
        let columns = i * columns..((i + 1) * columns).min(width);
        // SAFETY: the pieces are disjoint.
        work(columns.clone(), unsafe { Rows::columns(all, width, columns) });
    });
}
