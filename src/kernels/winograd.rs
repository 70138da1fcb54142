//! Sums over windows of 3 x 3 with less than half of the multiplications.
//!
//! Four windows that make a square see 4 x 4 numbers `d` of an image. Their sums with a filter `g` are `Aᵀ [(G g Gᵀ) ⊙ (Bᵀ d B)] A`:
//! 16 multiplications for each channel and not 36, since the matrices `A`, `B` and `G` have but 0, 1 and 1/2. What is multiplied is
//! summed over the channels first, so it is 16 products of matrices, `[rows, channels]` times `[channels, squares]`.
//!
//! This is `F(2 x 2, 3 x 3)` of Lavin and Gray, [Fast algorithms for convolutional neural networks](https://arxiv.org/abs/1509.09308)
//! (2015), after Winograd. Larger squares save more, and lose digits.

use super::conv::{Filter, Planes};
use super::frame::Frame;
use super::gemm::{Element, REGS, ROWS, Size, WIDE_REGS, WIDE_ROWS, columns_of_tile, one_panel};
use super::lanes::Largest;
use super::simd::{Kernel, Lanes};
use super::tile::put;
use super::transpose::transpose;

/// How many numbers a square sees, and how many multiplications it takes.
pub(crate) const NUMBERS: usize = 16;
/// How many numbers a filter has.
const TAPS: usize = 9;

/// How many numbers lie between two matrices of the sixteen: a line of the cache. Were they a power of two apart, what is written to
/// all of them would want the same few places of the cache.
const fn gap<E>() -> usize {
    64 / size_of::<E>()
}

/// How far apart two of the sixteen matrices of so many numbers lie.
pub(crate) const fn apart<E>(numbers: usize) -> usize {
    numbers + gap::<E>()
}

/// A register of squares: where their first number lies in the image, and where their first sums lie.
#[derive(Clone, Copy, Debug)]
struct Place {
    from: usize,
    to: usize,
    /// Where it lies among those of its block.
    at: usize,
    /// How many rows of sums there are, and how many columns.
    sums: [usize; 2],
}

/// Squares that are multiplied together, as wide as the largest register tile.
#[derive(Clone, Debug)]
struct Block {
    places: Vec<Place>,
    /// In whole registers.
    width: usize,
}

/// Where squares are and what they see.
#[derive(Clone, Debug)]
pub(crate) struct Squares {
    blocks: Vec<Block>,
    /// The part of the image that they see.
    pub frame: Frame,
    /// How far apart the rows of the image lie, and those of the sums.
    pitches: [usize; 2],
    /// How many numbers from the begin of a channel on are read, in whole registers, and written.
    reach: [usize; 2],
    /// How many numbers lie at each pixel: one of each of several samples, or one, so that squares lie along the rows.
    unit: usize,
    pools: bool,
}

impl Squares {
    /// Those of `windows`, height and width, of which the first begins `padding` before the image, or behind its begin where that is less
    /// than zero. With `pools` each square, a whole one, becomes one number.
    pub(crate) fn new<E: Element>(image: [usize; 2], padding: [isize; 2], windows: [usize; 2], pools: bool, unit: usize) -> Self {
        assert!(!pools || windows.iter().all(|windows| windows.is_multiple_of(2)), "only whole squares are pooled");
        let (pool, to) = if pools { (2, Frame::whole(windows.map(|windows| windows / 2))) } else { (1, Frame::whole(windows)) };
        let size = windows.map(|windows| windows.next_multiple_of(2) + 2);
        let frame = Frame { image, begin: padding.map(|padding| -padding), size, step: 1 };
        let (lanes, in_rows) = (E::lanes(), unit == 1);
        let columns = if in_rows { 2 * lanes } else { 2 };
        let mut blocks: Vec<Block> = Vec::new();
        for row in (0..windows[0]).step_by(2) {
            for column in (0..windows[1]).step_by(columns) {
                let sums = [2.min(windows[0] - row), columns.min(windows[1] - column)];
                let len = if in_rows { sums[1].div_ceil(2) } else { lanes };
                let [from, to] = [frame.at([row, column]), to.at([row / pool, column / pool])].map(|place| place * unit);
                let fits = |block: &&mut Block| block.width + len <= columns_of_tile::<E>();
                let place = |at| Place { from, to, at, sums };
                match blocks.last_mut().filter(fits) {
                    Some(block) => {
                        block.places.push(place(block.width));
                        block.width += len;
                    }
                    None => blocks.push(Block { places: vec![place(0)], width: len }),
                }
            }
        }
        blocks.iter_mut().for_each(|block| block.width = block.width.next_multiple_of(lanes));
        let pitches = [frame.pitch() * unit, to.pitch() * unit];
        let places = || blocks.iter().flat_map(|block| &block.places);
        let read = if in_rows { 2 * lanes + 2 } else { 4 * lanes };
        let written = |place: &Place| (place.sums[0] / pool).saturating_sub(1) * pitches[1] + place.to + place.sums[1].div_ceil(pool) * unit;
        let reach = [
            places().map(|place| place.from + 3 * pitches[0] + read).max().unwrap_or(0),
            places().map(written).max().unwrap_or(0),
        ];
        Squares { blocks, frame, pitches, reach, unit, pools }
    }

