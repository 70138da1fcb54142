//! Samples side by side, one in each lane of a register, and what is done to them that way.

use super::frame::Frame;
use super::gemm::Element;
use super::simd::{Job, Kernel, Lanes, with_best};
use super::transpose::Transpose;
use crate::float::Float;

/// Calls a function with the number of lanes as a constant.
macro_rules! with_lanes {
    ($E:ident, |$LANES:ident| $call:expr) => {
        match $E::lanes() {
            4 => {
                const $LANES: usize = 4;
                $call
            }
            8 => {
                const $LANES: usize = 8;
                $call
            }
            16 => {
                const $LANES: usize = 16;
                $call
            }
            lanes => unreachable!("no register has {lanes} lanes"),
        }
    };
}

/// As many samples as there are lanes, one behind the other, as samples side by side: `[L, N] -> [N, L]`.
pub(crate) fn to_lanes<E: Float>(samples: &[E], lanes: &mut [E]) {
    let (count, width) = (E::lanes(), samples.len() / E::lanes());
    Transpose { size: [count, width], from: samples, row: width, to: lanes, col: count }.run();
}

/// The way back, `[N, L] -> [L, N]`; with `add` it is added to what is there.
pub(crate) fn to_samples<E: Float>(lanes: &[E], add: bool, samples: &mut [E]) {
    let (count, width) = (E::lanes(), samples.len() / E::lanes());
    if add {
        with_lanes!(E, |L| with_best(AddToSamples { lanes: lanes.as_chunks::<L>().0, samples }));
    } else {
        Transpose { size: [width, count], from: lanes, row: count, to: samples, col: width }.run();
    }
}

struct AddToSamples<'a, E, const L: usize> {
    lanes: &'a [[E; L]],
    samples: &'a mut [E],
}

impl<E: Float, const L: usize> Job for AddToSamples<'_, E, L> {
    #[inline(always)]
    fn run(self) {
        let width = self.samples.len() / L;
        for (lane, sample) in self.samples.chunks_exact_mut(width).enumerate() {
            for (to, from) in sample.iter_mut().zip(self.lanes) {
                *to += from[lane];
            }
        }
    }
}

impl Frame {
    /// [`Frame::fill`] for images of samples side by side.
    pub(crate) fn fill_lanes<E: Float>(&self, images: &[E], to: &mut [E]) {
        with_lanes!(E, |L| self.fill(images.as_chunks::<L>().0, to.as_chunks_mut::<L>().0));
    }
}

/// The largest of each window of a row of pools, or zero if that is larger still and there is a ReLU; and which one it was, counted
/// along the window, or -1 for none.
pub(crate) struct Select<'a, E> {
    /// As many rows as the pool is high.
    pub sums: &'a [E],
    /// Height and width.
    pub pool: [usize; 2],
    pub has_relu: bool,
    pub y: &'a mut [E],
    pub chosen: &'a mut [E],
}

impl<E: Float> Select<'_, E> {
    /// Does it.
    pub(crate) fn run(self) {
        let [height, width] = self.pool;
        assert!(self.chosen.len() == self.y.len() && self.sums.len() >= self.y.len() * height * width, "windows of a row side by side");
        E::run(self);
    }
}

impl<E: Float> Kernel<E> for Select<'_, E> {
    type Output = ();

    #[inline(always)]
    unsafe fn run<V: Lanes<E>>(self) {
        let [height, width] = self.pool;
        let pitch = self.y.len() * width;
        // SAFETY: `run` has asserted how long the slices are, and the caller's contract.
        unsafe {
            for at in (0..self.y.len()).step_by(V::LEN) {
                let window = self.sums.as_ptr().add(at * width);
                let (mut largest, mut number) = (Largest::first(V::load(window)), E::zero());
                for row in 0..height {
                    for column in 0..width {
                        largest = largest.or(V::load(window.add(row * pitch + column * V::LEN)), number);
                        number += E::one();
                    }
                }
                largest.put(self.has_relu, [self.y.as_mut_ptr().add(at), self.chosen.as_mut_ptr().add(at)]);
            }
        }
    }
}

