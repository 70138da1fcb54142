//! Convolution, of images and of signals.

use super::Leaf;
use super::generic;
use super::groups;
use super::window::{Space, Window};
use crate::cpu::steps::{Bank, Conv, ConvStage, Filters, Stage};
use crate::cpu::{Planner, Value};
use crate::float::Float;
use crate::gpu;
use crate::kernels::geometry::grid;
use crate::onnx::{self, Attribute, Graph, Samples};
use crate::portable::{Site, Var};
use crate::types::{Dims, Extent, Label, Layer, Message, Param, Problem, Reach, Size, Spec};
use dfdx::prelude::{BroadcastTo, PermuteTo, ReshapeTo, TryAdd, TryMatMul};
use dfdx::shapes::HasShape;
use dfdx::shapes::{Axes2, Const};
use dfdx::tensor::{Tape, Tensor};
use dfdx::tensor_ops::Device;

/// A two-dimensional convolution: `y[o] = b[o] + Σ_i w[o, i] ⋆ x[i]`.
///
/// `⋆` is cross-correlation, as in every deep learning library: the kernel is not flipped. The border is padded with
/// zeros.
///
/// Arguments: input channels, output channels, kernel size, stride (1), padding (0), dilation (1), groups (1).
///
/// # Shapes
/// `[I, H, W] -> [O, H', W']` with `H' = (H + 2 P - D (K - 1) - 1) / S + 1`, rounded down, and `W'` likewise; `weight` is
/// `[O, I / G, K, K]`, `bias` is `[O]`, as in PyTorch's `nn.Conv2d`.
///
/// # Examples
/// ```
/// use formwork::prelude::*;
///
/// #[network([3, 32, 32] => [8, 16, 16])]
/// type Halve = Conv2d<3, 8, 3, 2, 1>;
/// assert_eq!(Halve::SCALARS, 8 * 3 * 3 * 3 + 8);
/// assert_eq!(Halve::RECEPTIVE_FIELD, Some([3, 3]));
/// ```
/// In `generic::Conv2d` sizes are types, and a kernel need not be square:
/// ```
/// use formwork::prelude::*;
/// type Tall = generic::Conv2d<Const<1>, Const<4>, (Const<3>, Const<1>)>;
/// formwork::check!(Net<Tall, Rank3<1, 8, 8>, Rank3<4, 6, 8>>);
/// ```
///
/// Dumoulin and Visin, [A guide to convolution arithmetic](https://arxiv.org/abs/1603.07285), 2016. Course notes:
/// convolution.
pub type Conv2d<const I: usize, const O: usize, const K: usize, const S: usize = 1, const P: usize = 0, const D: usize = 1, const G: usize = 1> =
    generic::Conv2d<Const<I>, Const<O>, Const<K>, Const<S>, Const<P>, Const<D>, Const<G>>;

/// A convolution of signals: `y[o] = b[o] + Σ_i w[o, i] ⋆ x[i]`, as [`Conv2d`] is one of images.
///
/// Arguments: input channels, output channels, kernel size, stride (1), padding (0), dilation (1), groups (1).
///
/// # Shapes
/// `[I, L] -> [O, L']` with `L' = (L + 2 P - D (K - 1) - 1) / S + 1`, rounded down; `weight` is `[O, I / G, K]`, `bias` is
/// `[O]`, as in PyTorch's `nn.Conv1d`.
///
/// # Examples
/// ```
/// use formwork::prelude::*;
///
/// #[network([2, 100] => [8, 50])]
/// type Halve = Conv1d<2, 8, 5, 2, 2>;
/// assert_eq!(Halve::SCALARS, 8 * 2 * 5 + 8);
/// ```
/// `generic::Conv1d` is the same layer with its sizes as types.
///
/// Course notes: convolution.
pub type Conv1d<const I: usize, const O: usize, const K: usize, const S: usize = 1, const P: usize = 0, const D: usize = 1, const G: usize = 1> =
    generic::Conv1d<Const<I>, Const<O>, Const<K>, Const<S>, Const<P>, Const<D>, Const<G>>;

impl<I: Size, O: Size, K: Extent, S: Extent, P: Extent, D: Extent, G: Size> Layer for generic::Conv2d<I, O, K, S, P, D, G> {
    const SPEC: &'static Spec = &Spec::Leaf(Leaf::Conv(ConvSpec {
        channels: Channels { inputs: I::SIZE, outputs: O::SIZE, groups: G::SIZE },
        window: Window { space: Space::Image, kernel_size: K::HW, stride: S::HW, padding: P::HW, dilation: D::HW },
        bias: true,
    }));
}

