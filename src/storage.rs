//! Memory that several threads write at once, each its own part.

use core::marker::PhantomData;
use core::ops::Range;

/// Numbers of which threads take ranges that nobody else has.
pub(crate) struct Storage<'a, E> {
    numbers: *mut E,
    len: usize,
    owner: PhantomData<&'a mut [E]>,
}

impl<E> Clone for Storage<'_, E> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<E> Copy for Storage<'_, E> {}

// SAFETY: it hands out slices as `&mut [E]` would, and those who take them promise that they are disjoint.
unsafe impl<E: Send> Send for Storage<'_, E> {}
// SAFETY: as above.
unsafe impl<E: Send + Sync> Sync for Storage<'_, E> {}

impl<'a, E> Storage<'a, E> {
    pub(crate) fn new(numbers: &'a mut [E]) -> Self {
        Storage { numbers: numbers.as_mut_ptr(), len: numbers.len(), owner: PhantomData }
    }

    /// How many there are.
    pub(crate) fn len(&self) -> usize {
        self.len
    }

    /// The first of them, for those who have asserted what they reach and answer for the rest.
    pub(crate) fn pointer(&self) -> *mut E {
        self.numbers
    }

    /// Some of the numbers, to be read.
    ///
    /// # Safety
    /// As long as the slice is there nobody writes them.
    pub(crate) unsafe fn read(&self, range: Range<usize>) -> &'a [E] {
        assert!(range.start <= range.end && range.end <= self.len, "{range:?} of {} numbers", self.len);
        // SAFETY: the range is inside of what was borrowed for `'a`; the caller answers for the rest.
        unsafe { core::slice::from_raw_parts(self.numbers.add(range.start), range.len()) }
    }

    /// Some of the numbers, to be written.
    ///
    /// # Safety
    /// As long as the slice is there nobody else has any of them.
    #[allow(clippy::mut_from_ref, reason = "that is what it is for")]
    pub(crate) unsafe fn write(&self, range: Range<usize>) -> &'a mut [E] {
        assert!(range.start <= range.end && range.end <= self.len, "{range:?} of {} numbers", self.len);
        // SAFETY: as for `read`.
        unsafe { core::slice::from_raw_parts_mut(self.numbers.add(range.start), range.len()) }
    }
}

/// Pieces of some memory, of these sizes, one behind the other.
pub(crate) fn cut<E, const N: usize>(mut memory: &mut [E], sizes: [usize; N]) -> [&mut [E]; N] {
    sizes.map(|numel| {
        let (piece, rest) = core::mem::take(&mut memory).split_at_mut(numel);
        memory = rest;
        piece
    })
}
