//! What the steps of a plan do, on slices.
//!
//! A step works on some samples at a time: every slice of values holds those samples, one behind the other. Steps that
//! several layers share have a file each; what only one layer does stands in the layer's own file.

mod conv;
mod dense;
mod gather;
mod join;
mod map;
mod pool;

pub(crate) use conv::{Conv, ConvTranspose, Filters};
pub(crate) use dense::Dense;
pub(crate) use gather::Gather;
pub(crate) use join::{Add, Concat, Copy};
pub(crate) use map::Map;
pub(crate) use pool::{Pool, Pooling};

use crate::float::Float;
use crate::noise::Noise;

/// One step of a plan.
pub(crate) trait Step<E>: Send + Sync {
    /// How many numbers of scratch space the step wants, however many samples it is given.
    fn scratch(&self) -> usize {
        0
    }

    /// Writes the output.
    fn forward(&self, at: Forward<'_, E>);

    /// Adds to the gradients of the parameters, and writes or adds to those of the inputs.
    fn backward(&self, at: Backward<'_, E>);
}

/// What a step has at hand on the way forward.
pub(crate) struct Forward<'a, E> {
    /// How many samples there are.
    pub samples: usize,
    /// The inputs; most steps have one.
    pub inputs: [&'a [E]; 2],
    pub params: &'a [E],
    pub output: &'a mut [E],
    pub scratch: &'a mut [E],
    /// Random numbers, in training only, and the number of the first sample in the batch.
    pub noise: Option<(Noise, usize)>,
}

impl<'a, E> Forward<'a, E> {
    pub(crate) fn input(&self) -> &'a [E] {
        self.inputs[0]
    }
}

/// What a step has at hand on the way back.
pub(crate) struct Backward<'a, E> {
    /// How many samples there are.
    pub samples: usize,
    /// The first input.
    pub input: &'a [E],
    /// The output, and the gradient of the loss with respect to it.
    pub output: &'a [E],
    pub d_output: &'a [E],
    pub params: &'a [E],
    pub d_params: &'a mut [E],
    /// The gradients of the inputs, where anybody wants them.
    pub d_inputs: [Option<Gradient<'a, E>>; 2],
    pub scratch: &'a mut [E],
    pub noise: Option<(Noise, usize)>,
}

impl<'a, E> Backward<'a, E> {
    /// The gradient of the only input.
    pub(crate) fn d_input(&mut self) -> Option<Gradient<'a, E>> {
        self.d_inputs[0].take()
    }
}

/// A gradient to be written, or added to where another step has begun it.
pub(crate) struct Gradient<'a, E> {
    pub to: &'a mut [E],
    pub add: bool,
}

impl<E: Float> Gradient<'_, E> {
    /// Writes or adds numbers, one for each place.
    pub(crate) fn put(&mut self, numbers: impl Iterator<Item = E>) {
        if self.add {
            self.to.iter_mut().zip(numbers).for_each(|(to, x)| *to += x);
        } else {
            self.to.iter_mut().zip(numbers).for_each(|(to, x)| *to = x);
        }
    }

    /// The places, to be added to: cleared first where nothing is there yet.
    pub(crate) fn accumulate(&mut self) -> &mut [E] {
        if !self.add {
            self.to.fill(E::zero());
            self.add = true;
        }
        self.to
    }
}
