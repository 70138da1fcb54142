//! Tensors whose shape is a value, and what a layer finds where it stands.

use super::ranks::OverRanks;
use crate::engine::{AttentionMap, Flat};
use crate::float::Float;
use crate::noise::Noise;
use crate::types::Dims;
use core::cell::RefCell;
use core::marker::PhantomData;
use dfdx::prelude::{PermuteTo, ReshapeTo, TryConcatAlong, TryMul};
use dfdx::shapes::{Axes2, Axis, Shape};
use dfdx::tensor::{NoneTape, PutTape, SplitTape, Tape, Tensor};
use dfdx::tensor_ops::{Device, GatherTo};
use std::sync::{Arc, OnceLock};

/// Which numbers to gather, on a device.
pub type Index<D> = Tensor<(usize,), usize, D>;

/// A batch on a device, on a tape or not: numbers in a row, and the shape of a sample as a value.
///
/// Layers look at it as a dfdx tensor of `usize` sizes, `[samples, ..]`, which costs nothing.
#[derive(Clone, Debug)]
pub struct Var<E: Float, D: Device<E>, T = NoneTape> {
    data: Flat<E, D, T>,
    samples: usize,
    dims: Dims,
}

impl<E: Float, D: Device<E>, T: Tape<E, D>> Var<E, D, T> {
    /// A batch of `samples` samples of shape `dims`.
    ///
    /// # Errors
    /// Those of the device, where the tensor has to be copied for its numbers to follow one another.
    pub fn new<S: Shape>(data: Tensor<S, E, D, T>, samples: usize, dims: Dims) -> Result<Self, D::Err> {
        let data = data.try_reshape_like(&(samples * dims.numel(),))?;
        Ok(Var { data, samples, dims })
    }

    /// How many samples there are.
    pub fn samples(&self) -> usize {
        self.samples
    }

    /// The shape of a sample.
    pub fn dims(&self) -> Dims {
        self.dims
    }

    /// The device it is on.
    pub fn device(&self) -> &D {
        self.data.device()
    }

    /// The numbers as a tensor of this shape, which has as many.
    ///
    /// # Errors
    /// Those of the device.
    pub fn view<S: Shape>(self, shape: &S) -> Result<Tensor<S, E, D, T>, D::Err> {
        self.data.try_reshape_like(shape)
    }

    /// The numbers in a row.
    pub fn flat(self) -> Flat<E, D, T> {
        self.data
    }

    /// The same numbers as samples of another shape.
    pub fn with_dims(mut self, dims: Dims) -> Self {
        debug_assert_eq!(self.dims.numel(), dims.numel());
        self.dims = dims;
        self
    }

    /// The same batch for a second use, with a tape of its own that is joined with this one's where they meet.
    pub fn fork(&self) -> Self {
        Var { data: self.data.retaped(), ..*self }
    }

    /// `f` of the numbers, for layers that keep the shape.
    ///
    /// # Errors
    /// Those of the device.
    pub fn map(self, f: impl FnOnce(Flat<E, D, T>) -> Result<Flat<E, D, T>, D::Err>) -> Result<Self, D::Err> {
        Ok(Var { data: f(self.data)?, ..self })
    }

    /// Gathers numbers of each sample: `[Z, B]`, where row `z` holds number `index[z]` of every sample. The number behind
    /// the last one is `padding`.
    ///
    /// # Errors
    /// Those of the device.
    pub fn gather(self, index: Index<D>, padding: E) -> Result<Tensor<(usize, usize), E, D, T>, D::Err> {
        let (samples, numel) = (self.samples, self.dims.numel());
        let row = self.device().try_tensor_from_vec(vec![padding; samples], (1usize, samples))?;
        let columns = self.view(&(samples, numel))?.try_permute::<(usize, usize), Axes2<1, 0>>()?; // [N, B]
        (columns.try_contiguous()?, row).try_concat_along(Axis::<0>)?.try_gather(index) // [N + 1, B] -> [Z, B]
    }
}

impl<E: Float, D: Device<E>, T: Tape<E, D>> Var<E, D, T> {
    /// The numbers of each sample from `begin` on, as a sample of shape `dims`.
    ///
    /// # Errors
    /// Those of the device.
    pub fn columns(self, begin: usize, dims: Dims) -> Result<Self, D::Err> {
        let (samples, numel) = (self.samples, self.dims.numel());
        let part: Tensor<(usize, usize), E, D, T> = self.view(&(samples, numel))?.try_slice((0..samples, begin..begin + dims.numel()))?;
        Var::new(part, samples, dims)
    }

    /// The numbers of each sample, and behind them those of the same sample of `other`.
    ///
    /// # Errors
    /// Those of the device.
    pub fn beside(self, other: Self) -> Result<Self, D::Err> {
        let (samples, p, q) = (self.samples, self.dims.numel(), other.dims.numel());
        // Another tensor, even where both are one: a gradient cannot be borrowed twice.
        let parts = (self.view(&(samples, p))?, another(other.view(&(samples, q))?)?);
        Var::new(parts.try_concat_along(Axis::<1>)?, samples, Dims::new(&[p + q]))
    }

    /// The same batch with a history that begins anew.
    pub(crate) fn forgetting(self) -> Self {
        Var { data: self.data.split_tape().0.put_tape(T::default()), ..self }
    }

