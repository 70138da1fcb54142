//! What the steps of a plan do, on slices.
//!
//! A step works on some samples at a time: every slice of values holds those samples, one behind the other. Steps that
//! several layers share have a file each; what only one layer does stands in the layer's own file.

mod attend;
mod by_tap;
mod conv;
mod dense;
mod gather;
mod join;
mod level;
mod map;
mod normalize;
mod onward;
mod pointwise;
mod pool;
mod stack;
pub(crate) mod wide;
mod winograd;

pub(crate) use attend::{Attend, Heads, Operand};
pub(crate) use conv::{Bank, Conv, ConvTranspose, Filters};
pub(crate) use dense::Dense;
pub(crate) use gather::Gather;
pub(crate) use join::{Add, Concat, Copy, Part};
pub(crate) use map::{Map, number_by_number};
pub(crate) use normalize::Normalize;
pub(crate) use onward::Onward;
pub(crate) use pool::{Pool, Pooling};
pub(crate) use stack::{ConvStage, Layer, Levels, Stack, Stage};

use crate::float::Float;
use crate::kernels::simd::{Job, with_best};
use crate::learn::RankOne;
use crate::noise::Noise;
use crate::types::Slot;
use core::ops::Range;

/// The most values that a step reads: the value that layers work on, and all that can be beside it.
pub(crate) const MAX_INPUTS: usize = 1 + Slot::ALL.len();

/// One step of a plan.
pub(crate) trait Step<E>: Send + Sync {
    /// How many numbers of scratch space the step wants, however many samples it is given.
    fn scratch(&self) -> usize {
        0
    }

    /// How many numbers for each sample the way forward leaves for the way back.
    fn saved(&self) -> usize {
        0
    }

    /// How many heads, queries and keys there are, if what is left for the way back are the weights of attention.
    fn attention(&self) -> Option<[usize; 3]> {
        None
    }

    /// How many samples it should be given at a time: with less it is slower.
    fn efficient(&self) -> usize {
        1
    }

    /// Whether several threads can share out what the step does, however many samples there are.
    fn is_shared_out(&self) -> bool {
        false
    }

    /// Which of its layer's parameters the step learns.
    fn learns(&self, params: usize) -> Vec<Range<usize>> {
        core::iter::once(0..params).collect()
    }

    /// How the gradients of all that the step learns are computed for the whole batch at once, if they can be: that pays where there
    /// are many parameters and few numbers to sum over.
    fn deferred(&self) -> Option<&dyn Deferred<E>> {
        None
    }

    /// How many numbers the step makes of its layer's parameters before a batch of many chunks.
    fn prepared(&self) -> usize {
        0
    }

    /// Makes them; those that nothing but the gradient of an input needs, only if one is wanted.
    fn prepare(&self, _params: &[E], _goes_back: bool, _prepared: &mut [E]) {}

    /// Writes the output.
    fn forward(&self, at: Forward<'_, E>);

    /// Adds to the gradients of the parameters, unless they are deferred, and writes or adds to those of the inputs.
    fn backward(&self, at: Backward<'_, E>);

    /// How the step looks at the whole batch, if it does.
    fn whole_batch(&self) -> Option<&dyn WholeBatch<E>> {
        None
    }
}

/// A step whose parameters' gradients are computed when all samples have gone back.
pub(crate) trait Deferred<E> {
    /// How many parameters one row of those that begin at `first` has; blocks are made of whole rows.
    fn row(&self, first: usize) -> usize;

    /// Writes the gradients of some of the layer's parameters, whole rows, from the whole batch's input and the gradient of its
    /// output.
    fn gradients(&self, params: Range<usize>, input: &[E], d_output: &[E], gradients: &mut [E]);

    /// The same as a column and a row whose product they are, if the batch is that small.
    fn rank_one<'a>(&self, params: Range<usize>, input: &'a [E], d_output: &'a [E]) -> Option<RankOne<'a, E>>;
}

/// A step that in training has to know something of all samples of the batch before it can go on with any. What it knows is
/// a few numbers: a chunk's share in them is written next to the chunk, and the shares are then merged in order.
pub(crate) trait WholeBatch<E> {
    /// How many numbers it has to know, on both ways together.
    fn numbers(&self) -> usize;

    /// Writes a chunk's share, on the way forward.
    fn observe(&self, samples: usize, input: &[E], share: &mut [E]);

    /// Merges the share of `samples` samples into what is known of `before` others.
    fn merge(&self, before: usize, samples: usize, share: &[E], known: &mut [E]);

    /// Takes what is known of a batch of `samples` samples into the buffers.
    fn remember(&self, samples: usize, known: &[E], buffers: &mut [E]);

    /// Writes a chunk's share, on the way back.
    fn observe_back(&self, at: Observed<'_, E>, share: &mut [E]);

    /// Merges a share of the way back; `first` begins.
    fn merge_back(&self, first: bool, share: &[E], known: &mut [E]);
}

/// What a step that looks at the whole batch sees of a chunk on the way back.
pub(crate) struct Observed<'a, E> {
    pub input: &'a [E],
    pub d_output: &'a [E],
    /// What is known from the way forward.
    pub batch: Known<'a, E>,
}

/// What a step knows of the whole batch.
#[derive(Clone, Copy)]
pub(crate) struct Known<'a, E> {
    /// How many samples the batch has.
    pub samples: usize,
    pub numbers: &'a [E],
    /// Whether these samples are the ones that add up what is known of all, on the way back.
    pub is_first: bool,
}

/// What a step has at hand on the way forward.
pub(crate) struct Forward<'a, E> {
    /// How many samples there are.
    pub samples: usize,
    /// The inputs; most steps have one.
    pub inputs: [&'a [E]; MAX_INPUTS],
    pub params: &'a [E],
    /// What the step has made of them, if it has.
    pub prepared: &'a [E],
    pub buffers: &'a [E],
    pub output: &'a mut [E],
    pub saved: &'a mut [E],
    pub scratch: &'a mut [E],
    /// Random numbers, in training only, and the number of the first sample in the batch.
    pub noise: Option<(Noise, usize)>,
    /// In training, for steps that look at the whole batch.
    pub batch: Option<Known<'a, E>>,
    /// How many threads the step may use, if chunks are not shared out: then it cuts up its work, in the same way for any
    /// number of them.
    pub threads: Option<usize>,
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
    /// All inputs.
    pub inputs: [&'a [E]; MAX_INPUTS],
    /// The output, and the gradient of the loss with respect to it.
    pub output: &'a [E],
    pub d_output: &'a [E],
    pub params: &'a [E],
    /// What the step has made of them, if it has.
    pub prepared: &'a [E],
    pub buffers: &'a [E],
    /// Empty where they are deferred.
    pub d_params: &'a mut [E],
    /// The gradients of the inputs, where anybody wants them.
    pub d_inputs: [Option<Gradient<'a, E>>; MAX_INPUTS],
    pub saved: &'a [E],
    pub scratch: &'a mut [E],
    pub noise: Option<(Noise, usize)>,
    pub batch: Option<Known<'a, E>>,
    pub threads: Option<usize>,
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

    /// The same with numbers that lie there.
    pub(crate) fn put_all(&mut self, numbers: &[E]) {
        if self.add { with_best(AddTo { to: self.to, numbers }) } else { self.to.copy_from_slice(numbers) }
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

struct AddTo<'a, E> {
    to: &'a mut [E],
    numbers: &'a [E],
}

impl<E: Float> Job for AddTo<'_, E> {
    #[inline(always)]
    fn run(self) {
        self.to.iter_mut().zip(self.numbers).for_each(|(to, &x)| *to += x);
    }
}
