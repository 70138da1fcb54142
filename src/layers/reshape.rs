//! The same numbers in another shape.

use super::Leaf;
use crate::cpu::{Planner, Value};
use crate::float::Float;
use crate::gpu;
use crate::onnx::{Graph, Samples, Tensor};
use crate::portable::{Site, Var};
use crate::types::{Dims, Label, Layer, Message, Param, Plain, Problem, Reach, Spec};
use core::marker::PhantomData;
use dfdx::tensor::Tape;
use dfdx::tensor_ops::Device;

/// All numbers of a sample in a row, the last dimension running fastest.
///
/// # Shapes
/// `[A, B, ..] -> [A B ..]`
///
/// # Examples
/// ```
/// use formwork::prelude::*;
///
/// #[network([32, 4, 4] => [512])]
/// type Features = Flatten;
/// ```
///
/// PyTorch's `nn.Flatten`.
#[derive(Clone, Copy, Debug, Default)]
pub struct Flatten;

/// The numbers of a sample in the shape `S`, which has as many.
///
/// # Shapes
/// Any shape of as many numbers `-> S`
///
/// # Examples
/// ```
/// use formwork::prelude::*;
///
/// #[network([10] => [8, 4, 4])]
/// type Decoder = (Linear<10, 128>, Reshape<Rank3<8, 4, 4>>);
/// ```
///
/// PyTorch's `nn.Unflatten` and `Tensor.reshape`.
pub struct Reshape<S>(PhantomData<fn() -> S>);

impl Layer for Flatten {
    const SPEC: &'static Spec = &Spec::Leaf(Leaf::Reshape(ReshapeSpec { to: None }));
}

impl<S: Plain> Layer for Reshape<S> {
    const SPEC: &'static Spec = &Spec::Leaf(Leaf::Reshape(ReshapeSpec { to: Some(S::PARTS.x) }));
}

/// What a [`Reshape`] or, without a shape, a [`Flatten`] is.
#[derive(Clone, Copy, Debug)]
pub struct ReshapeSpec {
    to: Option<Dims>,
}

impl ReshapeSpec {
    /// `Flatten` or `Reshape<A, B, ..>`.
    pub const fn label(&self) -> Label {
        match &self.to {
            None => Label::new("Flatten", &[]),
            Some(dims) => Label::new("Reshape", dims.sizes()),
        }
    }

    /// Keeps how many numbers there are.
    pub const fn infer(&self, x: Dims) -> Result<Dims, Problem> {
        match self.to {
            None => Ok(Dims::new(&[x.numel()])),
            Some(dims) if dims.numel() == x.numel() => Ok(dims),
            Some(dims) => {
                let message = Message::new("makes ").dims(dims).str(" of ").num(dims.numel()).str(" numbers, but is given ");
                Err(Problem::new(message.num(x.numel()).str(": ").dims(x)))
            }
        }
    }

    /// None.
    pub const fn param(&self, _i: usize) -> Option<Param> {
        None
    }

    /// None.
    pub const fn flops(&self, _x: Dims, _y: Dims) -> usize {
        0
    }

    /// The same number.
    pub const fn reach(&self) -> Reach {
        Reach::Point
    }

    pub(crate) fn portable<E: Float, D: Device<E>, T: Tape<E, D>>(
        &self,
        _site: &Site<'_, E, D, T>,
        x: Var<E, D, T>,
        y: Dims,
    ) -> Result<Var<E, D, T>, D::Err> {
        Ok(x.with_dims(y))
    }

    pub(crate) fn onnx(&self, graph: &mut Graph, x: Samples, y: Dims) -> Tensor {
        graph.reshape_samples(x.tensor, y.sizes())
    }

    /// No step: the value is looked at in another way.
    pub(crate) fn plan<E: Float>(&self, _planner: &mut Planner<E>, x: Value, y: Dims) -> Value {
        x.with_dims(y)
    }

    pub(crate) fn fused(&self, _planner: &mut gpu::Planner, x: gpu::Value, y: Dims) -> Option<gpu::Value> {
        Some(x.with_dims(y))
    }
}