    /// Takes over the history of `other`, which begins anew: both can then be used without one being forgotten.
    pub(crate) fn absorb(self, other: Self) -> (Self, Self) {
        let (x, tape) = self.data.split_tape();
        let (y, history) = other.data.split_tape();
        (Var { data: x.put_tape(tape.merge(history)), ..self }, Var { data: y.put_tape(T::default()), samples: other.samples, dims: other.dims })
    }
}

/// The same numbers as another tensor. dfdx finds gradients by a tensor's id, and a clone keeps it; a product has its own.
pub(crate) fn another<S: Shape, E: Float, D: Device<E>, T: Tape<E, D>>(x: Tensor<S, E, D, T>) -> Result<Tensor<S, E, D, T>, D::Err> {
    x.try_mul(E::one())
}

/// The same numbers without their history, so that nothing that is made of them is differentiated through them; and the
/// tensor itself.
pub(crate) fn detached<S: Shape, E: Float, D: Device<E>, T: Tape<E, D>>(
    x: Tensor<S, E, D, T>,
) -> Result<(Tensor<S, E, D>, Tensor<S, E, D, T>), D::Err> {
    let (x, tape) = x.split_tape();
    Ok((another(x.clone())?, x.put_tape(tape)))
}

/// Buffers that layers have written on a way through the network: which, and what is in them now.
pub(crate) type Written<E, D> = RefCell<Vec<(usize, Flat<E, D>)>>;

/// Weights of attention that layers have shown, in order.
pub(crate) type Shown<E> = RefCell<Vec<AttentionMap<E>>>;

/// What a layer finds where it stands in a network: its parameters and buffers, its random numbers, and a place for an index
/// that is computed once.
pub struct Site<'a, E: Float, D: Device<E>, T> {
    pub(crate) params: &'a [Flat<E, D>],
    pub(crate) buffers: &'a [Flat<E, D>],
    /// Where the layer's buffers begin among those of the network, and what has been written.
    pub(crate) written: Option<(usize, &'a Written<E, D>)>,
    /// Where weights of attention are shown, if anybody looks.
    pub(crate) shown: Option<&'a Shown<E>>,
    pub(crate) noise: Option<(Noise, usize)>,
    /// The batch beyond the samples that are here, for what looks at all of it.
    pub(crate) ranks: Option<&'a OverRanks>,
    pub(crate) index: &'a Arc<OnceLock<Index<D>>>,
    pub(crate) device: &'a D,
    pub(crate) tape: PhantomData<T>,
}

impl<E: Float, D: Device<E>, T: Tape<E, D>> Site<'_, E, D, T> {
    /// The layer's parameter number `i`, on the tape, as a tensor of this shape.
    ///
    /// # Errors
    /// Those of the device.
    pub fn param<S: Shape>(&self, i: usize, shape: &S) -> Result<Tensor<S, E, D, T>, D::Err> {
        self.params[i].retaped::<T>().try_reshape_like(shape)
    }

    /// The layer's parameter number `i` as a field of a dfdx module, which has no tape: that the parameter is learned, the tape of
    /// `x` knows, which comes back.
    ///
    /// # Errors
    /// Those of the device.
    pub fn lend<S: Shape>(&self, i: usize, shape: &S, x: Var<E, D, T>) -> Result<(Tensor<S, E, D>, Var<E, D, T>), D::Err> {
        let (param, history) = self.param(i, shape)?.split_tape();
        let (data, tape) = x.data.split_tape();
        Ok((param, Var { data: data.put_tape(tape.merge(history)), ..x }))
    }

    /// The layer's buffer number `i`; it has no gradient.
    pub(crate) fn buffer(&self, i: usize) -> Flat<E, D> {
        self.buffers[i].clone()
    }

    /// Writes a buffer, for the passes behind this one.
    pub(crate) fn write_buffer(&self, i: usize, numbers: Flat<E, D>) {
        if let Some((first, written)) = self.written {
            written.borrow_mut().push((first + i, numbers));
        }
    }

    /// Shows weights of attention, of so many heads, queries and keys, to whoever looks.
    pub(crate) fn show(&self, [heads, queries, keys]: [usize; 3], weights: impl FnOnce() -> Vec<E>) {
        if let Some(shown) = self.shown {
            shown.borrow_mut().push(AttentionMap { heads, queries, keys, weights: weights() });
        }
    }

    /// Whether the network is being trained.
    pub fn is_training(&self) -> bool {
        self.noise.is_some()
    }

    /// The layer's random numbers, and which sample of the batch the first one here is: number `i` of sample `s` takes the
    /// random number at `(first + s) * numel + i`, and then every engine draws the same. `None` when the network is not
    /// being trained.
    pub fn noise(&self) -> Option<(Noise, usize)> {
        self.noise
    }

    /// Numbers on the device.
    ///
    /// # Errors
    /// Those of the device.
    pub fn constant<S: Shape>(&self, numbers: Vec<E>, shape: S) -> Result<Tensor<S, E, D>, D::Err> {
        self.device.try_tensor_from_vec(numbers, shape)
    }

    /// An index on the device, computed the first time it is asked for; a layer has one.
    ///
    /// # Errors
    /// Those of the device.
    pub fn index(&self, compute: impl FnOnce() -> Vec<usize>) -> Result<Index<D>, D::Err> {
        if let Some(index) = self.index.get() {
            return Ok(index.clone());
        }
        let index = compute();
        let shape = (index.len(),);
        let index = self.device.try_tensor_from_vec(index, shape)?;
        Ok(self.index.get_or_init(|| index).clone())
    }
}
