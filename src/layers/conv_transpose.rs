//! Transposed convolution, of images and of signals.

use super::Leaf;
use super::conv::{Channels, product};
use super::generic;
use super::window::{Space, Window};
use crate::cpu::steps::{Bank, ConvTranspose, Filters};
use crate::cpu::{Planner, Value};
use crate::float::Float;
use crate::gpu;
use crate::kernels::geometry::grid;
use crate::onnx::{Attribute, Graph, Samples, Tensor};
use crate::portable::{Site, Var};
use crate::types::{Dims, Extent, Label, Layer, Message, Param, Problem, Reach, Size, Spec};
use dfdx::prelude::{PermuteTo, ReshapeTo};
use dfdx::shapes::{Axes4, Const};
use dfdx::tensor::Tape;
use dfdx::tensor_ops::Device;

/// A transposed convolution, which makes images larger: every pixel puts the kernel, times itself, into the output, `S`
/// pixels further for each pixel, and where kernels overlap they add up.
///
/// It is the way back of a [`Conv2d`](super::conv::Conv2d) with the same kernel, from the gradient of its output to that of
/// its input; `ConvTranspose2d<I, O, 2, 2>` is the "up-convolution" of a U-Net.
///
/// Arguments, in PyTorch's order: input channels, output channels, kernel size, stride (1), padding (0), which is taken off the
/// output, output padding (0), which is added to its end, groups (1), dilation (1).
///
/// # Shapes
/// `[I, H, W] -> [O, H', W']` with `H' = (H - 1) S - 2 P + D (K - 1) + OP + 1`, and `W'` likewise; `weight` is
/// `[I, O / G, K, K]`, `bias` is `[O]`, as in PyTorch's `nn.ConvTranspose2d`. `OP` is below `S` or `D`.
///
/// # Examples
/// ```
/// use formwork::prelude::*;
///
/// #[network([16, 8, 8] => [8, 16, 16])]
/// type Double = ConvTranspose2d<16, 8, 2, 2>;
/// assert_eq!(Double::SCALARS, 16 * 8 * 2 * 2 + 8);
/// ```
/// In `generic::ConvTranspose2d` sizes are types, and a kernel need not be square.
///
/// Dumoulin and Visin, [A guide to convolution arithmetic](https://arxiv.org/abs/1603.07285), 2016. Course notes: U-Net.
pub type ConvTranspose2d<
    const I: usize,
    const O: usize,
    const K: usize,
    const S: usize = 1,
    const P: usize = 0,
    const OP: usize = 0,
    const G: usize = 1,
    const D: usize = 1,
> = generic::ConvTranspose2d<Const<I>, Const<O>, Const<K>, Const<S>, Const<P>, Const<OP>, Const<G>, Const<D>>;

/// A transposed convolution of signals, as [`ConvTranspose2d`] is one of images.
///
/// Arguments, in PyTorch's order: input channels, output channels, kernel size, stride (1), padding (0), output padding (0),
/// groups (1), dilation (1).
///
/// # Shapes
/// `[I, L] -> [O, L']` with `L' = (L - 1) S - 2 P + D (K - 1) + OP + 1`; `weight` is `[I, O / G, K]`, `bias` is `[O]`, as in
/// PyTorch's `nn.ConvTranspose1d`.
///
/// # Examples
/// ```
/// use formwork::prelude::*;
///
/// #[network([8, 50] => [2, 100])]
/// type Double = ConvTranspose1d<8, 2, 4, 2, 1>;
/// ```
pub type ConvTranspose1d<
    const I: usize,
    const O: usize,
    const K: usize,
    const S: usize = 1,
    const P: usize = 0,
    const OP: usize = 0,
    const G: usize = 1,
    const D: usize = 1,
> = generic::ConvTranspose1d<Const<I>, Const<O>, Const<K>, Const<S>, Const<P>, Const<OP>, Const<G>, Const<D>>;

impl<I: Size, O: Size, K: Extent, S: Extent, P: Extent, OP: Extent, G: Size, D: Extent> Layer for generic::ConvTranspose2d<I, O, K, S, P, OP, G, D> {
    const SPEC: &'static Spec = &Spec::Leaf(Leaf::ConvTranspose(ConvTransposeSpec {
        channels: Channels { inputs: I::SIZE, outputs: O::SIZE, groups: G::SIZE },
        window: Window { space: Space::Image, kernel_size: K::HW, stride: S::HW, padding: P::HW, dilation: D::HW },
        output_padding: OP::HW,
        bias: true,
    }));
}

