//! One number at a time.

use super::{Backward, Forward, Step};
use crate::float::Float;
use crate::layers::elementwise::Elementwise;

/// `y = f(x)`, number by number.
pub(crate) struct Map<F>(pub F);

impl<E: Float, F: Elementwise> Step<E> for Map<F> {
    fn forward(&self, at: Forward<'_, E>) {
        let x = at.input();
        at.output.iter_mut().zip(x).for_each(|(y, &x)| *y = self.0.value(x));
    }

    fn backward(&self, mut at: Backward<'_, E>) {
        if let Some(mut dx) = at.d_input() {
            let pairs = at.input.iter().zip(at.output).zip(at.d_output);
            dx.put(pairs.map(|((&x, &y), &dy)| dy * self.0.slope(x, y)));
        }
    }
}
