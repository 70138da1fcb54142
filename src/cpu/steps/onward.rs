//! Steps that are only taken forward.

use super::{Backward, Forward, Step};

/// A step of a network that is shown a sequence position by position, and so does not learn.
pub(crate) struct Onward<F>(pub F);

impl<E, F: Fn(Forward<'_, E>) + Send + Sync> Step<E> for Onward<F> {
    fn forward(&self, at: Forward<'_, E>) {
        (self.0)(at);
    }

    fn backward(&self, _: Backward<'_, E>) {
        unreachable!("nothing is learned position by position")
    }
}
