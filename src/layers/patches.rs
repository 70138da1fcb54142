//! An image as a sequence of its parts.

use super::conv::{Channels, ConvSpec};
use super::transpose::Transpose;
use super::window::{Space, Window};
use super::{Leaf, generic};
use crate::cpu::{Planner, Value};
use crate::float::Float;
use crate::gpu;
use crate::onnx::{Graph, Samples, Tensor};
use crate::portable::{Site, Var};
use crate::types::{Dims, Label, Layer, Message, Param, Problem, Reach, Size, Spec};
use dfdx::shapes::Const;
use dfdx::tensor::Tape;
use dfdx::tensor_ops::Device;

/// An image cut into patches of `P x P` pixels, each a vector: `y[p] = W patch_p + b`, row by row of the image.
///
/// # Shapes
/// `[C, H, W] -> [(H / P) (W / P), D]`; `P` divides both sides. `weight` is `[D, C, P, P]`, `bias` is `[D]`, those of a
/// [`Conv2d`](super::conv::Conv2d) of kernel size and stride `P`, which it is.
///
/// # Examples
/// ```
/// use formwork::prelude::*;
///
/// #[network([3, 32, 32] => [10])]
/// type VisionTransformer = (
///     PatchEmbedding<3, 8, 48>,   // [16, 48]
///     LearnedPositions<16, 48>,
///     Repeat<TransformerEncoderLayer<48, 4, 96, PreNorm, Gelu>, 2>,
///     LayerNorm<48>,
///     MeanOverTime,               // [48]
///     Linear<48, 10>,
/// );
/// ```
///
/// Dosovitskiy et al., [An image is worth 16x16 words](https://arxiv.org/abs/2010.11929), 2020. Course notes: transformer.
pub type PatchEmbedding<const C: usize, const P: usize, const D: usize> = generic::PatchEmbedding<Const<C>, Const<P>, Const<D>>;

impl<C: Size, P: Size, D: Size> Layer for generic::PatchEmbedding<C, P, D> {
    const SPEC: &'static Spec = &Spec::Leaf(Leaf::PatchEmbedding(PatchEmbeddingSpec { channels: C::SIZE, patch: P::SIZE, embed_dim: D::SIZE }));
}

/// What a [`PatchEmbedding`] is.
#[derive(Clone, Copy, Debug)]
pub struct PatchEmbeddingSpec {
    /// `C`.
    pub channels: usize,
    /// `P`.
    pub patch: usize,
    /// `D`.
    pub embed_dim: usize,
}

impl PatchEmbeddingSpec {
    /// `PatchEmbedding<C, P, D>`
    pub const fn label(&self) -> Label {
        Label::new("PatchEmbedding", &[self.channels, self.patch, self.embed_dim])
    }

    const fn conv(&self) -> ConvSpec {
        let size = [self.patch, self.patch];
        let window = Window { space: Space::Image, kernel_size: size, stride: size, padding: [0, 0], dilation: [1, 1] };
        let channels = Channels { inputs: self.channels, outputs: self.embed_dim, groups: 1 };
        ConvSpec { channels, window, bias: true }
    }

    /// A row for each patch; the image is cut up without a rest.
    pub const fn infer(&self, x: Dims) -> Result<Dims, Problem> {
        if x.rank() == 3 && x.size(0) != self.channels {
            return Err(Problem::channels(self.channels, x).fits(PatchEmbeddingSpec { channels: x.size(0), ..*self }.label()));
        }
        let grid = match self.conv().infer(x) {
            Ok(grid) => grid,
            Err(problem) => return Err(problem),
        };
        if !x.size(1).is_multiple_of(self.patch) || !x.size(2).is_multiple_of(self.patch) {
            let message = Message::new("cuts images into patches of ").num(self.patch).str("x").num(self.patch);
            return Err(Problem::new(message.str(", but is given ").dims(x).str(", where some pixels are left")));
        }
        Ok(Dims::new(&[grid.size(1) * grid.size(2), self.embed_dim]))
    }

    /// `weight` and `bias`.
    pub const fn param(&self, i: usize) -> Option<Param> {
        self.conv().param(i)
    }

    /// Those of the convolution.
    pub const fn flops(&self, x: Dims, y: Dims) -> usize {
        self.conv().flops(x, self.grid(x, y))
    }

    /// The patch.
    pub const fn reach(&self) -> Reach {
        self.conv().reach()
    }

    /// What the convolution makes of the image.
    const fn grid(&self, x: Dims, y: Dims) -> Dims {
        let [h, w] = [x.size(1) / self.patch, x.size(2) / self.patch];
        Dims::new(&[y.size(1), h, w])
    }

    pub(crate) fn portable<E: Float, D: Device<E>, T: Tape<E, D>>(
        &self,
        site: &Site<'_, E, D, T>,
        x: Var<E, D, T>,
        y: Dims,
    ) -> Result<Var<E, D, T>, D::Err> {
        let grid = self.grid(x.dims(), y);
        let patches = self.conv().portable(site, x, grid)?; // [D, H / P, W / P]
        Transpose.portable(site, patches.with_dims(Dims::new(&[y.size(1), y.size(0)])), y)
    }

    pub(crate) fn onnx(&self, graph: &mut Graph, x: Samples, y: Dims) -> Tensor {
        let patches = self.conv().onnx(graph, x, self.grid(x.dims, y)); // [B, D, H / P, W / P]
        let patches = graph.reshape_samples(patches, &[y.size(1), y.size(0)]);
        graph.transpose(patches, &[0, 2, 1])
    }

    pub(crate) fn plan<E: Float>(&self, planner: &mut Planner<E>, x: Value, y: Dims) -> Value {
        let patches = self.conv().plan(planner, x, self.grid(x.dims, y)); // [D, H / P, W / P]
        Transpose.plan(planner, patches.with_dims(Dims::new(&[y.size(1), y.size(0)])), y)
    }

    pub(crate) fn fused(&self, planner: &mut gpu::Planner, x: gpu::Value, y: Dims) -> Option<gpu::Value> {
        let patches = self.conv().fused(planner, x, self.grid(x.dims, y))?; // [D, H / P, W / P]
        Transpose.fused(planner, patches.with_dims(Dims::new(&[y.size(1), y.size(0)])), y)
    }
}
