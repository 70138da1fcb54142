//! Channels as pixels, and pixels as channels.

use super::{Leaf, gather, generic};
use crate::cpu::{Planner, Value};
use crate::float::Float;
use crate::gpu;
use crate::kernels::geometry::grid;
use crate::onnx::{Attribute, Graph, Samples, Tensor};
use crate::portable::{Site, Var};
use crate::types::{Dims, Label, Layer, Message, Param, Problem, Reach, Size, Spec};
use dfdx::shapes::Const;
use dfdx::tensor::Tape;
use dfdx::tensor_ops::Device;

/// An image `R` times larger, made of the channels: `y[c, R i + a, R j + b] = x[c R² + a R + b, i, j]`.
///
/// # Shapes
/// `[C R², H, W] -> [C, R H, R W]`
///
/// # Examples
/// ```
/// use formwork::prelude::*;
///
/// #[network([3, 32, 32] => [3, 64, 64])]
/// type SuperResolution = (Conv2d<3, 12, 3, 1, 1>, PixelShuffle<2>);
/// ```
///
/// Shi et al., [Real-time single image and video super-resolution using an efficient sub-pixel convolutional neural
/// network](https://arxiv.org/abs/1609.05158), 2016; PyTorch's `nn.PixelShuffle`.
pub type PixelShuffle<const R: usize> = generic::PixelShuffle<Const<R>>;

/// An image `R` times smaller with `R²` times as many channels, the inverse of [`PixelShuffle`]:
/// `y[c R² + a R + b, i, j] = x[c, R i + a, R j + b]`.
///
/// # Shapes
/// `[C, R H, R W] -> [C R², H, W]`
///
/// # Examples
/// ```
/// use formwork::prelude::*;
///
/// #[network([3, 64, 64] => [12, 32, 32])]
/// type Halve = PixelUnshuffle<2>;
/// ```
///
/// PyTorch's `nn.PixelUnshuffle`.
pub type PixelUnshuffle<const R: usize> = generic::PixelUnshuffle<Const<R>>;

impl<R: Size> Layer for generic::PixelShuffle<R> {
    const SPEC: &'static Spec = &Spec::Leaf(Leaf::PixelShuffle(PixelShuffleSpec { factor: R::SIZE, inverse: false }));
}

impl<R: Size> Layer for generic::PixelUnshuffle<R> {
    const SPEC: &'static Spec = &Spec::Leaf(Leaf::PixelShuffle(PixelShuffleSpec { factor: R::SIZE, inverse: true }));
}

/// What a [`PixelShuffle`] or, as its inverse, a [`PixelUnshuffle`] is.
#[derive(Clone, Copy, Debug)]
pub struct PixelShuffleSpec {
    factor: usize,
    inverse: bool,
}

impl PixelShuffleSpec {
    /// `PixelShuffle<R>` or `PixelUnshuffle<R>`.
    pub const fn label(&self) -> Label {
        Label::new(if self.inverse { "PixelUnshuffle" } else { "PixelShuffle" }, &[self.factor])
    }

    /// Trades channels for pixels; all must be used up.
    pub const fn infer(&self, x: Dims) -> Result<Dims, Problem> {
        if x.rank() != 3 {
            return Err(Problem::image(x));
        }
        let ([c, h, w], r) = ([x.size(0), x.size(1), x.size(2)], self.factor);
        if r == 0 {
            return Err(Problem::zero("factor"));
        }
        match self.inverse {
            false if c.is_multiple_of(r * r) => Ok(Dims::new(&[c / (r * r), r * h, r * w])),
            false => Err(self.left_over(x)),
            true if h.is_multiple_of(r) && w.is_multiple_of(r) => Ok(Dims::new(&[c * r * r, h / r, w / r])),
            true => Err(self.indivisible(x)),
        }
    }

    const fn left_over(&self, x: Dims) -> Problem {
        let (channels, square) = (x.size(0), self.factor * self.factor);
        let message = Message::new("expects a multiple of ").num(square).str(" channels, but is given ").num(channels).str(": ").dims(x);
        let help = Message::new("Conv2d<").num(channels).str(", ").num(channels.next_multiple_of(square));
        Problem::new(message).help(help.str(", 1> before it makes as many channels as it needs"))
    }

    const fn indivisible(&self, x: Dims) -> Problem {
        let (h, w) = (x.size(1).next_multiple_of(self.factor), x.size(2).next_multiple_of(self.factor));
        let message = Message::new("divides height and width by ").num(self.factor).str(", but is given ").dims(x);
        let help = Message::new("ZeroPad2d<0, ").num(w - x.size(2)).str(", 0, ").num(h - x.size(1));
        Problem::new(message).help(help.str("> before it makes ").dims(Dims::new(&[x.size(0), h, w])))
    }