impl<I: Size, O: Size, K: Size, S: Size, P: Size, OP: Size, G: Size, D: Size> Layer for generic::ConvTranspose1d<I, O, K, S, P, OP, G, D> {
    const SPEC: &'static Spec = &Spec::Leaf(Leaf::ConvTranspose(ConvTransposeSpec {
        channels: Channels { inputs: I::SIZE, outputs: O::SIZE, groups: G::SIZE },
        window: Window::along(K::SIZE, S::SIZE, P::SIZE, D::SIZE),
        output_padding: [0, OP::SIZE],
        bias: true,
    }));
}

/// What a [`ConvTranspose2d`] or a [`ConvTranspose1d`] is.
#[derive(Clone, Copy, Debug)]
pub struct ConvTransposeSpec {
    /// `I`, `O` and `G`.
    pub channels: Channels,
    /// Kernel size, stride, padding and dilation: those of the convolution whose way back this is.
    pub window: Window,
    /// `OP`, `[height, width]`.
    pub output_padding: [usize; 2],
    /// Whether the bias is there.
    pub bias: bool,
}

impl ConvTransposeSpec {
    /// `ConvTranspose2d<I, O, K, S, P, OP, G, D>`, without the last arguments that are as they would be anyway.
    pub const fn label(&self) -> Label {
        let (Channels { inputs, outputs, groups }, [k, s, p, d]) = (self.channels, self.window.square());
        let args = [inputs, outputs, k, s, p, self.window.one(self.output_padding), groups, d];
        let label = Label::new(self.window.space.word("ConvTranspose1d", "ConvTranspose2d"), &args).without_defaults(&[1, 0, 0, 1, 1]);
        if self.bias { label } else { label.wrapped("NoBias") }
    }

    /// Replaces the channels, and lays out the kernels.
    pub const fn infer(&self, x: Dims) -> Result<Dims, Problem> {
        let image = match self.window.space.image(x) {
            Ok(image) => image,
            Err(problem) => return Err(problem),
        };
        let other = ConvTransposeSpec { channels: self.channels.with_inputs(x.size(0)), ..*self };
        if let Err(problem) = self.channels.check(x, other.label()) {
            return Err(problem);
        }
        match self.size(image) {
            Ok(size) => Ok(self.window.space.dims(self.channels.outputs, size)),
            Err(problem) => Err(problem),
        }
    }

    /// The height and width that come out.
    const fn size(&self, image: Dims) -> Result<[usize; 2], Problem> {
        if let Err(problem) = self.window.check() {
            return Err(problem);
        }
        let (mut whole, mut axis) = ([0, 0], 0);
        while axis < 2 {
            let (stride, dilation) = (self.window.stride[axis], self.window.dilation[axis]);
            if self.output_padding[axis] >= stride && self.output_padding[axis] >= dilation {
                return Err(self.padded_too_much(if stride > dilation { stride } else { dilation }));
            }
            whole[axis] = image.size(1 + axis).saturating_sub(1) * stride + self.window.extent(axis) + self.output_padding[axis];
            axis += 1;
        }
        let ([h, w], [ph, pw]) = (whole, self.window.padding);
        if h <= 2 * ph || w <= 2 * pw {
            let message = self.window.size(Message::new("makes "), whole).str(" and takes ").num(if h <= 2 * ph { ph } else { pw });
            return Err(Problem::new(message.str(" off each side, which leaves nothing")));
        }
        Ok([h - 2 * ph, w - 2 * pw])
    }

    const fn padded_too_much(&self, limit: usize) -> Problem {
        let message = Message::new("has an output padding of ").num(self.window.one(self.output_padding));
        let fitting = ConvTransposeSpec { output_padding: [limit - 1, limit - 1], ..*self };
        Problem::new(message.str(", which is not below its stride or its dilation")).fits(fitting.label())
    }

    /// How many numbers one output sums over, on the average: kernels overlap as far as they reach beyond the stride.
    const fn fan_in(&self) -> usize {
        let [sh, sw] = self.window.stride;
        (self.channels.inputs / self.channels.groups * self.window.taps()).div_ceil(sh * sw)
    }

    /// `weight`, then `bias`, which begins as zeros.
    pub const fn param(&self, i: usize) -> Option<Param> {
        let Channels { inputs, outputs, groups } = self.channels;
        match i {
            0 => {
                let dims = self.window.weight([inputs, outputs / groups]);
                Some(Param::weight("weight", dims.sizes(), self.fan_in(), outputs / groups * self.window.taps()))
            }
            1 if self.bias => Some(Param::zeros("bias", &[outputs])),
            _ => None,
        }
    }

