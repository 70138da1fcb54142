//! The way forward, and that of the gradient of the image.

use super::{Block, NUMBERS, Place, Squares, apart, gather, see_block};
use crate::kernels::conv::Planes;
use crate::kernels::gemm::{Element, Mat, Rows};
use crate::kernels::lanes::{Choice, Largest};
use crate::kernels::simd::{Kernel, Lanes};
use crate::kernels::tile::put;
use crate::kernels::tiles::{Next, REGS, ROWS, Tiles, WIDE_REGS, WIDE_ROWS};

/// [`Correlate`](crate::kernels::conv::Correlate) with filters of 3 x 3 that were prepared.
pub(crate) struct Winograd<'a, E> {
    pub squares: &'a Squares,
    /// Rows and channels.
    pub size: [usize; 2],
    pub prepared: &'a [E],
    /// How far apart two of the sixteen numbers of a filter lie.
    pub apart: usize,
    /// Empty where there is none.
    pub bias: &'a [E],
    pub x: Planes<&'a [E]>,
    pub y: Planes<&'a mut [E]>,
    pub add: bool,
    /// Where squares are pooled.
    pub choice: Option<Choice<'a, E>>,
    /// As many numbers as [`Squares::room`] says.
    pub room: &'a mut [E],
}

impl<E: Element> Winograd<'_, E> {
    /// Does it.
    pub(crate) fn run(self) {
        let ([rows, channels], [read, written]) = (self.size, self.squares.reach);
        let prepared = (NUMBERS - 1) * self.apart + rows * channels;
        assert!(rows > 0 && channels > 0 && self.prepared.len() >= prepared, "numbers of all filters");
        assert!(self.bias.is_empty() || self.bias.len() == rows, "a bias for each row");
        assert!(self.x.data.len() >= (channels - 1) * self.x.plane + read, "the image is smaller than its frame");
        assert!(self.y.data.len() >= (rows - 1) * self.y.plane + written, "the sums have less room than there are squares");
        let chosen = self.choice.as_ref().map(|choice| choice.chosen.len() >= self.y.data.len());
        assert!(chosen.unwrap_or(!self.squares.pools), "a choice for each of the squares that are pooled");
        assert!(self.choice.is_none() || self.squares.unit == E::lanes() && !self.add, "what is chosen lies side by side");
        assert!(self.room.len() >= self.squares.room::<E>(self.size), "room for what is multiplied");
        E::run(self);
    }
}

impl<E: Element> Kernel<E> for Winograd<'_, E> {
    type Output = ();

    #[inline(always)]
    unsafe fn run<V: Lanes<E>>(self) {
        // SAFETY: the caller's contract.
        unsafe { self.blocks::<V, ROWS, REGS>() }
    }

    #[inline(always)]
    unsafe fn run_wide<V: Lanes<E>>(self) {
        // SAFETY: the caller's contract.
        unsafe { self.blocks::<V, WIDE_ROWS, WIDE_REGS>() }
    }
}

