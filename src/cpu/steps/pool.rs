//! The maximum or the mean of windows of an image.

use super::{Backward, Forward, Gradient, Step};
use crate::float::Float;
use crate::kernels::pool::LargestOfSquares;
use crate::kernels::simd::{Job, with_best};
use crate::kernels::windows::{Tiles, Windows};

/// What becomes of the pixels under a window.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Pooling {
    /// The largest; of equal ones the first takes the gradient.
    Max,
    /// The sum over the window's divisor.
    Mean,
}

/// One number for each window of each channel.
pub(crate) struct Pool {
    pub windows: Windows,
    pub pooling: Pooling,
}

/// The larger of two numbers; a NaN is larger than all, so that it is not lost.
#[inline(always)]
fn larger<E: Float>(a: E, b: E) -> E {
    let max = if b > a { b } else { a };
    if b.is_nan() { b } else { max }
}

impl Pool {
    fn pool<E: Float>(&self, x: &[E], y: &mut [E]) {
        let pooling = self.pooling;
        match self.windows.tiles {
            Some(tiles) if tiles.size == [2, 2] && pooling == Pooling::Max => LargestOfSquares { tiles, x, y }.run(),
            Some(tiles) if tiles.size[1] == 2 => with_best(PoolTiles::<E, 2> { tiles, pooling, x, y }),
            Some(tiles) if tiles.size[1] == 3 => with_best(PoolTiles::<E, 3> { tiles, pooling, x, y }),
            Some(tiles) if tiles.size[1] == 4 => with_best(PoolTiles::<E, 4> { tiles, pooling, x, y }),
            _ => self.pool_lists(x, y),
        }
    }

    /// Gives each window's gradient to the pixels that it sees; `left` has a place for each window of a row.
    fn share<E: Float>(&self, x: &[E], y: &[E], dy: &[E], left: &mut [E], dx: Gradient<'_, E>) {
        let pooling = self.pooling;
        // What does not fill registers is left over to branches, which are guessed wrong; lists have none.
        let fills = |tiles: &Tiles| pooling == Pooling::Mean || tiles.count[1] >= 16;
        match self.windows.tiles.filter(fills) {
            Some(tiles) if tiles.size[1] == 2 => with_best(ShareTiles::<E, 2> { tiles, pooling, x, y, dy, left, dx }),
            Some(tiles) if tiles.size[1] == 3 => with_best(ShareTiles::<E, 3> { tiles, pooling, x, y, dy, left, dx }),
            Some(tiles) if tiles.size[1] == 4 => with_best(ShareTiles::<E, 4> { tiles, pooling, x, y, dy, left, dx }),
            _ => self.share_lists(x, y, dy, dx),
        }
    }

    fn pool_lists<E: Float>(&self, x: &[E], y: &mut [E]) {
        for (x, y) in x.chunks_exact(self.windows.pixels).zip(y.chunks_exact_mut(self.windows.len())) {
            for (y, window) in y.iter_mut().zip(self.windows.iter()) {
                *y = match self.pooling {
                    Pooling::Max => window.pixels.iter().fold(E::neg_infinity(), |max, &p| larger(max, x[p as usize])),
                    Pooling::Mean => window.pixels.iter().fold(E::zero(), |sum, &p| sum + x[p as usize]) / E::of(window.divisor as f64),
                };
            }
        }
    }

    fn share_lists<E: Float>(&self, x: &[E], y: &[E], dy: &[E], mut dx: Gradient<'_, E>) {
        let images = x.chunks_exact(self.windows.pixels).zip(dx.accumulate().chunks_exact_mut(self.windows.pixels));
        let pooled = y.chunks_exact(self.windows.len()).zip(dy.chunks_exact(self.windows.len()));
        for ((x, dx), (y, dy)) in images.zip(pooled) {
            for ((&y, &dy), window) in y.iter().zip(dy).zip(self.windows.iter()) {
                match self.pooling {
                    // The first pixel as large as the largest takes all. Without a branch, which would be guessed wrong.
                    Pooling::Max => {
                        let mut left = dy;
                        for &p in window.pixels {
                            let taken = if x[p as usize] == y { left } else { E::zero() };
                            dx[p as usize] += taken;
                            left -= taken;
                        }
                    }
                    Pooling::Mean => {
                        let share = dy / E::of(window.divisor as f64);
                        window.pixels.iter().for_each(|&p| dx[p as usize] += share);
                    }
                }
            }
        }
    }
}

