//! Filters on their way to the products.

use super::{NUMBERS, TAPS, apart, spread};
use crate::kernels::conv::Filter;
use crate::kernels::gemm::Element;
use crate::kernels::simd::{Kernel, Lanes};
use crate::kernels::tile::put;
use crate::kernels::transpose::transpose;

/// Filters as they are multiplied, sixteen matrices `[rows, channels]`: `G g Gᵀ` of each.
pub(crate) struct Prepare<'a, E> {
    pub filter: Filter,
    pub weight: &'a [E],
    /// Whether a filter's numbers come last first.
    pub is_turned: bool,
    pub prepared: &'a mut [E],
    /// `16 channels` numbers.
    pub room: &'a mut [E],
}

impl<E: Element> Prepare<'_, E> {
    /// Does it.
    pub(crate) fn run(self) {
        let Filter { rows, channels, row, channel } = self.filter;
        assert!(rows > 0 && channels > 0 && self.weight.len() >= (rows - 1) * row + (channels - 1) * channel + TAPS, "numbers of all filters");
        assert!(
            self.prepared.len() == NUMBERS * apart::<E>(rows * channels) && self.room.len() >= E::lanes().max(TAPS) * channels,
            "room for the prepared filters"
        );
        E::run(self);
    }
}

impl<E: Element> Kernel<E> for Prepare<'_, E> {
    type Output = ();

    #[inline(always)]
    unsafe fn run<V: Lanes<E>>(self) {
        let Filter { rows, channels, row, channel } = self.filter;
        // SAFETY: `run` has asserted how long the slices are, and the caller's contract.
        unsafe {
            let half = V::splat(E::one() / (E::one() + E::one()));
            for i in 0..rows {
                // Whole registers, if there are so many numbers behind the last filter: nobody looks at what is too much.
                let is_inside = i * row + (channels - 1) * channel + V::LEN <= self.weight.len();
                let columns = if is_inside { V::LEN.max(TAPS) } else { TAPS };
                transpose::<E, V>([channels, columns], (self.weight.as_ptr().add(i * row), channel), (self.room.as_mut_ptr(), channels));
                for first in (0..channels).step_by(V::LEN) {
                    let n = channels - first;
                    let mut g = [[V::splat(E::zero()); 3]; 3];
                    for tap in 0..TAPS {
                        let from = self.room.as_ptr().add(if self.is_turned { TAPS - 1 - tap } else { tap } * channels + first);
                        g[tap / 3][tap % 3] = if n >= V::LEN { V::load(from) } else { V::load_first(from, n) };
                    }
                    // Not a closure: that would be a function of its own, without the instructions.
                    let [a, b, c] = [spread(g[0], half), spread(g[1], half), spread(g[2], half)];
                    for x in 0..4 {
                        for (y, of_square) in spread([a[x], b[x], c[x]], half).into_iter().enumerate() {
                            let to = (4 * y + x) * apart::<E>(rows * channels) + i * channels + first;
                            put(of_square, self.prepared.as_mut_ptr().add(to), n, false);
                        }
                    }
                }
            }
        }
    }
}
