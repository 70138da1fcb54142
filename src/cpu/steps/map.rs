//! One number at a time.

use super::{Backward, Forward, Gradient, Step};
use crate::float::Float;
use crate::kernels::simd::{Job, with_best};
use crate::layers::elementwise::Elementwise;

/// `y = f(x)`, number by number.
pub(crate) struct Map<F>(pub F);

impl<E: Float, F: Elementwise> Step<E> for Map<F> {
    fn forward(&self, at: Forward<'_, E>) {
        with_best(Values { f: self.0, x: at.input(), y: at.output });
    }

    fn backward(&self, mut at: Backward<'_, E>) {
        if let Some(dx) = at.d_input() {
            with_best(Slopes { f: self.0, x: at.input, y: at.output, dy: at.d_output, dx });
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