impl<E: Float> Step<E> for Pool {
    /// What is left of the gradient of a row of windows.
    fn scratch(&self) -> usize {
        self.windows.tiles.map_or(0, |tiles| tiles.count[1])
    }

    fn forward(&self, at: Forward<'_, E>) {
        self.pool(at.input(), at.output);
    }

    fn backward(&self, mut at: Backward<'_, E>) {
        if let Some(dx) = at.d_input() {
            self.share(at.input, at.output, at.d_output, at.scratch, dx);
        }
    }
}

/// Windows `N` pixels wide, side by side: a row of pixels after the other is taken into a row of windows, which lie in the
/// lanes. What a window sees, it sees in the same order as with lists.
struct PoolTiles<'a, E, const N: usize> {
    tiles: Tiles,
    pooling: Pooling,
    x: &'a [E],
    y: &'a mut [E],
}

impl<E: Float, const N: usize> Job for PoolTiles<'_, E, N> {
    #[inline(always)]
    fn run(self) {
        let Tiles { image: [height, width], size, count } = self.tiles;
        let images = self.x.chunks_exact(height * width).zip(self.y.chunks_exact_mut(count[0] * count[1]));
        for (x, y) in images {
            for (band, y) in x.chunks_exact(size[0] * width).zip(y.chunks_exact_mut(count[1])) {
                match self.pooling {
                    Pooling::Max => {
                        y.fill(E::neg_infinity());
                        band.chunks_exact(width).for_each(|x| take_largest::<E, N>(x, y));
                    }
                    Pooling::Mean => {
                        y.fill(E::zero());
                        band.chunks_exact(width).for_each(|x| add_all::<E, N>(x, y));
                        let divisor = E::of((size[0] * size[1]) as f64);
                        y.iter_mut().for_each(|y| *y /= divisor);
                    }
                }
            }
        }
    }
}

#[inline(always)]
fn take_largest<E: Float, const N: usize>(x: &[E], y: &mut [E]) {
    for (y, x) in y.iter_mut().zip(x.as_chunks::<N>().0) {
        for &x in x {
            *y = larger(*y, x);
        }
    }
}

#[inline(always)]
fn add_all<E: Float, const N: usize>(x: &[E], y: &mut [E]) {
    for (y, x) in y.iter_mut().zip(x.as_chunks::<N>().0) {
        for &x in x {
            *y += x;
        }
    }
}

/// The way back of [`PoolTiles`].
struct ShareTiles<'a, E, const N: usize> {
    tiles: Tiles,
    pooling: Pooling,
    x: &'a [E],
    y: &'a [E],
    dy: &'a [E],
    left: &'a mut [E],
    dx: Gradient<'a, E>,
}