    /// A multiplication and an addition for each tap of each pixel's kernel, what is taken off counted in, and the bias.
    pub const fn flops(&self, x: Dims, y: Dims) -> usize {
        let per_pixel = self.channels.outputs / self.channels.groups * self.window.taps();
        2 * x.numel() * per_pixel + if self.bias { y.numel() } else { 0 }
    }

    /// The pixels whose kernels meet in one place.
    pub const fn reach(&self) -> Reach {
        let [sh, sw] = self.window.stride;
        Reach::Enlarged { size: [self.window.extent(0).div_ceil(sh), self.window.extent(1).div_ceil(sw)], factor: [sh, sw] }
    }

    /// For every tap of every channel, the pixel of `x` that each pixel of the output sees through it; the number behind the
    /// last pixel stands for none.
    fn patches(&self, x: Dims, y: Dims) -> Vec<usize> {
        let g = self.window.over(y, x);
        let taps = (0..self.channels.inputs).flat_map(|channel| grid(g.kernel).map(move |tap| (channel, tap)));
        let pixel = |channel: usize, tap, at| g.window(tap, at).map_or(x.numel(), |pixel| channel * g.windows() + pixel);
        taps.flat_map(|(channel, tap)| grid(g.image).map(move |at| pixel(channel, tap, at))).collect()
    }

    pub(crate) fn portable<E: Float, D: Device<E>, T: Tape<E, D>>(
        &self,
        site: &Site<'_, E, D, T>,
        x: Var<E, D, T>,
        y: Dims,
    ) -> Result<Var<E, D, T>, D::Err> {
        let Channels { inputs, outputs, groups } = self.channels;
        let (inputs, outputs, taps) = (inputs / groups, outputs / groups, self.window.taps());
        let index = site.index(|| self.patches(x.dims(), y))?;
        let patches = x.gather(index, E::zero())?; // [I K K H' W', B]
        let weight = site.param(0, &(groups, inputs, outputs, taps))?.try_permute::<_, Axes4<0, 2, 1, 3>>()?; // [G, O/G, I/G, K K]
        let weight = weight.try_reshape_like(&(groups, outputs, inputs * taps))?;
        let bias = if self.bias { Some(site.param(1, &(self.channels.outputs,))?) } else { None };
        product(weight, patches, bias, y)
    }

    /// ONNX wants an output padding below the stride: zeros behind the image are so many strides of it.
    pub(crate) fn onnx(&self, graph: &mut Graph, x: Samples, _y: Dims) -> Tensor {
        let each_axis =
            |of: fn(usize, usize) -> usize| self.window.space.axes([0, 1].map(|axis| of(self.output_padding[axis], self.window.stride[axis])));
        let [strides, rest] = [each_axis(|padding, stride| padding / stride), each_axis(|padding, stride| padding % stride)];
        let image = if strides.iter().any(|&strides| strides > 0) {
            let nothing = vec![0; strides.len() + 2];
            let pads = graph.ints(&[&nothing[..], &[0, 0], &strides].concat());
            graph.node("Pad", &[x.tensor, pads], &[])
        } else {
            x.tensor
        };
        let own = [("group", Attribute::Int(self.channels.groups as i64)), ("output_padding", Attribute::Ints(rest))];
        let inputs: Vec<Tensor> = core::iter::once(image).chain((0..1 + usize::from(self.bias)).map(|i| graph.param(i))).collect();
        graph.node("ConvTranspose", &inputs, &[&self.window.onnx()[..], &own].concat())
    }

    pub(crate) fn plan<E: Float>(&self, planner: &mut Planner<E>, x: Value, y: Dims) -> Value {
        let Channels { inputs, outputs, groups } = self.channels;
        let bank = Bank { geometry: self.window.over(y, x.dims), channels: [outputs, inputs], groups };
        planner.step(ConvTranspose { filters: Filters::new::<E>(bank) }, &[x], y)
    }

    pub(crate) fn fused(&self, planner: &mut gpu::Planner, x: gpu::Value, y: Dims) -> Option<gpu::Value> {
        let Channels { inputs, outputs, groups } = self.channels;
        let bank = gpu::Bank { geometry: self.window.over(y, x.dims), channels: [outputs, inputs], groups };
        let bias = self.bias.then(|| planner.param(1));
        Some(planner.conv_transpose(x, y, bank, planner.param(0), bias))
    }
}