impl<I: Size, O: Size, K: Size, S: Size, P: Size, D: Size, G: Size> Layer for generic::Conv1d<I, O, K, S, P, D, G> {
    const SPEC: &'static Spec = &Spec::Leaf(Leaf::Conv(ConvSpec {
        channels: Channels { inputs: I::SIZE, outputs: O::SIZE, groups: G::SIZE },
        window: Window::along(K::SIZE, S::SIZE, P::SIZE, D::SIZE),
        bias: true,
    }));
}

/// What a [`Conv2d`] or a [`Conv1d`] is.
#[derive(Clone, Copy, Debug)]
pub struct ConvSpec {
    /// `I`, `O` and `G`.
    pub channels: Channels,
    /// Kernel size, stride, padding and dilation.
    pub window: Window,
    /// Whether `b` is there.
    pub bias: bool,
}

/// The channels of a convolution or of its transpose.
#[derive(Clone, Copy, Debug)]
pub struct Channels {
    /// `I`.
    pub inputs: usize,
    /// `O`.
    pub outputs: usize,
    /// `G`: channels are split into so many groups, and each output sees one.
    pub groups: usize,
}

impl Channels {
    /// The same for an input with so many channels.
    pub(super) const fn with_inputs(self, inputs: usize) -> Self {
        Channels { inputs, ..self }
    }

    /// They are those of `x`, and there are as many in each group; `other` is the layer that would take the channels of `x`.
    pub(super) const fn check(&self, x: Dims, other: Label) -> Result<(), Problem> {
        if self.outputs == 0 {
            return Err(Problem::zero("number of output channels"));
        }
        if self.groups == 0 {
            return Err(Problem::zero("number of groups"));
        }
        if x.size(0) != self.inputs {
            let (problem, other_fits) = (Problem::channels(self.inputs, x), self.with_inputs(x.size(0)).are_divisible());
            return Err(if other_fits { problem.fits(other) } else { problem });
        }
        if !self.are_divisible() {
            let outputs = self.inputs.is_multiple_of(self.groups);
            return Err(if outputs { self.indivisible("output", self.outputs) } else { self.indivisible("input", self.inputs) });
        }
        Ok(())
    }

    const fn are_divisible(&self) -> bool {
        self.inputs.is_multiple_of(self.groups) && self.outputs.is_multiple_of(self.groups)
    }

    const fn indivisible(&self, which: &'static str, channels: usize) -> Problem {
        let message = Message::new("cannot split ").num(channels).str(" ").str(which).str(" channels evenly into ").num(self.groups);
        let subject = Message::new("").num(self.inputs).str(" input and ").num(self.outputs).str(" output");
        let common = groups::common(self.inputs, self.outputs);
        Problem::new(message.str(" groups")).help(groups::evenly(subject, common, self.groups))
    }
}

impl ConvSpec {
    /// `Conv2d<I, O, K, S, P, D, G>`, without the last arguments that are as they would be anyway.
    pub const fn label(&self) -> Label {
        let (Channels { inputs, outputs, groups }, [k, s, p, d]) = (self.channels, self.window.square());
        let label = Label::new(self.window.space.word("Conv1d", "Conv2d"), &[inputs, outputs, k, s, p, d, groups]);
        let label = label.without_defaults(&[1, 0, 1, 1]);
        if self.bias { label } else { label.wrapped("NoBias") }
    }

    /// Replaces the channels, and walks over the image.
    pub const fn infer(&self, x: Dims) -> Result<Dims, Problem> {
        let image = match self.window.space.image(x) {
            Ok(image) => image,
            Err(problem) => return Err(problem),
        };
        let other = ConvSpec { channels: self.channels.with_inputs(x.size(0)), ..*self };
        if let Err(problem) = self.channels.check(x, other.label()) {
            return Err(problem);
        }
        match self.window.infer(image) {
            Ok(size) => Ok(self.window.space.dims(self.channels.outputs, size)),
            Err(problem) => Err(problem),
        }
    }

    /// How many numbers one output sums over.
    const fn fan_in(&self) -> usize {
        self.channels.inputs / self.channels.groups * self.window.taps()
    }

    /// `weight`, then `bias`, which begins as zeros.
    pub const fn param(&self, i: usize) -> Option<Param> {
        let Channels { inputs, outputs, groups } = self.channels;
        match i {
            0 => {
                let dims = self.window.weight([outputs, inputs / groups]);
                Some(Param::weight("weight", dims.sizes(), self.fan_in(), outputs * self.window.taps()))
            }
            1 if self.bias => Some(Param::zeros("bias", &[outputs])),
            _ => None,
        }
    }

