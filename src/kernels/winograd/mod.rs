//! Sums over windows of 3 x 3 with less than half of the multiplications.
//!
//! Four windows that make a square see 4 x 4 numbers `d` of an image. Their sums with a filter `g` are `Aᵀ [(G g Gᵀ) ⊙ (Bᵀ d B)] A`:
//! 16 multiplications for each channel and not 36, since the matrices `A`, `B` and `G` have but 0, 1 and 1/2. What is multiplied is
//! summed over the channels first, so it is 16 products of matrices, `[rows, channels]` times `[channels, squares]`.
//!
//! This is `F(2 x 2, 3 x 3)` of Lavin and Gray, [Fast algorithms for convolutional neural networks](https://arxiv.org/abs/1509.09308)
//! (2015), after Winograd. Larger squares save more, and lose digits.

mod back;
mod correlate;
mod prepare;

pub(crate) use back::{Fold, WinogradBack};
pub(crate) use correlate::Winograd;
pub(crate) use prepare::Prepare;

use super::conv::Planes;
use super::frame::Frame;
use super::gemm::Element;
use super::simd::Lanes;
use super::tile::put;
use super::tiles::columns_of_tile;

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
    /// How many numbers all of them have, and in whole registers.
    used: usize,
    width: usize,
}

/// How samples lie: `unit` of them at each pixel, side by side, or one with its pixels side by side, and then so many one behind the
/// other.
#[derive(Clone, Copy)]
pub(crate) struct Samples {
    pub unit: usize,
    pub count: usize,
    /// How far apart their images lie, in their frames, and their sums.
    pub apart: [usize; 2],
}

impl Samples {
    /// So many of them at each pixel.
    pub(crate) fn at_once(unit: usize) -> Self {
        Samples { unit, count: 1, apart: [0, 0] }
    }
}

