//! Layer normalization.

use super::Leaf;
use super::generic;
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

/// Layer normalization: `y = w (x - mean) / √(variance + ε) + b` over the last dimension, with `ε = 1e-5`.
///
/// The variance is divided by `D`. `w` begins as ones and `b` as zeros.
///
/// # Shapes
/// `[.., D]`, kept; `weight` and `bias` are `[D]`, as in PyTorch's `nn.LayerNorm`.
///
/// # Examples
/// ```
/// use formwork::prelude::*;
///
/// #[network([16, 32] => [16, 32])]
/// type PreNorm = Residual<(LayerNorm<32>, Linear<32, 32>)>;
/// assert_eq!(PreNorm::SCALARS, 2 * 32 + 32 * 32 + 32);
/// ```
/// `generic::LayerNorm` runs over several dimensions as well, and with another [`Eps`](super::normalization::Eps);
/// [`NoAffine`](super::no_affine::NoAffine) leaves `w` and `b` out:
/// ```
/// use formwork::prelude::*;
/// type Image = generic::LayerNorm<(Const<4>, Const<5>), Eps<1, 1000>>;
/// formwork::check!(Net<NoAffine<Image>, Rank3<3, 4, 5>, Rank3<3, 4, 5>>);
/// ```
///
/// Ba, Kiros and Hinton, [Layer normalization](https://arxiv.org/abs/1607.06450), 2016.
pub type LayerNorm<const D: usize> = generic::LayerNorm<Const<D>>;

/// The dimensions a [`LayerNorm`] runs over, the last ones of a sample: a [`Size`], or up to three in a tuple.
///
/// # Examples
/// ```
/// use formwork::layers::layer_norm::NormalizedShape;
/// use formwork::prelude::*;
/// assert_eq!(<(Const<4>, Const<5>) as NormalizedShape>::DIMS.sizes(), [4, 5]);
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` is neither a size nor a tuple of sizes",
    label = "expected a size such as `Const<8>`, or the sizes of up to three dimensions such as `(Const<4>, Const<5>)`"
)]
pub trait NormalizedShape: 'static {
    /// Their sizes.
    const DIMS: Dims;
}

impl<A: Size> NormalizedShape for A {
    const DIMS: Dims = Dims::new(&[A::SIZE]);
}

impl<A: Size, B: Size> NormalizedShape for (A, B) {
    const DIMS: Dims = Dims::new(&[A::SIZE, B::SIZE]);
}

impl<A: Size, B: Size, C: Size> NormalizedShape for (A, B, C) {
    const DIMS: Dims = Dims::new(&[A::SIZE, B::SIZE, C::SIZE]);
}

impl<S: NormalizedShape, E: Epsilon> Layer for generic::LayerNorm<S, E> {
    const SPEC: &'static Spec = &Spec::Leaf(Leaf::LayerNorm(LayerNormSpec { shape: S::DIMS, epsilon: E::EPSILON, affine: true }));
}

/// What a [`LayerNorm`] is.
#[derive(Clone, Copy, Debug)]
pub struct LayerNormSpec {
    /// The last dimensions of a sample.
    pub shape: Dims,
    /// `ε`.
    pub epsilon: f64,
    /// Whether `w` and `b` are there.
    pub affine: bool,
}

impl LayerNormSpec {
    /// `LayerNorm<D>`
    pub const fn label(&self) -> Label {
        let label = Label::new("LayerNorm", self.shape.sizes());
        if self.affine { label } else { label.wrapped("NoAffine") }
    }

    /// Any shape that ends in the layer's own stays as it is.
    pub const fn infer(&self, x: Dims) -> Result<Dims, Problem> {
        if self.shape.numel() == 0 {
            return Err(Problem::zero("number of features"));
        }
        if !self.epsilon.is_finite() {
            return Err(Problem::zero("denominator"));
        }
        match (self.shape.sizes(), x.last()) {
            (&[_], None) => Err(Problem::rank("at least one dimension", x)),
            (&[expected], Some(given)) if expected != given => {
                let fitting = LayerNormSpec { shape: Dims::new(&[given]), ..*self };
                Err(Problem::features(expected, given).fits(fitting.label()))
            }
            _ if self.ends(x) => Ok(x),
            _ => Err(Problem::new(Message::new("expects a shape that ends in ").dims(self.shape).str(", but is given ").dims(x))),
        }
    }

    /// Whether `x` ends in the layer's own shape.
    const fn ends(&self, x: Dims) -> bool {
        let rank = self.shape.rank();
        let mut axis = 0;
        while axis < rank && rank <= x.rank() {
            if self.shape.size(axis) != x.size(x.rank() - rank + axis) {
                return false;
            }
            axis += 1;
        }
        rank <= x.rank()
    }

    /// `weight`, which begins as ones, then `bias`, which begins as zeros.
    pub const fn param(&self, i: usize) -> Option<Param> {
        match i {
            0 if self.affine => Some(Param::ones("weight", self.shape.sizes())),
            1 if self.affine => Some(Param::zeros("bias", self.shape.sizes())),
            _ => None,
        }
    }

    /// For each number one operation for the mean, three for the variance, two to normalize, and two for `w` and `b`.
    pub const fn flops(&self, _x: Dims, y: Dims) -> usize {
        y.numel() * if self.affine { 8 } else { 6 }
    }

    /// All numbers that are normalized together.
    pub const fn reach(&self) -> Reach {
        Reach::All
    }

    fn normalization(&self) -> Normalization {
        let row = self.shape.numel();
        Normalization { row, run: 1, weights: if self.affine { row } else { 0 }, epsilon: self.epsilon }
    }

    pub(crate) fn portable<E: Float, D: Device<E>, T: Tape<E, D>>(
        &self,
        site: &Site<'_, E, D, T>,
        x: Var<E, D, T>,
        y: Dims,
    ) -> Result<Var<E, D, T>, D::Err> {
        self.normalization().portable(site, x, y)
    }

    pub(crate) fn onnx(&self, graph: &mut Graph, x: Samples, _y: Dims) -> Tensor {
        let [weight, bias] = match self.affine {
            true => [0, 1].map(|i| graph.param(i)),
            false => [1.0, 0.0].map(|number| graph.constant(&vec![number; self.shape.numel()], self.shape.sizes())),
        };
        normalized(graph, [x.tensor, weight, bias], self.shape.rank(), self.epsilon)
    }

    pub(crate) fn plan<E: Float>(&self, planner: &mut Planner<E>, x: Value, y: Dims) -> Value {
        planner.step(Normalize(self.normalization()), &[x], y)
    }

    pub(crate) fn fused(&self, planner: &mut gpu::Planner, x: gpu::Value, y: Dims) -> Option<gpu::Value> {
        let affine = self.affine.then(|| [0, 1].map(|i| planner.param(i)));
        Some(planner.normalize(x.with_dims(y), self.normalization(), affine))
    }
}
