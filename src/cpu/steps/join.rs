//! Several values as one, and one as several.

use super::{Backward, Forward, Gradient, Step};
use crate::float::Float;
use crate::kernels::simd::{Job, with_best};

/// `y = a + b`.
pub(crate) struct Add;

impl<E: Float> Step<E> for Add {
    fn forward(&self, at: Forward<'_, E>) {
        let [a, b, ..] = at.inputs;
        with_best(Sum { a, b, y: at.output });
    }

    fn backward(&self, at: Backward<'_, E>) {
        for mut dx in at.d_inputs.into_iter().flatten() {
            dx.put_all(at.d_output);
        }
    }
}

struct Sum<'a, E> {
    a: &'a [E],
    b: &'a [E],
    y: &'a mut [E],
}

impl<E: Float> Job for Sum<'_, E> {
    #[inline(always)]
    fn run(self) {
        self.y.iter_mut().zip(self.a.iter().zip(self.b)).for_each(|(y, (&a, &b))| *y = a + b);
    }
}

/// `y = x`.
pub(crate) struct Copy;

impl<E: Float> Step<E> for Copy {
    fn forward(&self, at: Forward<'_, E>) {
        at.output.copy_from_slice(at.inputs[0]);
    }

    fn backward(&self, mut at: Backward<'_, E>) {
        if let Some(mut dx) = at.d_input() {
            dx.put_all(at.d_output);
        }
    }
}

/// The inputs one behind the other, sample by sample; `parts` is how many numbers each has.
pub(crate) struct Concat {
    pub parts: Vec<usize>,
}

impl<E: Float> Step<E> for Concat {
    fn forward(&self, at: Forward<'_, E>) {
        let width: usize = self.parts.iter().sum();
        let mut begin = 0;
        for (&part, input) in self.parts.iter().zip(at.inputs) {
            for (y, x) in at.output.chunks_exact_mut(width).zip(input.chunks_exact(part)) {
                y[begin..begin + part].copy_from_slice(x);
            }
            begin += part;
        }
    }

    fn backward(&self, at: Backward<'_, E>) {
        let width: usize = self.parts.iter().sum();
        let mut begin = 0;
        for (&part, dx) in self.parts.iter().zip(at.d_inputs) {
            if let Some(Gradient { to, add }) = dx {
                for (to, dy) in to.chunks_exact_mut(part).zip(at.d_output.chunks_exact(width)) {
                    Gradient { to, add }.put_all(&dy[begin..begin + part]);
                }
            }
            begin += part;
        }
    }
}

/// Some numbers of each sample, from `begin` on.
pub(crate) struct Part {
    pub begin: usize,
    pub numel: usize,
    /// How many numbers a sample of the input has.
    pub width: usize,
}

impl<E: Float> Step<E> for Part {
    fn forward(&self, at: Forward<'_, E>) {
        for (y, x) in at.output.chunks_exact_mut(self.numel).zip(at.inputs[0].chunks_exact(self.width)) {
            y.copy_from_slice(&x[self.begin..self.begin + self.numel]);
        }
    }

    fn backward(&self, mut at: Backward<'_, E>) {
        let Some(mut dx) = at.d_input() else { return };
        for (dx, dy) in dx.accumulate().chunks_exact_mut(self.width).zip(at.d_output.chunks_exact(self.numel)) {
            dx[self.begin..self.begin + self.numel].iter_mut().zip(dy).for_each(|(dx, &dy)| *dx += dy);
        }
    }
}