    /// None.
    pub const fn param(&self, _i: usize) -> Option<Param> {
        None
    }

    /// None.
    pub const fn flops(&self, _x: Dims, _y: Dims) -> usize {
        0
    }

    /// A pixel, or those that become channels of one.
    pub const fn reach(&self) -> Reach {
        let r = self.factor;
        if self.inverse { Reach::Window { size: [r, r], stride: [r, r] } } else { Reach::Enlarged { size: [1, 1], factor: [r, r] } }
    }

    /// What is moved among itself: the channels that become one, or the one that becomes many.
    fn block(&self, x: Dims) -> usize {
        if self.inverse { x.inner(0) } else { self.factor * self.factor * x.inner(0) }
    }

    /// Where each number of a block comes from.
    fn sources(&self, x: Dims, y: Dims) -> Vec<usize> {
        let (r, width) = (self.factor, x.size(2));
        let [height_out, width_out] = [y.size(1), y.size(2)];
        if self.inverse {
            let parts = grid([r, r]).flat_map(|part| grid([height_out, width_out]).map(move |at| (part, at)));
            parts.map(|([a, b], [i, j])| (r * i + a) * width + r * j + b).collect()
        } else {
            grid([height_out, width_out]).map(|[i, j]| (i % r * r + j % r) * x.inner(0) + i / r * width + j / r).collect()
        }
    }

    pub(crate) fn portable<E: Float, D: Device<E>, T: Tape<E, D>>(
        &self,
        site: &Site<'_, E, D, T>,
        x: Var<E, D, T>,
        y: Dims,
    ) -> Result<Var<E, D, T>, D::Err> {
        let dims = x.dims();
        gather::portable(site, x, y, self.block(dims), || self.sources(dims, y))
    }

    pub(crate) fn onnx(&self, graph: &mut Graph, x: Samples, y: Dims) -> Tensor {
        let r = self.factor;
        if !self.inverse {
            return graph.node("DepthToSpace", &[x.tensor], &[("blocksize", Attribute::Int(r as i64)), ("mode", Attribute::Text("CRD"))]);
        }
        let parts = graph.reshape_samples(x.tensor, &[x.dims.size(0), y.size(1), r, y.size(2), r]); // [B, C, H, R, W, R]
        let parts = graph.transpose(parts, &[0, 1, 3, 5, 2, 4]); // [B, C, R, R, H, W]
        graph.reshape_samples(parts, y.sizes())
    }

    pub(crate) fn plan<E: Float>(&self, planner: &mut Planner<E>, x: Value, y: Dims) -> Value {
        gather::plan(planner, x, y, self.block(x.dims), &self.sources(x.dims, y))
    }

    pub(crate) fn fused(&self, planner: &mut gpu::Planner, x: gpu::Value, y: Dims) -> Option<gpu::Value> {
        Some(planner.sparse(x, y, &gpu::Lists::gather(self.block(x.dims), &self.sources(x.dims, y))))
    }
}

#[cfg(test)]
mod tests {
    use crate::layers::gather::outputs;
    use crate::prelude::*;

    /// ```python
    /// torch.nn.PixelShuffle(2)(torch.arange(16.0).reshape(1, 8, 1, 2))
    /// ```
    #[test]
    fn channels_become_pixels_in_pytorch_s_order() {
        let x: Vec<f32> = (0..16).map(|i| i as f32).collect();
        let y = outputs::<Net<PixelShuffle<2>, Rank3<8, 1, 2>, Rank3<2, 2, 4>>>(&x);
        assert_eq!(y[..8], [0.0, 2.0, 1.0, 3.0, 4.0, 6.0, 5.0, 7.0]);
        assert_eq!(y[8..], [8.0, 10.0, 9.0, 11.0, 12.0, 14.0, 13.0, 15.0]);
    }

    #[test]
    fn the_one_undoes_the_other() {
        let x: Vec<f32> = (0..108).map(|i| i as f32).collect();
        assert_eq!(outputs::<Net<(PixelShuffle<3>, PixelUnshuffle<3>), Rank3<18, 2, 3>, Rank3<18, 2, 3>>>(&x), x);
        assert_eq!(outputs::<Net<(PixelUnshuffle<3>, PixelShuffle<3>), Rank3<2, 6, 9>, Rank3<2, 6, 9>>>(&x), x);
    }
}
