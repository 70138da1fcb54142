//! Two-dimensional convolution.

use super::Leaf;
use super::generic;
use super::groups;
use super::window::Window;
use crate::cpu::steps::Conv;
use crate::cpu::{Planner, Value};
use crate::float::Float;
use crate::kernels::geometry::grid;
use crate::kernels::im2col::Unfold;
use crate::portable::{Site, Var};
use crate::types::{Dims, Extent, Label, Layer, Message, Param, Problem, Reach, Size, Spec};
use dfdx::prelude::{BroadcastTo, PermuteTo, ReshapeTo, TryAdd, TryMatMul};
use dfdx::shapes::{Axes2, Const};
use dfdx::tensor::Tape;
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

impl<I: Size, O: Size, K: Extent, S: Extent, P: Extent, D: Extent, G: Size> Layer for generic::Conv2d<I, O, K, S, P, D, G> {
    const SPEC: &'static Spec = &Spec::Leaf(Leaf::Conv2d(Conv2dSpec {
        in_channels: I::SIZE,
        out_channels: O::SIZE,
        window: Window { kernel_size: K::HW, stride: S::HW, padding: P::HW, dilation: D::HW },
        groups: G::SIZE,
        bias: true,
    }));
}

/// What a [`Conv2d`] is.
#[derive(Clone, Copy, Debug)]
pub struct Conv2dSpec {
    /// `I`.
    pub in_channels: usize,
    /// `O`.
    pub out_channels: usize,
    /// Kernel size, stride, padding and dilation.
    pub window: Window,
    /// `G`: channels are split into so many groups, and each output sees one.
    pub groups: usize,
    /// Whether `b` is there.
    pub bias: bool,
}

impl Conv2dSpec {
    /// `Conv2d<I, O, K, S, P, D, G>`, without the last arguments that are as they would be anyway.
    pub const fn label(&self) -> Label {
        let [k, s, p, d] = self.window.square();
        let label = Label::new("Conv2d", &[self.in_channels, self.out_channels, k, s, p, d, self.groups]);
        let label = label.without_defaults(&[1, 0, 1, 1]);
        if self.bias { label } else { label.wrapped("NoBias") }
    }

    /// Replaces the channels, and walks over the image.
    pub const fn infer(&self, x: Dims) -> Result<Dims, Problem> {
        if x.rank() != 3 {
            return Err(Problem::image(x));
        }
        if self.out_channels == 0 {
            return Err(Problem::zero("number of output channels"));
        }
        if self.groups == 0 {
            return Err(Problem::zero("number of groups"));
        }
        if x.size(0) != self.in_channels {
            return Err(Problem::channels(self.in_channels, x).fits(Conv2dSpec { in_channels: x.size(0), ..*self }.label()));
        }
        if !self.in_channels.is_multiple_of(self.groups) {
            return Err(self.indivisible("input", self.in_channels));
        }
        if !self.out_channels.is_multiple_of(self.groups) {
            return Err(self.indivisible("output", self.out_channels));
        }
        match self.window.infer(x) {
            Ok([h, w]) => Ok(Dims::new(&[self.out_channels, h, w])),
            Err(problem) => Err(problem),
        }
    }

    const fn indivisible(&self, which: &'static str, channels: usize) -> Problem {
        let message = Message::new("cannot split ").num(channels).str(" ").str(which).str(" channels evenly into ").num(self.groups);
        let subject = Message::new("").num(self.in_channels).str(" input and ").num(self.out_channels).str(" output");
        let common = groups::common(self.in_channels, self.out_channels);
        Problem::new(message.str(" groups")).help(groups::evenly(subject, common, self.groups))
    }

    /// How many numbers one output sums over.
    const fn fan_in(&self) -> usize {
        self.in_channels / self.groups * self.window.kernel_size[0] * self.window.kernel_size[1]
    }

    /// `weight`, then `bias`, which begins as zeros.
    pub const fn param(&self, i: usize) -> Option<Param> {
        let [kh, kw] = self.window.kernel_size;
        match i {
            0 => {
                let dims = [self.out_channels, self.in_channels / self.groups, kh, kw];
                Some(Param::weight("weight", &dims, self.fan_in(), self.out_channels * kh * kw))
            }
            1 if self.bias => Some(Param::zeros("bias", &[self.out_channels])),
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
        let taps = (0..self.in_channels).flat_map(|channel| grid(g.kernel).map(move |tap| (channel, tap)));
        let pixel = |channel: usize, tap, at| g.pixel(tap, at).map_or(x.numel(), |pixel| channel * g.pixels() + pixel);
        taps.flat_map(|(channel, tap)| grid(g.output).map(move |at| pixel(channel, tap, at))).collect()
    }

    pub(crate) fn portable<E: Float, D: Device<E>, T: Tape<E, D>>(
        &self,
        site: &Site<'_, E, D, T>,
        x: Var<E, D, T>,
        y: Dims,
    ) -> Result<Var<E, D, T>, D::Err> {
        let (samples, groups, windows) = (x.samples(), self.groups, y.inner(0));
        let (outputs, taps) = (self.out_channels / groups, self.fan_in());
        let index = site.index(|| self.patches(x.dims(), y))?;
        let patches = x.gather(index, E::zero())?; // [I K K H' W', B]
        let patches = patches.try_reshape_like(&(groups, taps, windows * samples))?; // [G, I/G K K, H' W' B]
        let weight = site.param(0, &(groups, outputs, taps))?; // [G, O/G, I/G K K]
        let out = weight.try_matmul(patches)?; // [G, O/G, H' W' B]
        let out = out.try_reshape_like(&(self.out_channels * windows, samples))?;
        let out = out.try_permute::<(usize, usize), Axes2<1, 0>>()?; // [B, O H' W']
        let mut out = out.try_reshape_like(&(samples, self.out_channels, windows))?;
        if self.bias {
            let bias = site.param(1, &(self.out_channels,))?;
            out = out.try_add(bias.try_broadcast_like::<_, Axes2<0, 2>>(&(samples, self.out_channels, windows))?)?;
        }
        Var::new(out, samples, y)
    }

    pub(crate) fn plan<E: Float>(&self, planner: &mut Planner<E>, x: Value, y: Dims) -> Value {
        let geometry = self.window.over(x.dims, y);
        let step = Conv {
            geometry,
            unfold: Unfold::new(&geometry),
            in_channels: self.in_channels,
            out_channels: self.out_channels,
            groups: self.groups,
            bias: self.bias,
        };
        planner.step(step, &[x], y)
    }
}