impl<E: Element> Winograd<'_, E> {
    /// All squares; tiles of products have at most `ROWS` rows of `REGS` registers.
    ///
    /// # Safety
    /// `run` has asserted what it does, and the contract of [`Lanes`].
    #[inline(always)]
    unsafe fn blocks<V: Lanes<E>, const ROWS: usize, const REGS: usize>(mut self) {
        let ([rows, channels], room) = (self.size, core::mem::take(&mut self.room));
        for block in &self.squares.blocks {
            let [of_filters, of_squares] = [rows, channels].map(|height| apart::<E>(height * block.width));
            let (seen, products) = room.split_at_mut(NUMBERS * of_squares);
            // SAFETY: the caller's contract; there is room for the numbers of all channels and of all rows.
            unsafe {
                see_block::<E, V>(self.squares, block, channels, self.x, seen);
                for number in 0..NUMBERS {
                    let a = Mat::rows(&self.prepared[number * self.apart..][..rows * channels], channels);
                    let b = Mat::rows(&seen[number * of_squares..][..channels * block.width], block.width);
                    let c = Rows::new(&mut products[number * of_filters..][..rows * block.width], block.width);
                    Tiles { size: [rows, channels], a, b, bias: &[], add: false, c, next: Next::nothing() }.panel::<V, ROWS, REGS>();
                }
                self.gather_block::<V>(block, products);
            }
        }
    }

    /// The sums of squares, of their products, sixteen matrices `[rows, width]`.
    ///
    /// # Safety
    /// As for [`Winograd::blocks`], and `products` has so many numbers and a register behind them.
    #[inline(always)]
    unsafe fn gather_block<V: Lanes<E>>(&mut self, block: &Block, products: &[E]) {
        let [rows, _] = self.size;
        let step = apart::<E>(rows * block.width);
        for row in 0..rows {
            for place in &block.places {
                // SAFETY: the caller's contract.
                unsafe {
                    let from = products.as_ptr().add(row * block.width + place.at);
                    let bias = V::splat(if self.bias.is_empty() { E::zero() } else { self.bias[row] });
                    let (mut above, mut below) = ([bias; 4], [bias; 4]);
                    for (x, (above, below)) in above.iter_mut().zip(&mut below).enumerate() {
                        let mut column = [bias; 4];
                        for (y, number) in column.iter_mut().enumerate() {
                            *number = V::load(from.add((4 * y + x) * step));
                        }
                        [*above, *below] = gather(column);
                    }
                    let ([a, b], [c, d]) = (gather(above), gather(below));
                    let to = row * self.y.plane + place.to;
                    self.put::<V>([[a.add(bias), b.add(bias)], [c.add(bias), d.add(bias)]], to, place);
                }
            }
        }
    }

    /// Writes the sums of squares, rows of left and right ones, or what is chosen of them.
    ///
    /// # Safety
    /// As for [`Winograd::blocks`], and there is room for the place's sums from number `to` on.
    #[inline(always)]
    unsafe fn put<V: Lanes<E>>(&mut self, [above, below]: [[V; 2]; 2], to: usize, place: &Place) {
        // SAFETY: the caller's contract.
        unsafe {
            let y = self.y.data.as_mut_ptr().add(to);
            match &mut self.choice {
                None => {
                    self.put_row(above, y, place.sums[1]);
                    if place.sums[0] > 1 {
                        self.put_row(below, y.add(self.squares.pitches[1]), place.sums[1]);
                    }
                }
                Some(Choice { has_relu, chosen }) if self.squares.pools => {
                    Largest::of([above[0], above[1], below[0], below[1]]).put(*has_relu, [y, chosen.as_mut_ptr().add(to)]);
                }
                Some(Choice { has_relu, chosen }) => {
                    for (i, row) in [above, below].iter().enumerate().take(place.sums[0]) {
                        for (j, &sum) in row.iter().enumerate().take(place.sums[1]) {
                            let at = i * self.squares.pitches[1] + j * V::LEN;
                            Largest::first(sum).put(*has_relu, [y.add(at), chosen.as_mut_ptr().add(to + at)]);
                        }
                    }
                }
            }
        }
    }

    /// Writes or adds a row of sums: those of the squares' left halves, and of their right ones.
    ///
    /// # Safety
    /// As for [`Winograd::blocks`], and there are so many columns behind the pointer.
    #[inline(always)]
    unsafe fn put_row<V: Lanes<E>>(&self, [left, right]: [V; 2], to: *mut E, columns: usize) {
        // SAFETY: the caller's contract.
        unsafe {
            let ([first, second], numbers) = if self.squares.unit > 1 { ([left, right], columns * V::LEN) } else { (left.join(right), columns) };
            put(first, to, numbers, self.add);
            if numbers > V::LEN {
                put(second, to.add(V::LEN), numbers - V::LEN, self.add);
            }
        }
    }
}
