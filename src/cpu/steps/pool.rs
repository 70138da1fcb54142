//! The maximum or the mean of windows of an image.

use super::{Backward, Forward, Step};
use crate::float::Float;
use crate::kernels::windows::Windows;

/// What becomes of the pixels under a window.
#[derive(Clone, Copy, PartialEq, Eq)]
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
fn larger<E: Float>(a: E, b: E) -> E {
    if b > a || b.is_nan() { b } else { a }
}

impl<E: Float> Step<E> for Pool {
    fn forward(&self, at: Forward<'_, E>) {
        let images = at.input().chunks_exact(self.windows.pixels);
        for (x, y) in images.zip(at.output.chunks_exact_mut(self.windows.len())) {
            for (y, window) in y.iter_mut().zip(self.windows.iter()) {
                *y = match self.pooling {
                    Pooling::Max => window.pixels.iter().fold(E::neg_infinity(), |max, &p| larger(max, x[p as usize])),
                    Pooling::Mean => window.pixels.iter().fold(E::zero(), |sum, &p| sum + x[p as usize]) / E::of(window.divisor as f64),
                };
            }
        }
    }

    fn backward(&self, mut at: Backward<'_, E>) {
        let Some(mut dx) = at.d_input() else { return };
        let images = at.input.chunks_exact(self.windows.pixels).zip(dx.accumulate().chunks_exact_mut(self.windows.pixels));
        let pooled = at.output.chunks_exact(self.windows.len()).zip(at.d_output.chunks_exact(self.windows.len()));
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
