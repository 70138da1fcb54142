//! Group normalization, and instance normalization with it.

use super::Leaf;
use super::generic;
use super::groups;
use super::normalization::{Epsilon, Normalization, normalized};
use crate::cpu::steps::Normalize;
use crate::cpu::{Planner, Value};
use crate::float::Float;
use crate::gpu;
use crate::onnx::{Graph, Samples, Tensor};
use crate::portable::{Site, Var};
use crate::types::{Dims, Label, Layer, Message, Param, Problem, Reach, Size, Spec};
use dfdx::shapes::Const;
use dfdx::tensor::Tape;
use dfdx::tensor_ops::Device;

/// Group normalization: `y = w (x - mean) / √(variance + ε) + b`, with `ε = 1e-5`, where mean and variance are those of
/// `C / G` channels together.
///
/// `GroupNorm<C, C>` is instance normalization: each channel has mean 0 and variance 1. `w` begins as ones and `b` as zeros.
///
/// # Shapes
/// `[C, ..]`, kept; `weight` and `bias` are `[C]`, as in PyTorch's `nn.GroupNorm`.
///
/// # Examples
/// ```
/// use formwork::prelude::*;
///
/// #[network([3, 32, 32] => [8, 32, 32])]
/// type Stem = (Conv2d<3, 8, 3, 1, 1>, GroupNorm<4, 8>, Relu);
/// assert_eq!(Stem::SCALARS, 8 * 3 * 3 * 3 + 8 + 2 * 8);
/// ```
/// In `generic::GroupNorm` sizes are types, and so is `ε`; [`NoAffine`](super::no_affine::NoAffine) leaves `w` and `b` out:
/// ```
/// use formwork::prelude::*;
/// type Instance<C> = NoAffine<generic::GroupNorm<C, C, Eps<1, 1000>>>;
/// formwork::check!(Net<Instance<Const<8>>, Rank3<8, 4, 4>, Rank3<8, 4, 4>>);
/// ```
///
/// Wu and He, [Group normalization](https://arxiv.org/abs/1803.08494), 2018; Ulyanov, Vedaldi and Lempitsky, [Instance
/// normalization](https://arxiv.org/abs/1607.08022), 2016.
pub type GroupNorm<const G: usize, const C: usize> = generic::GroupNorm<Const<G>, Const<C>>;

impl<G: Size, C: Size, E: Epsilon> Layer for generic::GroupNorm<G, C, E> {
    const SPEC: &'static Spec = &Spec::Leaf(Leaf::GroupNorm(GroupNormSpec { groups: G::SIZE, channels: C::SIZE, epsilon: E::EPSILON, affine: true }));
}

/// What a [`GroupNorm`] is.
#[derive(Clone, Copy, Debug)]
pub struct GroupNormSpec {
    /// `G`.
    pub groups: usize,
    /// `C`.
    pub channels: usize,
    /// `ε`.
    pub epsilon: f64,
    /// Whether `w` and `b` are there.
    pub affine: bool,
}

impl GroupNormSpec {
    /// `GroupNorm<G, C>`
    pub const fn label(&self) -> Label {
        let label = Label::new("GroupNorm", &[self.groups, self.channels]);
        if self.affine { label } else { label.wrapped("NoAffine") }
    }

    /// Any shape of as many channels stays as it is.
    pub const fn infer(&self, x: Dims) -> Result<Dims, Problem> {
        if self.channels == 0 {
            return Err(Problem::zero("number of channels"));
        }
        if self.groups == 0 {
            return Err(Problem::zero("number of groups"));
        }
        if !self.epsilon.is_finite() {
            return Err(Problem::zero("denominator"));
        }
        if x.rank() == 0 {
            return Err(Problem::rank("channels [C, ..]", x));
        }
        if x.size(0) != self.channels {
            return Err(Problem::channels(self.channels, x).fits(self.with_channels(x.size(0)).label()));
        }
        if !self.channels.is_multiple_of(self.groups) {
            let message = Message::new("cannot split ").num(self.channels).str(" channels evenly into ").num(self.groups).str(" groups");
            let help = groups::evenly(Message::new("").num(self.channels), self.channels, self.groups);
            return Err(Problem::new(message).help(help));
        }
        Ok(x)
    }

    /// The layer for another number of channels: as many groups, or the next smaller number that there can be, and one for
    /// each channel if it was so.
    const fn with_channels(self, channels: usize) -> Self {
        let [fewer, more] = groups::possible(channels, self.groups);
        let as_many = if more == self.groups { more } else { fewer };
        GroupNormSpec { groups: if self.groups == self.channels { channels } else { as_many }, channels, ..self }
    }

    /// `weight`, which begins as ones, then `bias`, which begins as zeros.
    pub const fn param(&self, i: usize) -> Option<Param> {
        match i {
            0 if self.affine => Some(Param::ones("weight", &[self.channels])),
            1 if self.affine => Some(Param::zeros("bias", &[self.channels])),
            _ => None,
        }
    }

    /// For each number one operation for the mean, three for the variance, two to normalize, and two for `w` and `b`.
    pub const fn flops(&self, _x: Dims, y: Dims) -> usize {
        y.numel() * if self.affine { 8 } else { 6 }
    }

    /// All of the image: it is in mean and variance.
    pub const fn reach(&self) -> Reach {
        Reach::All
    }

    fn normalization(&self, x: Dims) -> Normalization {
        let run = x.inner(0);
        Normalization { row: self.channels / self.groups * run, run, weights: if self.affine { self.channels } else { 0 }, epsilon: self.epsilon }
    }

    pub(crate) fn portable<E: Float, D: Device<E>, T: Tape<E, D>>(
        &self,
        site: &Site<'_, E, D, T>,
        x: Var<E, D, T>,
        y: Dims,
    ) -> Result<Var<E, D, T>, D::Err> {
        self.normalization(y).portable(site, x, y)
    }

    pub(crate) fn onnx(&self, graph: &mut Graph, x: Samples, y: Dims) -> Tensor {
        let row = y.numel() / self.groups;
        let rows = graph.reshape_samples(x.tensor, &[self.groups, row]);
        let [ones, zeros] = [1.0, 0.0].map(|number| graph.constant(&vec![number; row], &[row]));
        let rows = normalized(graph, [rows, ones, zeros], 1, self.epsilon);
        let normal = graph.reshape_samples(rows, y.sizes());
        if !self.affine {
            return normal;
        }
        let per_channel: Vec<i64> = (0..y.rank()).map(|axis| if axis == 0 { self.channels as i64 } else { 1 }).collect();
        let [weight, bias] = [0, 1].map(|i| {
            let param = graph.param(i);
            graph.reshape(param, &per_channel)
        });
        let scaled = graph.node("Mul", &[normal, weight], &[]);
        graph.node("Add", &[scaled, bias], &[])
    }

    pub(crate) fn plan<E: Float>(&self, planner: &mut Planner<E>, x: Value, y: Dims) -> Value {
        planner.step(Normalize(self.normalization(y)), &[x], y)
    }

    pub(crate) fn fused(&self, planner: &mut gpu::Planner, x: gpu::Value, y: Dims) -> Option<gpu::Value> {
        let affine = self.affine.then(|| [0, 1].map(|i| planner.param(i)));
        Some(planner.normalize(x.with_dims(y), self.normalization(y), affine))
    }
}
