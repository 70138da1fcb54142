//! Sums over the ranks of a group, differentiated.

use crate::engine::Flat;
use crate::float::Float;
use crate::group::{Group, Share};
use core::mem::swap;
use dfdx::prelude::{Backward, SumTo, Trace, TryMul};
use dfdx::shapes::Rank0;
use dfdx::tensor::{PutTape, SplitTape, Tape};
use dfdx::tensor_ops::Device;
use std::rc::Rc;

/// The batch that batch normalization looks at, where ranks have a share of it each.
pub(crate) struct OverRanks {
    group: Rc<dyn Group>,
    /// How many samples all of them have.
    samples: usize,
    /// Whether this rank has none. It runs the network all the same, on a sample of zeros, since the others wait for its sums;
    /// and what it gives to them is zero.
    is_empty: bool,
}

impl OverRanks {
    /// None where batch normalization looks at the samples of its rank alone.
    pub fn of(share: &Share<'_>) -> Option<Self> {
        share.normalized_over().map(|group| OverRanks { group: group.handle(), samples: share.batch, is_empty: share.is_empty() })
    }

    /// How many samples all ranks have.
    pub fn samples(&self) -> usize {
        self.samples
    }

    /// The sums of some numbers over all ranks. A number here is in the sums of all, so its gradient is the sum of theirs.
    ///
    /// # Errors
    /// Those of the device.
    pub fn sum<E: Float, D: Device<E>, T: Tape<E, D>>(&self, x: Flat<E, D, T>) -> Result<Flat<E, D, T>, D::Err> {
        let (x, mut tape) = x.split_tape();
        let sums = added(&self.group, self.is_empty, &x)?;
        let (of_sums, group, is_empty) = (sums.clone(), Rc::clone(&self.group), self.is_empty);
        tape.add_backward_op(move |gradients| {
            gradients.try_alloc_for(&of_sums)?;
            let d_sums = added(&group, is_empty, &gradients.get(&of_sums))?;
            // dfdx lends a place for the gradient of `x`, and no way to write numbers there. But it writes to the gradient of what is
            // multiplied by them. The place is empty before, as nothing else is made of `x`.
            let one = x.device().try_ones_like(&x)?;
            let mut others = one.leaky_trace().try_mul(d_sums)?.try_sum::<Rank0, _>()?.try_backward()?;
            swap(gradients.get_or_alloc_mut(&x)?, others.get_or_alloc_mut(&one)?);
            Ok(())
        });
        Ok(sums.put_tape(tape))
    }
}

/// The sums over all ranks, to which one without samples adds nothing.
fn added<E: Float, D: Device<E>>(group: &Rc<dyn Group>, is_empty: bool, x: &Flat<E, D>) -> Result<Flat<E, D>, D::Err> {
    let mut numbers = x.as_vec();
    if is_empty {
        numbers.fill(E::zero());
    }
    E::sum_over(&**group, &mut numbers);
    let shape = (numbers.len(),);
    x.device().try_tensor_from_vec(numbers, shape)
}