impl<E: Float, const N: usize> Job for ShareTiles<'_, E, N> {
    #[inline(always)]
    fn run(self) {
        let Tiles { image: [height, width], size, count } = self.tiles;
        let Gradient { to: dx, mut add } = self.dx;
        if !add && self.tiles.leave_some() {
            dx.fill(E::zero());
            add = true;
        }
        let (pixels, windows, left) = (height * width, count[0] * count[1], &mut self.left[..count[1]]);
        let images = self.x.chunks_exact(pixels).zip(dx.chunks_exact_mut(pixels));
        let pooled = self.y.chunks_exact(windows).zip(self.dy.chunks_exact(windows));
        for ((x, dx), (y, dy)) in images.zip(pooled) {
            let bands = x.chunks_exact(size[0] * width).zip(dx.chunks_exact_mut(size[0] * width));
            let pooled = y.chunks_exact(count[1]).zip(dy.chunks_exact(count[1]));
            for ((x, dx), (y, dy)) in bands.zip(pooled) {
                let rows = x.chunks_exact(width).zip(dx.chunks_exact_mut(width));
                match self.pooling {
                    Pooling::Max => {
                        left.copy_from_slice(dy);
                        rows.for_each(|(x, dx)| give_largest::<E, N>(x, y, left, dx, add));
                    }
                    Pooling::Mean => {
                        let divisor = E::of((size[0] * size[1]) as f64);
                        left.iter_mut().zip(dy).for_each(|(left, &dy)| *left = dy / divisor);
                        rows.for_each(|(_, dx)| give_all::<E, N>(left, dx, add));
                    }
                }
            }
        }
    }
}

#[inline(always)]
fn give_largest<E: Float, const N: usize>(x: &[E], y: &[E], left: &mut [E], dx: &mut [E], add: bool) {
    let pixels = x.as_chunks::<N>().0.iter().zip(dx.as_chunks_mut::<N>().0);
    for ((x, dx), (&y, left)) in pixels.zip(y.iter().zip(left)) {
        for (&x, dx) in x.iter().zip(dx) {
            let taken = if x == y { *left } else { E::zero() };
            *dx = if add { *dx + taken } else { taken };
            *left -= taken;
        }
    }
}

#[inline(always)]
fn give_all<E: Float, const N: usize>(share: &[E], dx: &mut [E], add: bool) {
    for (dx, &share) in dx.as_chunks_mut::<N>().0.iter_mut().zip(share) {
        for dx in dx {
            *dx = if add { *dx + share } else { share };
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernels::geometry::Geometry;
    use proptest::prelude::*;

    /// Few different numbers, so that many are equal, and some that are none.
    fn numbers(len: usize) -> impl Strategy<Value = Vec<f32>> {
        prop::collection::vec((0usize..12).prop_map(|i| [f32::NAN, f32::NEG_INFINITY, -0.0, 0.0].get(i).copied().unwrap_or(i as f32 - 7.5)), len)
    }

    fn same(a: &[f32], b: &[f32]) -> bool {
        a.iter().zip(b).all(|(a, b)| a == b || a.is_nan() && b.is_nan())
    }

    proptest! {
        #[test]
        fn tiles_give_what_lists_give(
            (image, size, x, dy) in ([1usize..40, 1usize..40], [1usize..4, 1usize..6])
                .prop_map(|(image, size): ([usize; 2], [usize; 2])| ([0, 1].map(|axis| image[axis].max(size[axis])), size))
                .prop_flat_map(|(image, size)| (Just(image), Just(size), numbers(2 * image[0] * image[1]), numbers(2 * image[0] * image[1]))),
            add in any::<bool>(),
            mean in any::<bool>(),
        ) {
            let output = [0, 1].map(|axis| image[axis] / size[axis]);
            let geometry = Geometry { image, kernel: size, stride: size, padding: [0, 0], dilation: [1, 1], output };
            let tiles = Pool { windows: Windows::sliding(&geometry, false), pooling: if mean { Pooling::Mean } else { Pooling::Max } };
            let mut lists = Pool { windows: tiles.windows.clone(), pooling: tiles.pooling };
            prop_assert!(lists.windows.tiles.take().is_some());
            let dy = &dy[..2 * geometry.windows()];
            let [a, b] = [&tiles, &lists].map(|pool| {
                let (mut y, mut dx, mut left) = (vec![1.0; dy.len()], vec![0.5; x.len()], vec![1.0; output[1]]);
                pool.pool(&x, &mut y);
                pool.share(&x, &y, dy, &mut left, Gradient { to: &mut dx, add });
                [y, dx]
            });
            prop_assert!(same(&a[0], &b[0]) && same(&a[1], &b[1]), "{a:?} are not {b:?}");
        }
    }
}
