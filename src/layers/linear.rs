//! Fully connected layer.

use super::Leaf;
use super::generic;
use crate::cpu::steps::Dense;
use crate::cpu::{Planner, Value};
use crate::engine::Flat;
use crate::float::Float;
use crate::gpu;
use crate::onnx::{self, Attribute, Graph, Samples};
use crate::portable::{Site, Var};
use crate::types::{Dims, Label, Layer, Message, Param, Problem, Reach, Size, Spec};
use dfdx::prelude::{BroadcastTo, PermuteTo, TryAdd, TryMatMul};
use dfdx::shapes::{Axes2, Axis, Const, HasShape};
use dfdx::tensor::{Tape, Tensor};
use dfdx::tensor_ops::Device;

/// A fully connected layer: `y = x Wᵀ + b`.
///
/// Applied to the last dimension; leading ones are kept.
///
/// # Shapes
/// `[.., I] -> [.., O]`; `weight` is `[O, I]`, `bias` is `[O]`, as in PyTorch's `nn.Linear`.
///
/// # Examples
/// ```
/// use formwork::prelude::*;
///
/// #[network([3] => [2])]
/// type Line = Linear<3, 2>;
/// assert_eq!(Line::SCALARS, 3 * 2 + 2);
/// ```
/// `generic::Linear<I, O>` is the same layer with its sizes as types.
///
/// Course notes: multilayer perceptron.
pub type Linear<const I: usize, const O: usize> = generic::Linear<Const<I>, Const<O>>;

impl<I: Size, O: Size> Layer for generic::Linear<I, O> {
    const SPEC: &'static Spec = &Spec::Leaf(Leaf::Linear(LinearSpec { in_features: I::SIZE, out_features: O::SIZE, bias: true }));
}

/// What a [`Linear`] is.
#[derive(Clone, Copy, Debug)]
pub struct LinearSpec {
    /// `I`.
    pub in_features: usize,
    /// `O`.
    pub out_features: usize,
    /// Whether `b` is there.
    pub bias: bool,
}

impl LinearSpec {
    /// `Linear<I, O>`
    pub const fn label(&self) -> Label {
        let label = Label::new("Linear", &[self.in_features, self.out_features]);
        if self.bias { label } else { label.wrapped("NoBias") }
    }

    /// Replaces the last dimension.
    pub const fn infer(&self, x: Dims) -> Result<Dims, Problem> {
        match x.last() {
            Some(given) if given == self.in_features && self.out_features > 0 => Ok(x.with(x.rank() - 1, self.out_features)),
            Some(given) if given == self.in_features => Err(Problem::zero("number of outputs")),
            Some(given) if x.rank() == 3 => {
                let problem = Problem::features(self.in_features, given);
                Err(problem.help(Message::new("Flatten before it makes ").num(x.numel()).str(" features of ").dims(x)))
            }
            Some(given) => Err(Problem::features(self.in_features, given).fits(LinearSpec { in_features: given, ..*self }.label())),
            None => Err(Problem::rank("at least one dimension", x)),
        }
    }

    /// `weight`, then `bias`, which begins as zeros.
    pub const fn param(&self, i: usize) -> Option<Param> {
        let (inputs, outputs) = (self.in_features, self.out_features);
        match i {
            0 => Some(Param::weight("weight", &[outputs, inputs], inputs, outputs)),
            1 if self.bias => Some(Param::zeros("bias", &[outputs])),
            _ => None,
        }
    }

    /// A multiplication and an addition for each weight, and the bias.
    pub const fn flops(&self, _x: Dims, y: Dims) -> usize {
        y.numel() * (2 * self.in_features + self.bias as usize)
    }

    /// All features, which behind a `Flatten` are the whole image.
    pub const fn reach(&self) -> Reach {
        Reach::All
    }

    pub(crate) fn portable<E: Float, D: Device<E>, T: Tape<E, D>>(
        &self,
        site: &Site<'_, E, D, T>,
        x: Var<E, D, T>,
        y: Dims,
    ) -> Result<Var<E, D, T>, D::Err> {
        Ok(project(site, x, [0, self.out_features], self.bias.then_some(1))?.with_dims(y))
    }

    pub(crate) fn onnx(&self, graph: &mut Graph, x: Samples, _y: Dims) -> onnx::Tensor {
        let (weight, bias) = (graph.param(0), self.bias.then(|| graph.param(1)));
        if x.dims.rank() > 1 {
            return projected(graph, x.tensor, weight, bias);
        }
        let inputs: Vec<onnx::Tensor> = [x.tensor, weight].into_iter().chain(bias).collect();
        graph.node("Gemm", &inputs, &[("transB", Attribute::Int(1))])
    }

    pub(crate) fn plan<E: Float>(&self, planner: &mut Planner<E>, x: Value, y: Dims) -> Value {
        let rows_per_sample = x.dims.numel() / self.in_features;
        planner.step(Dense::new(rows_per_sample, [self.in_features, self.out_features], self.bias), &[x], y)
    }

    pub(crate) fn fused(&self, planner: &mut gpu::Planner, x: gpu::Value, y: Dims) -> Option<gpu::Value> {
        let bias = self.bias.then(|| planner.param(1));
        Some(planner.dense(x, y, [self.in_features, self.out_features], planner.param(0), bias))
    }
}

/// `x Wᵀ + b` on the last dimension, in dfdx operations: `W` `[O, I]` is the layer's parameter number `weight`, and `b` is
/// number `bias`.
pub(crate) fn project<E: Float, D: Device<E>, T: Tape<E, D>>(
    site: &Site<'_, E, D, T>,
    x: Var<E, D, T>,
    [weight, outputs]: [usize; 2],
    bias: Option<usize>,
) -> Result<Var<E, D, T>, D::Err> {
    let (samples, dims) = (x.samples(), x.dims());
    let inputs = dims.size(dims.rank() - 1);
    let rows = samples * dims.numel() / inputs;
    let bias = bias.map(|bias| site.param(bias, &(outputs,))).transpose()?;
    let y = affine(x.view(&(rows, inputs))?, site.param(weight, &(outputs, inputs))?, bias)?; // [R, O]
    Var::new(y, samples, dims.with(dims.rank() - 1, outputs))
}

/// `x Wᵀ + b` on the last dimension, as ONNX nodes.
pub(crate) fn projected(graph: &mut Graph, x: onnx::Tensor, weight: onnx::Tensor, bias: Option<onnx::Tensor>) -> onnx::Tensor {
    let weight = graph.transpose(weight, &[1, 0]);
    let y = graph.node("MatMul", &[x, weight], &[]); // [.., I] -> [.., O]
    match bias {
        Some(bias) => graph.node("Add", &[y, bias], &[]),
        None => y,
    }
}

/// A matrix on a device.
pub(crate) type Matrix<E, D, T> = Tensor<(usize, usize), E, D, T>;

/// `x Wᵀ + b` in dfdx operations.
pub(crate) fn affine<E: Float, D: Device<E>, T: Tape<E, D>>(
    x: Matrix<E, D, T>,
    weight: Matrix<E, D, T>,
    bias: Option<Flat<E, D, T>>,
) -> Result<Matrix<E, D, T>, D::Err> {
    let y = x.try_matmul(weight.try_permute::<(usize, usize), Axes2<1, 0>>()?)?; // [R, I] -> [R, O]
    let Some(bias) = bias else { return Ok(y) };
    let shape = *y.shape();
    y.try_add(bias.try_broadcast_like::<_, Axis<0>>(&shape)?)
}