    /// How many numbers behind the last channel in its frame may be read.
    pub(crate) fn slack(&self) -> usize {
        self.reach[0].saturating_sub(self.frame.plane() * self.unit)
    }

    /// How many registers of squares there are as they are seen, and how many as they are multiplied.
    pub(crate) fn registers<E: Element>(&self) -> [usize; 2] {
        [self.blocks.iter().map(|block| block.places.len()).sum(), self.blocks.iter().map(|block| block.width / E::lanes()).sum()]
    }

    /// How many numbers there must be room for, to correlate images of so many channels, `[rows, channels]`.
    pub(crate) fn room<E: Element>(&self, [rows, channels]: [usize; 2]) -> usize {
        let width = self.blocks.iter().map(|block| block.width).max().unwrap_or(0);
        NUMBERS * (apart::<E>(rows * width) + apart::<E>(channels * width)) + E::lanes()
    }
}

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
        assert!(self.prepared.len() == NUMBERS * apart::<E>(rows * channels) && self.room.len() >= E::lanes().max(TAPS) * channels, "room for the prepared filters");
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

/// `G`, along one axis.
///
/// # Safety
/// The contract of [`Lanes`].
#[inline(always)]
unsafe fn spread<E, V: Lanes<E>>([a, b, c]: [V; 3], half: V) -> [V; 4] {
    // SAFETY: the caller's contract.
    unsafe {
        let (ends, middle) = (a.add(c).mul(half), b.mul(half));
        [a, ends.add(middle), ends.sub(middle), c]
    }
}

/// `Bᵀ`, along one axis.
///
/// # Safety
/// The contract of [`Lanes`].
#[inline(always)]
unsafe fn see<E, V: Lanes<E>>([a, b, c, d]: [V; 4]) -> [V; 4] {
    // SAFETY: the caller's contract.
    unsafe { [a.sub(c), b.add(c), c.sub(b), b.sub(d)] }
}

/// `Aᵀ`, along one axis.
///
/// # Safety
/// The contract of [`Lanes`].
#[inline(always)]
unsafe fn gather<E, V: Lanes<E>>([a, b, c, d]: [V; 4]) -> [V; 2] {
    // SAFETY: the caller's contract.
    unsafe { [a.add(b).add(c), b.sub(c).sub(d)] }
}

/// The largest of each square, or zero if that is larger still and there is a ReLU, and which one it was, or -1 for none.
pub(crate) struct Choice<'a, E> {
    pub has_relu: bool,
    /// As many numbers as there are sums.
    pub chosen: &'a mut [E],
}

