//! Pools whose windows lie side by side.

use super::gemm::Element;
use super::simd::{Kernel, Lanes};
use super::tile::{pairs, put};
use super::windows::Tiles;

/// The largest number of each window of 2 x 2; a NaN is larger than all, so that it is not lost.
pub(crate) struct LargestOfSquares<'a, E> {
    pub tiles: Tiles,
    pub x: &'a [E],
    pub y: &'a mut [E],
}

impl<E: Element> LargestOfSquares<'_, E> {
    /// Does it.
    pub(crate) fn run(self) {
        let Tiles { image, size, count } = self.tiles;
        assert!(size == [2, 2] && (0..2).all(|axis| 2 * count[axis] <= image[axis]), "windows of 2 x 2 inside of the image");
        E::run(self);
    }
}

impl<E: Element> Kernel<E> for LargestOfSquares<'_, E> {
    type Output = ();

    #[inline(always)]
    unsafe fn run<V: Lanes<E>>(self) {
        let Tiles { image: [height, width], count, .. } = self.tiles;
        let images = self.x.chunks_exact(height * width).zip(self.y.chunks_exact_mut(count[0] * count[1]));
        for (x, y) in images {
            for (x, y) in x.chunks_exact(2 * width).zip(y.chunks_exact_mut(count[1])) {
                let (above, below) = x.split_at(width);
                for first in (0..count[1]).step_by(V::LEN) {
                    let n = V::LEN.min(count[1] - first);
                    // SAFETY: both rows have `2 n` numbers from `2 first` on, and `y` has `n` from `first` on; and the caller's contract.
                    unsafe {
                        let [a, b] = pairs::<E, V>(above[2 * first..][..2 * n].as_ptr(), 2 * n);
                        let [c, d] = pairs::<E, V>(below[2 * first..][..2 * n].as_ptr(), 2 * n);
                        put(larger(larger(larger(a, b), c), d), y[first..][..n].as_mut_ptr(), n, false);
                    }
                }
            }
        }
    }
}

/// # Safety
/// The contract of [`Lanes`].
#[inline(always)]
unsafe fn larger<E: Element, V: Lanes<E>>(a: V, b: V) -> V {
    // SAFETY: the caller's contract.
    unsafe { b.if_equal(b, b.if_greater(a, b, a), b) }
}
