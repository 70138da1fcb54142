//! Memory that several threads write at once, each its own part.

use super::pool::Pool;
use core::marker::PhantomData;
use core::ops::Range;

/// Numbers of which threads take ranges that nobody else has.
#[derive(Clone, Copy)]
pub(super) struct Storage<'a, E> {
    numbers: *mut E,
    len: usize,
    owner: PhantomData<&'a mut [E]>,
}

// SAFETY: it hands out slices as `&mut [E]` would, and those who take them promise that they are disjoint.
unsafe impl<E: Send> Send for Storage<'_, E> {}
// SAFETY: as above.
unsafe impl<E: Send + Sync> Sync for Storage<'_, E> {}

impl<'a, E> Storage<'a, E> {
    pub(super) fn new(numbers: &'a mut [E]) -> Self {
        Storage { numbers: numbers.as_mut_ptr(), len: numbers.len(), owner: PhantomData }
    }

    /// Some of the numbers, to be read.
    ///
    /// # Safety
    /// As long as the slice is there nobody writes them.
    pub(super) unsafe fn read(&self, range: Range<usize>) -> &'a [E] {
        assert!(range.start <= range.end && range.end <= self.len, "{range:?} of {} numbers", self.len);
        // SAFETY: the range is inside of what was borrowed for `'a`; the caller answers for the rest.
        unsafe { core::slice::from_raw_parts(self.numbers.add(range.start), range.len()) }
    }

    /// Some of the numbers, to be written.
    ///
    /// # Safety
    /// As long as the slice is there nobody else has any of them.
    #[allow(clippy::mut_from_ref, reason = "that is what it is for")]
    pub(super) unsafe fn write(&self, range: Range<usize>) -> &'a mut [E] {
        assert!(range.start <= range.end && range.end <= self.len, "{range:?} of {} numbers", self.len);
        // SAFETY: as for `read`.
        unsafe { core::slice::from_raw_parts_mut(self.numbers.add(range.start), range.len()) }
    }
}

/// Calls `work` with each piece of so many numbers and where it begins, on up to `threads` threads.
pub(crate) fn in_pieces<E: Send + Sync>(threads: usize, numbers: &mut [E], piece: usize, work: &(dyn Fn(usize, &mut [E]) + Sync)) {
    let (len, all) = (numbers.len(), Storage::new(numbers));
    Pool::global().run(threads, len.div_ceil(piece.max(1)), &|_, i| {
        let range = i * piece..((i + 1) * piece).min(len);
        // SAFETY: the pieces are disjoint.
        work(range.start, unsafe { all.write(range) });
    });
}