/// [`Correlate`](super::conv::Correlate) with filters of 3 x 3 that were prepared.
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
                self.see_block::<V>(block, seen);
                for number in 0..NUMBERS {
                    let factors = [&self.prepared[number * self.apart..][..rows * channels], &seen[number * of_squares..][..channels * block.width]];
                    let product = &mut products[number * of_filters..][..rows * block.width];
                    one_panel::<E, V, ROWS, REGS>(Size { m: rows, n: block.width, k: channels }, factors, product);
                }
                self.gather_block::<V>(block, products);
            }
        }
    }

    /// What squares see, sixteen matrices `[channels, width]`.
    ///
    /// # Safety
    /// As for [`Winograd::blocks`], and `seen` has so many numbers.
    #[inline(always)]
    unsafe fn see_block<V: Lanes<E>>(&self, block: &Block, seen: &mut [E]) {
        let [_, channels] = self.size;
        let step = apart::<E>(channels * block.width);
        for channel in 0..channels {
            for place in &block.places {
                // SAFETY: the caller's contract.
                unsafe {
                    let to = seen.as_mut_ptr().add(channel * block.width + place.at);
                    let mut numbers = [[V::splat(E::zero()); 4]; 4];
                    for (y, numbers) in numbers.iter_mut().enumerate() {
                        let from = self.x.data.as_ptr().add(channel * self.x.plane + place.from + y * self.squares.pitches[0]);
                        *numbers = see(self.row::<V>(from));
                    }
                    let [a, b, c, d] = numbers;
                    for x in 0..4 {
                        for (y, number) in see([a[x], b[x], c[x], d[x]]).into_iter().enumerate() {
                            put(number, to.add((4 * y + x) * step), block.width - place.at, false);
                        }
                    }
                }
            }
        }
    }

    /// Four neighbours in a row of the image, of each square.
    ///
    /// # Safety
    /// As for [`Winograd::blocks`].
    #[inline(always)]
    unsafe fn row<V: Lanes<E>>(&self, from: *const E) -> [V; 4] {
        // SAFETY: the caller's contract.
        unsafe {
            if self.squares.unit > 1 {
                return [V::load(from), V::load(from.add(V::LEN)), V::load(from.add(2 * V::LEN)), V::load(from.add(3 * V::LEN))];
            }
            let [a, b] = V::load(from).split(V::load(from.add(V::LEN)));
            let [c, d] = V::load(from.add(2)).split(V::load(from.add(V::LEN + 2)));
            [a, b, c, d]
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
                    let mut sums = [[bias; 4]; 2];
                    for x in 0..4 {
                        let mut column = [bias; 4];
                        for (y, number) in column.iter_mut().enumerate() {
                            *number = V::load(from.add((4 * y + x) * step));
                        }
                        let [above, below] = gather(column);
                        (sums[0][x], sums[1][x]) = (above, below);
                    }
                    let ([a, b], [c, d]) = (gather(sums[0]), gather(sums[1]));
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
            let (one, y) = (E::one(), self.y.data.as_mut_ptr().add(to));
            match &mut self.choice {
                None => {
                    self.put_row(above, y, place.sums[1]);
                    if place.sums[0] > 1 {
                        self.put_row(below, y.add(self.squares.pitches[1]), place.sums[1]);
                    }
                }
                Some(Choice { has_relu, chosen }) if self.squares.pools => {
                    let largest = Largest::first(above[0]).or(above[1], one).or(below[0], one + one).or(below[1], one + one + one);
                    largest.put(*has_relu, [y, chosen.as_mut_ptr().add(to)]);
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernels::simd::Vector;
    use proptest::prelude::*;

    fn numbers(count: usize, step: usize) -> Vec<f64> {
        (0..count).map(|i| ((i * step % 101) as f64 - 50.0) / 64.0).collect()
    }

    /// By the definition: filter `[rows, channels, 3, 3]`, image `[channels, height, width]`.
    fn naive(weight: &[f64], x: &[f64], frame: &Frame, [rows, channels]: [usize; 2], [row, y, column]: [usize; 3], is_turned: bool) -> f64 {
        assert_eq!(weight.len(), rows * channels * 9);
        let pixel = |channel: usize, at: [usize; 2]| {
            let [y, x_] = [0, 1].map(|axis| at[axis] as isize + frame.begin[axis]);
            let inside = (0..frame.image[0] as isize).contains(&y) && (0..frame.image[1] as isize).contains(&x_);
            if inside { x[(channel * frame.image[0] + y as usize) * frame.image[1] + x_ as usize] } else { 0.0 }
        };
        let of_channel = |channel: usize| {
            let tap = |tap: usize| weight[(row * channels + channel) * 9 + if is_turned { 8 - tap } else { tap }];
            (0..9).map(|i| tap(i) * pixel(channel, [y + i / 3, column + i % 3])).sum::<f64>()
        };
        (0..channels).map(of_channel).sum()
    }

    proptest! {
        /// Along the rows, and with samples side by side that are all the same.
        #[test]
        fn as_by_the_definition(
            image in [1..9usize, 1..40usize], padding in [-1..3isize, -1..3isize], rows in 1..12usize, channels in 1..20usize,
            is_turned: bool, add: bool, has_bias: bool, side_by_side: bool,
        ) {
            let windows = [0, 1].map(|axis| image[axis] as isize + 2 * padding[axis] - 2);
            prop_assume!(windows.iter().all(|&windows| windows > 0));
            let windows = windows.map(isize::unsigned_abs);
            let unit = if side_by_side { f64::lanes() } else { 1 };
            let squares = Squares::new::<f64>(image, padding, windows, false, unit);
            let (weight, x, bias) = (numbers(rows * channels * 9, 37), numbers(channels * image[0] * image[1], 53), numbers(if has_bias { rows } else { 0 }, 7));
            let (mut prepared, mut room) = (vec![0.0; 16 * apart::<f64>(rows * channels)], vec![0.0; 16 * channels]);
            let filter = Filter { rows, channels, row: 9 * channels, channel: 9 };
            Prepare { filter, weight: &weight, is_turned, prepared: &mut prepared, room: &mut room }.run();
            let plane = squares.frame.plane();
            let mut framed = vec![0.0; channels * plane];
            squares.frame.fill(&x, &mut framed);
            let mut lanes: Vec<f64> = framed.iter().flat_map(|&x| vec![x; unit]).collect();
            lanes.resize(lanes.len() + squares.slack(), f64::NAN);
            let all = windows[0] * windows[1];
            let (mut y, mut room) = (vec![1.0; rows * all * unit], vec![f64::NAN; squares.room::<f64>([rows, channels])]);
            let (from, to) = (Planes { data: &lanes[..], plane: plane * unit }, Planes { data: &mut y[..], plane: all * unit });
            Winograd { squares: &squares, size: [rows, channels], prepared: &prepared, apart: apart::<f64>(rows * channels), bias: &bias, x: from, y: to, add, choice: None, room: &mut room }.run();
            for (i, got) in y.iter().enumerate() {
                let (row, at) = (i / unit / all, i / unit % all);
                let sum = naive(&weight, &x, &squares.frame, [rows, channels], [row, at / windows[1], at % windows[1]], is_turned);
                let want = sum + bias.get(row).unwrap_or(&0.0) + f64::from(u8::from(add));
                prop_assert!((got - want).abs() < 1e-9, "{got} is not {want}");
            }
        }
    }
}
