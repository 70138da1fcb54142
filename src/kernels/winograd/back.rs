//! The gradient of the filters.

use super::{Block, NUMBERS, Squares, TAPS, apart, fold, scatter, see_block};
use crate::kernels::conv::{Filter, Planes};
use crate::kernels::gemm::{Element, Mat, Size, gemm};
use crate::kernels::simd::{Kernel, Lanes};
use crate::kernels::tile::{pairs, put};
use crate::kernels::transpose::transpose;

/// The gradient of prepared filters over one image, sixteen matrices `[rows, channels]`: with `dM = A dy Aᵀ` of each square, the products
/// `dM (Bᵀ d B)ᵀ`, summed over the squares. What they are of the filters, [`Fold`] says.
pub(crate) struct WinogradBack<'a, E> {
    pub squares: &'a Squares,
    /// Rows and channels.
    pub size: [usize; 2],
    pub x: Planes<&'a [E]>,
    pub dy: Planes<&'a [E]>,
    pub d_prepared: &'a mut [E],
    /// Whether it is added to what is there.
    pub add: bool,
    /// As many numbers as [`Squares::room`] says.
    pub room: &'a mut [E],
}

impl<E: Element> WinogradBack<'_, E> {
    /// Does it.
    pub(crate) fn run(self) {
        let ([rows, channels], [read, written]) = (self.size, self.squares.reach);
        assert!(rows > 0 && channels > 0 && self.squares.unit == 1 && !self.squares.pools, "squares along the rows");
        assert!(self.d_prepared.len() == NUMBERS * apart::<E>(rows * channels), "gradients of all filters");
        assert!(self.x.data.len() >= (channels - 1) * self.x.plane + read, "the image is smaller than its frame");
        assert!(self.dy.data.len() >= (rows - 1) * self.dy.plane + written, "there are less gradients than squares");
        assert!(self.room.len() >= self.squares.room::<E>(self.size), "room for what is multiplied");
        let WinogradBack { squares, x, dy, d_prepared, room, mut add, .. } = self;
        for block in &squares.blocks {
            let [of_rows, of_channels] = [rows, channels].map(|height| apart::<E>(height * block.width));
            let (seen, gradients) = room.split_at_mut(NUMBERS * of_channels);
            E::run(See { squares, block, size: [rows, channels], x, dy, seen, gradients });
            for number in 0..NUMBERS {
                let gradient = Mat::rows(&gradients[number * of_rows..], block.width);
                let seen = Mat::rows(&seen[number * of_channels..], block.width).transposed();
                let to = &mut d_prepared[number * apart::<E>(rows * channels)..][..rows * channels];
                gemm(Size { m: rows, n: channels, k: block.width }, gradient, seen, add, to);
            }
            add = true;
        }
    }
}

/// What the squares of a block see, and their gradients, `[rows, width]`; zeros where a register is not full.
struct See<'a, E> {
    squares: &'a Squares,
    block: &'a Block,
    size: [usize; 2],
    x: Planes<&'a [E]>,
    dy: Planes<&'a [E]>,
    seen: &'a mut [E],
    gradients: &'a mut [E],
}

impl<E: Element> Kernel<E> for See<'_, E> {
    type Output = ();

    #[inline(always)]
    unsafe fn run<V: Lanes<E>>(self) {
        let ([rows, channels], width) = (self.size, self.block.width);
        // SAFETY: `WinogradBack::run` has asserted how long the slices are; and the caller's contract.
        unsafe {
            see_block::<E, V>(self.squares, self.block, channels, self.x, self.seen);
            let step = apart::<E>(rows * width);
            for row in 0..rows {
                for place in &self.block.places {
                    let from = self.dy.data.as_ptr().add(row * self.dy.plane + place.to);
                    let to = self.gradients.as_mut_ptr().add(row * width + place.at);
                    let above = pairs::<E, V>(from, place.sums[1]);
                    let below =
                        if place.sums[0] > 1 { pairs::<E, V>(from.add(self.squares.pitches[1]), place.sums[1]) } else { [V::splat(E::zero()); 2] };
                    let (left, right) = (scatter([above[0], below[0]]), scatter([above[1], below[1]]));
                    for y in 0..4 {
                        for (x, number) in scatter([left[y], right[y]]).into_iter().enumerate() {
                            put(number, to.add((4 * y + x) * step), width - place.at, false);
                        }
                    }
                }
            }
        }
        let used = self.block.used;
        for (height, matrices) in [(channels, self.seen), (rows, self.gradients)] {
            for matrix in matrices.chunks_mut(apart::<E>(height * width)).take(NUMBERS) {
                matrix[..height * width].chunks_exact_mut(width).for_each(|row| row[used..].fill(E::zero()));
            }
        }
    }
}

/// Adds the gradient of prepared filters to that of the filters: `Gᵀ dU G`.
pub(crate) struct Fold<'a, E> {
    pub filter: Filter,
    pub d_prepared: &'a [E],
    pub d_weight: &'a mut [E],
    /// `32 channels` numbers.
    pub room: &'a mut [E],
}

impl<E: Element> Fold<'_, E> {
    /// Does it.
    pub(crate) fn run(self) {
        let Filter { rows, channels, row, channel } = self.filter;
        assert!(rows > 0 && channels > 0 && self.d_weight.len() >= (rows - 1) * row + (channels - 1) * channel + TAPS, "gradients of all filters");
        assert!(self.d_prepared.len() == NUMBERS * apart::<E>(rows * channels), "sixteen matrices");
        assert!(self.room.len() >= 2 * NUMBERS * channels, "room for the filters of a row");
        E::run(self);
    }
}

impl<E: Element> Kernel<E> for Fold<'_, E> {
    type Output = ();

    #[inline(always)]
    unsafe fn run<V: Lanes<E>>(self) {
        let Filter { rows, channels, row, channel } = self.filter;
        let (by_tap, by_channel) = self.room.split_at_mut(NUMBERS * channels);
        // SAFETY: `run` has asserted how long the slices are, and the caller's contract.
        unsafe {
            let half = V::splat(E::one() / (E::one() + E::one()));
            for i in 0..rows {
                for first in (0..channels).step_by(V::LEN) {
                    let n = channels - first;
                    let mut columns = [[half; 3]; 4];
                    for (x, column) in columns.iter_mut().enumerate() {
                        let mut numbers = [half; 4];
                        for (y, number) in numbers.iter_mut().enumerate() {
                            let from = self.d_prepared.as_ptr().add((4 * y + x) * apart::<E>(rows * channels) + i * channels + first);
                            *number = if n >= V::LEN { V::load(from) } else { V::load_first(from, n) };
                        }
                        *column = fold(numbers, half);
                    }
                    let [a, b, c, d] = columns;
                    for y in 0..3 {
                        for (x, number) in fold([a[y], b[y], c[y], d[y]], half).into_iter().enumerate() {
                            put(number, by_tap.as_mut_ptr().add((3 * y + x) * channels + first), n, false);
                        }
                    }
                }
                // Whole registers: nobody looks at what is behind the ninth.
                transpose::<E, V>([NUMBERS, channels], (by_tap.as_ptr(), channels), (by_channel.as_mut_ptr(), NUMBERS));
                for (of_channel, numbers) in by_channel.chunks_exact(NUMBERS).enumerate().take(channels) {
                    let to = self.d_weight.as_mut_ptr().add(i * row + of_channel * channel);
                    for first in (0..TAPS).step_by(V::LEN) {
                        put(V::load(numbers.as_ptr().add(first)), to.add(first), TAPS - first, true);
                    }
                }
            }
        }
    }
}