    /// A multiplication and an addition for each tap of each window, padding counted in, and the bias.
    pub const fn flops(&self, _x: Dims, y: Dims) -> usize {
        y.numel() * (2 * self.fan_in() + self.bias as usize)
    }

    /// The window.
    pub const fn reach(&self) -> Reach {
        self.window.reach()
    }

    /// For every tap of every channel, the pixel that each window sees; the number behind the last pixel is the padding.
    fn patches(&self, x: Dims, y: Dims) -> Vec<usize> {
        let g = self.window.over(x, y);
        let taps = (0..self.channels.inputs).flat_map(|channel| grid(g.kernel).map(move |tap| (channel, tap)));
        let pixel = |channel: usize, tap, at| g.pixel(tap, at).map_or(x.numel(), |pixel| channel * g.pixels() + pixel);
        taps.flat_map(|(channel, tap)| grid(g.output).map(move |at| pixel(channel, tap, at))).collect()
    }

    pub(crate) fn portable<E: Float, D: Device<E>, T: Tape<E, D>>(
        &self,
        site: &Site<'_, E, D, T>,
        x: Var<E, D, T>,
        y: Dims,
    ) -> Result<Var<E, D, T>, D::Err> {
        let Channels { outputs, groups, .. } = self.channels;
        let index = site.index(|| self.patches(x.dims(), y))?;
        let patches = x.gather(index, E::zero())?; // [I K K H' W', B]
        let weight = site.param(0, &(groups, outputs / groups, self.fan_in()))?; // [G, O/G, I/G K K]
        let bias = if self.bias { Some(site.param(1, &(outputs,))?) } else { None };
        product(weight, patches, bias, y)
    }

    pub(crate) fn onnx(&self, graph: &mut Graph, x: Samples, _y: Dims) -> onnx::Tensor {
        let attributes = [&self.window.onnx()[..], &[("group", Attribute::Int(self.channels.groups as i64))]].concat();
        let inputs: Vec<onnx::Tensor> = core::iter::once(x.tensor).chain((0..1 + usize::from(self.bias)).map(|i| graph.param(i))).collect();
        graph.node("Conv", &inputs, &attributes)
    }

    pub(crate) fn plan<E: Float>(&self, planner: &mut Planner<E>, x: Value, y: Dims) -> Value {
        let Channels { inputs, outputs, groups } = self.channels;
        let bank = Bank { geometry: self.window.over(x.dims, y), channels: [inputs, outputs], groups };
        let y = planner.step(Conv { filters: Filters::new::<E>(bank) }, &[x], y);
        planner.mark(Stage::Conv(ConvStage { bank, bias: self.bias }));
        y
    }

    pub(crate) fn fused(&self, planner: &mut gpu::Planner, x: gpu::Value, y: Dims) -> Option<gpu::Value> {
        let Channels { inputs, outputs, groups } = self.channels;
        let bank = gpu::Bank { geometry: self.window.over(x.dims, y), channels: [inputs, outputs], groups };
        let bias = self.bias.then(|| planner.param(1));
        Some(planner.conv(x, y, bank, planner.param(0), bias))
    }
}

/// `W patches + b`: `weight` is `[G, O/G, T]` and `patches` is `[G T N, B]`, where `N` is how many places a channel of `y` has.
pub(super) fn product<E: Float, D: Device<E>, T: Tape<E, D>>(
    weight: Tensor<(usize, usize, usize), E, D, T>,
    patches: Tensor<(usize, usize), E, D, T>,
    bias: Option<Tensor<(usize,), E, D, T>>,
    y: Dims,
) -> Result<Var<E, D, T>, D::Err> {
    let ((groups, _, taps), (_, samples), places) = (*weight.shape(), *patches.shape(), y.inner(0));
    let shape = (samples, y.size(0), places);
    let patches = patches.try_reshape_like(&(groups, taps, places * samples))?; // [G, T, N B]
    let out = weight.try_matmul(patches)?; // [G, O/G, N B]
    let out = out.try_reshape_like(&(y.numel(), samples))?; // [O N, B]
    let out = out.try_permute::<(usize, usize), Axes2<1, 0>>()?.try_reshape_like(&shape)?; // [B, O, N]
    match bias {
        Some(bias) => Var::new(out.try_add(bias.try_broadcast_like::<_, Axes2<0, 2>>(&shape)?)?, samples, y),
        None => Var::new(out, samples, y),
    }
}