/// What squares are for.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Purpose {
    /// Sums over what they see.
    Sums,
    /// The largest of the four sums of each.
    Pools,
    /// The gradient of the filters, which is summed over so many squares at a time.
    Gradient(usize),
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
    /// than zero.
    pub(crate) fn new<E: Element>(image: [usize; 2], padding: [isize; 2], windows: [usize; 2], samples: Samples, purpose: Purpose) -> Self {
        let unit = samples.unit;
        let pools = purpose == Purpose::Pools;
        assert!(!pools || windows.iter().all(|windows| windows.is_multiple_of(2)), "only whole squares are pooled");
        let (pool, to) = if pools { (2, Frame::whole(windows.map(|windows| windows / 2))) } else { (1, Frame::whole(windows)) };
        let most = if let Purpose::Gradient(most) = purpose { most } else { columns_of_tile::<E>() };
        let size = windows.map(|windows| windows.next_multiple_of(2) + 2);
        let frame = Frame { image, begin: padding.map(|padding| -padding), size, step: 1 };
        let (lanes, in_rows) = (E::lanes(), unit == 1);
        let columns = if in_rows { 2 * lanes } else { 2 };
        let mut blocks: Vec<Block> = Vec::new();
        let rows = (0..samples.count).flat_map(|sample| (0..windows[0]).step_by(2).map(move |row| (sample, row)));
        for (sample, row) in rows {
            for column in (0..windows[1]).step_by(columns) {
                let sums = [2.min(windows[0] - row), columns.min(windows[1] - column)];
                let len = if in_rows { sums[1].div_ceil(2) } else { lanes };
                let from = sample * samples.apart[0] + frame.at([row, column]) * unit;
                let to = sample * samples.apart[1] + to.at([row / pool, column / pool]) * unit;
                let fits = |block: &&mut Block| block.used + len <= most;
                let place = |at| Place { from, to, at, sums };
                match blocks.last_mut().filter(fits) {
                    Some(block) => {
                        block.places.push(place(block.used));
                        block.used += len;
                    }
                    None => blocks.push(Block { places: vec![place(0)], used: len, width: 0 }),
                }
            }
        }
        blocks.iter_mut().for_each(|block| block.width = block.used.next_multiple_of(lanes));
        let pitches = [frame.pitch() * unit, to.pitch() * unit];
        let places = || blocks.iter().flat_map(|block| &block.places);
        let read = if in_rows { 2 * lanes + 2 } else { 4 * lanes };
        let written = |place: &Place| (place.sums[0] / pool).saturating_sub(1) * pitches[1] + place.to + place.sums[1].div_ceil(pool) * unit;
        let reach = [places().map(|place| place.from + 3 * pitches[0] + read).max().unwrap_or(0), places().map(written).max().unwrap_or(0)];
        Squares { blocks, frame, pitches, reach, unit, pools }
    }

    /// How many numbers behind a channel in its frame may be read, the first sample's where there are several.
    pub(crate) fn slack(&self) -> usize {
        self.reach[0].saturating_sub(self.frame.plane() * self.unit)
    }

    /// How many registers of squares there are as they are seen, how many as they are multiplied, and in how many blocks.
    pub(crate) fn registers<E: Element>(&self) -> [usize; 3] {
        let [seen, multiplied] =
            [|block: &Block| block.places.len(), |block: &Block| block.width / E::lanes()].map(|of| self.blocks.iter().map(of).sum());
        [seen, multiplied, self.blocks.len()]
    }

    /// How many numbers there must be room for, to correlate images of so many channels, `[rows, channels]`.
    pub(crate) fn room<E: Element>(&self, [rows, channels]: [usize; 2]) -> usize {
        let width = self.blocks.iter().map(|block| block.width).max().unwrap_or(0);
        NUMBERS * (apart::<E>(rows * width) + apart::<E>(channels * width)) + E::lanes()
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

/// `A`, along one axis.
///
/// # Safety
/// The contract of [`Lanes`].
#[inline(always)]
unsafe fn scatter<E: Element, V: Lanes<E>>([a, b]: [V; 2]) -> [V; 4] {
    // SAFETY: the caller's contract.
    unsafe { [a, a.add(b), a.sub(b), V::splat(E::zero()).sub(b)] }
}

/// `Gᵀ`, along one axis.
///
/// # Safety
/// The contract of [`Lanes`].
#[inline(always)]
unsafe fn fold<E, V: Lanes<E>>([a, b, c, d]: [V; 4], half: V) -> [V; 3] {
    // SAFETY: the caller's contract.
    unsafe {
        let sum = b.add(c).mul(half);
        [a.add(sum), b.sub(c).mul(half), sum.add(d)]
    }
}

/// What the squares of a block see, sixteen matrices `[channels, width]`.
///
/// # Safety
/// There are so many channels, each as far as the squares reach, and `seen` has so many numbers; and the contract of [`Lanes`].
#[inline(always)]
unsafe fn see_block<E: Element, V: Lanes<E>>(squares: &Squares, block: &Block, channels: usize, x: Planes<&[E]>, seen: &mut [E]) {
    let step = apart::<E>(channels * block.width);
    for channel in 0..channels {
        for place in &block.places {
            // SAFETY: the caller's contract.
            unsafe {
                let to = seen.as_mut_ptr().add(channel * block.width + place.at);
                let mut numbers = [[V::splat(E::zero()); 4]; 4];
                for (y, numbers) in numbers.iter_mut().enumerate() {
                    let from = x.data.as_ptr().add(channel * x.plane + place.from + y * squares.pitches[0]);
                    *numbers = see(neighbours::<E, V>(from, squares.unit == 1));
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

/// Four neighbours in a row of the image, of each square: of squares along the row, or of one of several samples.
///
/// # Safety
/// There are so many numbers behind `from`; and the contract of [`Lanes`].
#[inline(always)]
unsafe fn neighbours<E, V: Lanes<E>>(from: *const E, in_row: bool) -> [V; 4] {
    // SAFETY: the caller's contract.
    unsafe {
        if !in_row {
            return [V::load(from), V::load(from.add(V::LEN)), V::load(from.add(2 * V::LEN)), V::load(from.add(3 * V::LEN))];
        }
        let [a, b] = V::load(from).split(V::load(from.add(V::LEN)));
        let [c, d] = V::load(from.add(2)).split(V::load(from.add(V::LEN + 2)));
        [a, b, c, d]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernels::conv::Filter;
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
        /// Along the rows, of several samples that follow one another, and with samples side by side that are all the same.
        #[test]
        fn as_by_the_definition(
            image in [1..9usize, 1..40usize], padding in [-1..3isize, -1..3isize], rows in 1..12usize, channels in 1..20usize,
            is_turned: bool, add: bool, has_bias: bool, side_by_side: bool, count in 1..4usize,
        ) {
            let windows = [0, 1].map(|axis| image[axis] as isize + 2 * padding[axis] - 2);
            prop_assume!(windows.iter().all(|&windows| windows > 0));
            let windows = windows.map(isize::unsigned_abs);
            let (unit, count) = if side_by_side { (f64::lanes(), 1) } else { (1, count) };
            let (pixels, all) = (image[0] * image[1], windows[0] * windows[1]);
            let plane = [0, 1].map(|axis| windows[axis].next_multiple_of(2) + 2).iter().product::<usize>();
            let samples = Samples { unit, count, apart: [channels * plane, rows * all] };
            let squares = Squares::new::<f64>(image, padding, windows, samples, Purpose::Sums);
            prop_assert_eq!(squares.frame.plane(), plane);
            let (weight, x, bias) = (numbers(rows * channels * 9, 37), numbers(count * channels * pixels, 53), numbers(if has_bias { rows } else { 0 }, 7));
            let (mut prepared, mut room) = (vec![0.0; 16 * apart::<f64>(rows * channels)], vec![0.0; 16 * channels]);
            let filter = Filter { rows, channels, row: 9 * channels, channel: 9 };
            Prepare { filter, weight: &weight, is_turned, prepared: &mut prepared, room: &mut room }.run();
            let mut framed = vec![0.0; count * channels * plane];
            squares.frame.fill(&x, &mut framed);
            let mut lanes: Vec<f64> = framed.iter().flat_map(|&x| vec![x; unit]).collect();
            lanes.resize(channels * plane * unit + squares.slack(), f64::NAN);
            let (mut y, mut room) = (vec![1.0; count * rows * all * unit], vec![f64::NAN; squares.room::<f64>([rows, channels])]);
            let (from, to) = (Planes { data: &lanes[..], plane: plane * unit }, Planes { data: &mut y[..], plane: all * unit });
            Winograd { squares: &squares, size: [rows, channels], prepared: &prepared, apart: apart::<f64>(rows * channels), bias: &bias, x: from, y: to, add, choice: None, room: &mut room }.run();
            for (i, got) in y.iter().enumerate() {
                let (row, at) = (i / unit / all % rows, i / unit % all);
                let x = &x[i / unit / all / rows * channels * pixels..];
                let sum = naive(&weight, x, &squares.frame, [rows, channels], [row, at / windows[1], at % windows[1]], is_turned);
                let want = sum + bias.get(row).unwrap_or(&0.0) + f64::from(u8::from(add));
                prop_assert!((got - want).abs() < 1e-9, "{got} is not {want}");
            }
        }

        #[test]
        fn gradients_of_filters(image in [1..9usize, 1..70usize], padding in [-1..3isize, -1..3isize], rows in 1..12usize, channels in 1..20usize) {
            let windows = [0, 1].map(|axis| image[axis] as isize + 2 * padding[axis] - 2);
            prop_assume!(windows.iter().all(|&windows| windows > 0));
            let windows = windows.map(isize::unsigned_abs);
            let squares = Squares::new::<f64>(image, padding, windows, Samples::at_once(1), Purpose::Gradient(256));
            let (all, plane) = (windows[0] * windows[1], squares.frame.plane());
            let (x, dy) = (numbers(channels * image[0] * image[1], 53), numbers(rows * all, 37));
            let mut framed = vec![0.0; channels * plane + squares.slack()];
            squares.frame.fill(&x, &mut framed);
            let (mut d_prepared, mut d_weight) = (vec![f64::NAN; 16 * apart::<f64>(rows * channels)], vec![1.0; rows * channels * 9]);
            let mut room = vec![f64::NAN; squares.room::<f64>([rows, channels]).max(32 * channels)];
            for add in [false, true] {
                let (x, dy) = (Planes { data: &framed[..], plane }, Planes { data: &dy[..], plane: all });
                WinogradBack { squares: &squares, size: [rows, channels], x, dy, d_prepared: &mut d_prepared, add, room: &mut room }.run();
            }
            let filter = Filter { rows, channels, row: 9 * channels, channel: 9 };
            Fold { filter, d_prepared: &d_prepared, d_weight: &mut d_weight, room: &mut room }.run();
            for (i, got) in d_weight.iter().enumerate() {
                let (row, channel, tap) = (i / 9 / channels, i / 9 % channels, i % 9);
                let of_channel = &framed[channel * plane..];
                let of_window = |at: usize| dy[row * all + at] * of_channel[squares.frame.at([at / windows[1] + tap / 3, at % windows[1] + tap % 3])];
                let want = 1.0 + 2.0 * (0..all).map(of_window).sum::<f64>();
                prop_assert!((got - want).abs() < 1e-9, "{got} is not {want}");
            }
        }
    }
}