/// What becomes of sums that lie side by side: the largest of each pool, or zero if that is larger still and there is a ReLU, and which
/// one it was, or -1 for none.
pub(crate) struct Choice<'a, E> {
    pub has_relu: bool,
    /// As many numbers as there are of what is chosen.
    pub chosen: &'a mut [E],
}

/// The largest numbers so far, and which they were.
#[derive(Clone, Copy)]
pub(super) struct Largest<V> {
    number: V,
    tap: V,
}

impl<V> Largest<V> {
    /// # Safety
    /// The contract of [`Lanes`].
    #[inline(always)]
    pub(super) unsafe fn first<E: Element>(number: V) -> Self
    where
        V: Lanes<E>,
    {
        // SAFETY: the caller's contract.
        Largest { number, tap: unsafe { V::splat(E::zero()) } }
    }

    /// # Safety
    /// The contract of [`Lanes`].
    #[inline(always)]
    pub(super) unsafe fn of<E: Element>([a, b, c, d]: [V; 4]) -> Self
    where
        V: Lanes<E>,
    {
        let (one, two) = (E::one(), E::one() + E::one());
        // SAFETY: the caller's contract.
        unsafe { Largest::first(a).or(b, one).or(c, two).or(d, two + one) }
    }

    /// Those, or `x`, which are number `tap`, where they are larger. A NaN is larger than all, so that it is not lost.
    ///
    /// # Safety
    /// The contract of [`Lanes`].
    #[inline(always)]
    pub(super) unsafe fn or<E: Element>(self, x: V, tap: E) -> Self
    where
        V: Lanes<E>,
    {
        // SAFETY: the caller's contract.
        unsafe {
            let tap = V::splat(tap);
            let tap_if_larger = x.if_greater(self.number, tap, self.tap);
            Largest { number: x.if_equal(x, x.if_greater(self.number, x, self.number), x), tap: x.if_equal(x, tap_if_larger, tap) }
        }
    }

    /// Writes them and which they were or, where there is a ReLU and they are not larger than zero, zero and -1.
    ///
    /// # Safety
    /// There is a register behind both pointers; and the contract of [`Lanes`].
    #[inline(always)]
    pub(super) unsafe fn put<E: Element>(self, has_relu: bool, [y, chosen]: [*mut E; 2])
    where
        V: Lanes<E>,
    {
        // SAFETY: the caller's contract.
        unsafe {
            let (zero, none) = (V::splat(E::zero()), V::splat(-E::one()));
            let Largest { number, tap } = self;
            let of_relu = if has_relu { [zero.if_greater(number, zero, number), number.if_greater(zero, tap, none)] } else { [number, tap] };
            of_relu[0].store(y);
            of_relu[1].store(chosen);
        }
    }
}

/// The gradient of [`Select`]: what was chosen takes it.
pub(crate) struct Scatter<'a, E> {
    pub dy: &'a [E],
    pub chosen: &'a [E],
    pub pool: [usize; 2],
    /// From the first number of the first window on.
    pub d_sums: &'a mut [E],
    /// How many numbers apart its rows are.
    pub pitch: usize,
}

impl<E: Float> Scatter<'_, E> {
    /// Does it.
    pub(crate) fn run(self) {
        let [height, width] = self.pool;
        let reach = (height - 1) * self.pitch + self.dy.len() * width;
        assert!(self.chosen.len() == self.dy.len() && self.d_sums.len() >= reach, "room for the windows of a row");
        E::run(self);
    }
}

impl<E: Float> Kernel<E> for Scatter<'_, E> {
    type Output = ();

    #[inline(always)]
    unsafe fn run<V: Lanes<E>>(self) {
        let [height, width] = self.pool;
        // SAFETY: `run` has asserted how long the slices are, and the caller's contract.
        unsafe {
            let zero = V::splat(E::zero());
            for at in (0..self.dy.len()).step_by(V::LEN) {
                let window = self.d_sums.as_mut_ptr().add(at * width);
                let (dy, chosen, mut number) = (V::load(self.dy.as_ptr().add(at)), V::load(self.chosen.as_ptr().add(at)), E::zero());
                for row in 0..height {
                    for column in 0..width {
                        chosen.if_equal(V::splat(number), dy, zero).store(window.add(row * self.pitch + column * V::LEN));
                        number += E::one();
                    }
                }
            }
        }
    }
}

