//! One number at a time.

use super::{Backward, Forward, Gradient, Step};
use crate::cpu::pieces::in_pieces;
use crate::float::Float;
use crate::kernels::simd::{Job, with_best};
use crate::layers::elementwise::Elementwise;

/// `y = f(x)`, number by number.
pub(crate) struct Map<F>(pub F);

/// Calls `work` with pieces of numbers, and where they begin, on up to `threads` threads; with `None` on this one.
pub(crate) fn number_by_number<E: Float>(threads: Option<usize>, numbers: &mut [E], work: &(dyn Fn(usize, &mut [E]) + Sync)) {
    const WORTH: usize = 16 * 1024;
    match threads {
        Some(threads) => in_pieces(threads, numbers, WORTH, work),
        None => work(0, numbers),
    }
}

impl<E: Float, F: Elementwise> Step<E> for Map<F> {
    fn is_shared_out(&self) -> bool {
        true
    }

    fn forward(&self, at: Forward<'_, E>) {
        let x = at.input();
        number_by_number(at.threads, at.output, &|first, y| with_best(Values { f: self.0, x: &x[first..], y }));
    }

    fn backward(&self, mut at: Backward<'_, E>) {
        let (x, y, dy) = (at.input, at.output, at.d_output);
        if let Some(Gradient { to, add }) = at.d_input() {
            number_by_number(at.threads, to, &|first, to| {
                let dx = Gradient { to, add };
                with_best(Slopes { f: self.0, x: &x[first..], y: &y[first..], dy: &dy[first..], dx });
            });
        }
    }
}

struct Values<'a, E, F> {
    f: F,
    x: &'a [E],
    y: &'a mut [E],
}

impl<E: Float, F: Elementwise> Job for Values<'_, E, F> {
    #[inline(always)]
    fn run(self) {
        for (y, &x) in self.y.iter_mut().zip(self.x) {
            *y = self.f.value(x);
        }
    }
}

struct Slopes<'a, E, F> {
    f: F,
    x: &'a [E],
    y: &'a [E],
    dy: &'a [E],
    dx: Gradient<'a, E>,
}

impl<E: Float, F: Elementwise> Job for Slopes<'_, E, F> {
    #[inline(always)]
    fn run(self) {
        let add = self.dx.add;
        for (((dx, &x), &y), &dy) in self.dx.to.iter_mut().zip(self.x).zip(self.y).zip(self.dy) {
            let before = if add { *dx } else { E::zero() };
            *dx = before + dy * self.f.slope(x, y);
        }
    }
}
