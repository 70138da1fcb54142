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

/// The first largest pixel under a window. A NaN is larger than all, so that it is not lost.
fn winner<E: Float>(image: &[E], pixels: &[u32]) -> usize {
    let mut best = pixels[0] as usize;
    for &pixel in &pixels[1..] {
        let x = image[pixel as usize];
        if x > image[best] || (x.is_nan() && !image[best].is_nan()) {
            best = pixel as usize;
        }
    }
    best
}

impl<E: Float> Step<E> for Pool {
    fn forward(&self, at: Forward<'_, E>) {
        let images = at.input().chunks_exact(self.windows.pixels);
        for (x, y) in images.zip(at.output.chunks_exact_mut(self.windows.len())) {
            for (y, window) in y.iter_mut().zip(self.windows.iter()) {
                *y = match self.pooling {
                    Pooling::Max => x[winner(x, window.pixels)],
                    Pooling::Mean => window.pixels.iter().fold(E::zero(), |sum, &p| sum + x[p as usize]) / E::of(window.divisor as f64),
                };
            }
        }
    }

    fn backward(&self, mut at: Backward<'_, E>) {
        let Some(mut dx) = at.d_input() else { return };
        let images = at.input.chunks_exact(self.windows.pixels).zip(dx.accumulate().chunks_exact_mut(self.windows.pixels));
        for ((x, dx), dy) in images.zip(at.d_output.chunks_exact(self.windows.len())) {
            for (&dy, window) in dy.iter().zip(self.windows.iter()) {
                match self.pooling {
                    Pooling::Max => dx[winner(x, window.pixels)] += dy,
                    Pooling::Mean => {
                        let share = dy / E::of(window.divisor as f64);
                        window.pixels.iter().for_each(|&p| dx[p as usize] += share);
                    }
                }
            }
        }
    }
}