/// Adds the sum over each plane of so many numbers, whole registers.
pub(crate) fn add_totals<E: Float>(planes: &[E], plane: usize, totals: &mut [E]) {
    E::run(AddTotals { planes, plane, totals });
}

struct AddTotals<'a, E> {
    planes: &'a [E],
    plane: usize,
    totals: &'a mut [E],
}

impl<E: Float> Kernel<E> for AddTotals<'_, E> {
    type Output = ();

    #[inline(always)]
    unsafe fn run<V: Lanes<E>>(self) {
        for (plane, total) in self.planes.chunks_exact(self.plane).zip(self.totals) {
            // SAFETY: a block has four registers, what is left of the plane whole ones; and the caller's contract.
            unsafe {
                let mut sums = [V::splat(E::zero()); 4];
                let blocks = plane.chunks_exact(4 * V::LEN);
                for register in blocks.remainder().chunks_exact(V::LEN) {
                    sums[0] = sums[0].add(V::load(register.as_ptr()));
                }
                for block in blocks {
                    for (i, sum) in sums.iter_mut().enumerate() {
                        *sum = sum.add(V::load(block.as_ptr().add(i * V::LEN)));
                    }
                }
                let [a, b, c, d] = V::totals(sums);
                *total += (a + b) + (c + d);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Scatter, Select, add_totals, to_lanes, to_samples};
    use crate::kernels::simd::Vector;

    #[test]
    fn samples_side_by_side_and_back() {
        let lanes = f64::lanes();
        let samples: Vec<f64> = (0..lanes * 5).map(|i| i as f64).collect();
        let mut side_by_side = vec![0.0; lanes * 5];
        to_lanes(&samples, &mut side_by_side);
        assert_eq!(side_by_side[lanes + 1], samples[5 + 1]);
        let mut back = vec![1.0; lanes * 5];
        to_samples(&side_by_side, true, &mut back);
        assert!(back.iter().zip(&samples).all(|(back, x)| *back == x + 1.0));
        let mut totals = [10.0];
        add_totals(&side_by_side, lanes * 5, &mut totals);
        assert_eq!(totals, [10.0 + samples.iter().sum::<f64>()]);
    }

    /// One window of 2 x 2 in each lane: the first of equal ones, a NaN, what a ReLU cuts off.
    #[test]
    fn the_largest_is_chosen_and_takes_the_gradient() {
        let lanes = f32::lanes();
        let windows = [[1.0, 3.0, 3.0, 2.0], [0.0, 5.0, f32::NAN, 9.0], [-4.0, -2.0, -3.0, -5.0]];
        let sums: Vec<f32> = (0..4).flat_map(|tap| (0..lanes).map(move |lane| windows[lane % 3][tap])).collect();
        for (has_relu, third) in [(false, [-2.0, 1.0]), (true, [0.0, -1.0])] {
            let (mut y, mut chosen) = (vec![7.0; lanes], vec![7.0; lanes]);
            Select { sums: &sums, pool: [2, 2], has_relu, y: &mut y, chosen: &mut chosen }.run();
            assert_eq!((y[0], chosen[0]), (3.0, 1.0));
            assert!(y[1].is_nan());
            assert_eq!([y[2], chosen[2]], third);
            let dy = vec![2.0; lanes];
            let mut d_sums = vec![7.0; 4 * lanes];
            Scatter { dy: &dy, chosen: &chosen, pool: [2, 2], d_sums: &mut d_sums, pitch: 2 * lanes }.run();
            let of_lane = |lane: usize| [0, 1, 2, 3].map(|tap| d_sums[tap * lanes + lane]);
            assert_eq!(of_lane(0), [0.0, 2.0, 0.0, 0.0]);
            assert_eq!(of_lane(2), if has_relu { [0.0; 4] } else { [0.0, 2.0, 0.0, 0.0] });
        }
    }
}
