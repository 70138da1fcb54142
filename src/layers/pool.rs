//! Pooling: one number for each window of an image or of a signal.

use super::Leaf;
use super::generic;
use super::window::{Space, Window};
use crate::cpu::steps::{Pool, Pooling, Stage};
use crate::cpu::{Planner, Value};
use crate::float::Float;
use crate::gpu;
use crate::kernels::windows::{self, Windows};
use crate::onnx::{self, Attribute, Graph, Samples};
use crate::portable::{Site, Var};
use crate::types::{Dims, Extent, Label, Layer, Message, Param, Problem, Reach, Size, Spec};
use dfdx::prelude::{BroadcastTo, ChooseFrom, MinTo, PermuteTo, ReshapeTo, SumTo, TryEq, TryMul};
use dfdx::shapes::{Axes2, Axis, Const, HasShape};
use dfdx::tensor::{PutTape, SplitTape, Tape, Tensor};
use dfdx::tensor_ops::{Device, MaxTo};

/// The largest number of each window: `y = max x`.
///
/// Padding is never the largest; of equal numbers the first takes the gradient, row by row.
///
/// Arguments: kernel size, stride (the kernel size), padding (0).
///
/// # Shapes
/// `[C, H, W] -> [C, H', W']` with `H' = (H + 2 P - K) / S + 1`, rounded down, and `W'` likewise.
///
/// # Examples
/// ```
/// use formwork::prelude::*;
///
/// #[network([8, 28, 28] => [8, 14, 14])]
/// type Halve = MaxPool2d<2>;
/// assert_eq!(Halve::SCALARS, 0);
/// ```
///
/// PyTorch's `nn.MaxPool2d`. Course notes: CNN.
pub type MaxPool2d<const K: usize, const S: usize = K, const P: usize = 0> = generic::MaxPool2d<Const<K>, Const<S>, Const<P>>;

/// The mean of each window, in which padding counts as zeros: `y = Σ x / K²`.
///
/// Arguments: kernel size, stride (the kernel size), padding (0).
///
/// # Shapes
/// `[C, H, W] -> [C, H', W']` with `H' = (H + 2 P - K) / S + 1`, rounded down, and `W'` likewise.
///
/// # Examples
/// ```
/// use formwork::prelude::*;
///
/// #[network([8, 28, 28] => [8, 14, 14])]
/// type Halve = AvgPool2d<2>;
/// ```
/// With [`IgnorePadding`] a mean is over the pixels of the image alone:
/// ```
/// use formwork::prelude::*;
/// type Smooth = generic::AvgPool2d<Const<3>, Const<1>, Const<1>, IgnorePadding>;
/// formwork::check!(Net<Smooth, Rank3<8, 28, 28>, Rank3<8, 28, 28>>);
/// ```
///
/// PyTorch's `nn.AvgPool2d`.
pub type AvgPool2d<const K: usize, const S: usize = K, const P: usize = 0> = generic::AvgPool2d<Const<K>, Const<S>, Const<P>>;

/// The largest number of each window of a signal: `y = max x`, as in [`MaxPool2d`].
///
/// Arguments: kernel size, stride (the kernel size), padding (0).
///
/// # Shapes
/// `[C, L] -> [C, L']` with `L' = (L + 2 P - K) / S + 1`, rounded down.
///
/// # Examples
/// ```
/// use formwork::prelude::*;
///
/// #[network([8, 100] => [8, 50])]
/// type Halve = MaxPool1d<2>;
/// ```
///
/// PyTorch's `nn.MaxPool1d`.
pub type MaxPool1d<const K: usize, const S: usize = K, const P: usize = 0> = generic::MaxPool1d<Const<K>, Const<S>, Const<P>>;

/// The mean of each window of a signal, in which padding counts as zeros: `y = Σ x / K`, as in [`AvgPool2d`].
///
/// Arguments: kernel size, stride (the kernel size), padding (0).
///
/// # Shapes
/// `[C, L] -> [C, L']` with `L' = (L + 2 P - K) / S + 1`, rounded down.
///
/// # Examples
/// ```
/// use formwork::prelude::*;
///
/// #[network([1, 100] => [1, 100])]
/// type MovingAverage = generic::AvgPool1d<Const<5>, Const<1>, Const<2>, IgnorePadding>;
/// ```
///
/// PyTorch's `nn.AvgPool1d`.
pub type AvgPool1d<const K: usize, const S: usize = K, const P: usize = 0> = generic::AvgPool1d<Const<K>, Const<S>, Const<P>>;

/// The mean of the image in a grid of `H x W` places, however large the image: place `i` of `H` is the mean of the rows
/// `i h / H` (rounded down) to `(i + 1) h / H` (rounded up).
///
/// # Shapes
/// `[C, h, w] -> [C, H, W]`
///
/// # Examples
/// ```
/// use formwork::prelude::*;
///
/// #[network([8, 30, 17] => [8, 3, 3])]
/// type Coarse = AdaptiveAvgPool2d<3>;
/// ```
///
/// PyTorch's `nn.AdaptiveAvgPool2d`.
pub type AdaptiveAvgPool2d<const H: usize, const W: usize = H> = generic::AdaptiveAvgPool2d<Const<H>, Const<W>>;

/// The mean of each channel: `y[c] = Σ x[c] / (H W)`.
///
/// # Shapes
/// `[C, H, W] -> [C]`, so that a `Linear` can follow.
///
/// # Examples
/// ```
/// use formwork::prelude::*;
///
/// #[network([3, 64, 64] => [10])]
/// type Tagger = (Conv2d<3, 8, 3>, Relu, GlobalAvgPool2d, Linear<8, 10>);
/// ```
///
/// Lin, Chen and Yan, [Network in Network](https://arxiv.org/abs/1312.4400), 2013.
#[derive(Clone, Copy, Debug, Default)]
pub struct GlobalAvgPool2d;

/// An [`AvgPool2d`] in whose means padding counts.
#[derive(Clone, Copy, Debug, Default)]
pub struct CountPadding;

/// An [`AvgPool2d`] whose means are over the pixels of the image alone: PyTorch's `count_include_pad=False`.
#[derive(Clone, Copy, Debug, Default)]
pub struct IgnorePadding;

/// What the mean over a window divides by.
pub trait Count: 'static {
    /// Whether padding counts.
    const PADDING: bool;
}

impl Count for CountPadding {
    const PADDING: bool = true;
}

impl Count for IgnorePadding {
    const PADDING: bool = false;
}

impl<K: Extent, S: Extent, P: Extent> Layer for generic::MaxPool2d<K, S, P> {
    const SPEC: &'static Spec = &Spec::Leaf(Leaf::Pool(PoolSpec { kind: Kind::Max, window: window(K::HW, S::HW, P::HW) }));
}

impl<K: Size, S: Size, P: Size> Layer for generic::MaxPool1d<K, S, P> {
    const SPEC: &'static Spec = &Spec::Leaf(Leaf::Pool(PoolSpec { kind: Kind::Max, window: Window::along(K::SIZE, S::SIZE, P::SIZE, 1) }));
}

impl<K: Extent, S: Extent, P: Extent, C: Count> Layer for generic::AvgPool2d<K, S, P, C> {
    const SPEC: &'static Spec =
        &Spec::Leaf(Leaf::Pool(PoolSpec { kind: Kind::Mean { count_padding: C::PADDING }, window: window(K::HW, S::HW, P::HW) }));
}

impl<K: Size, S: Size, P: Size, C: Count> Layer for generic::AvgPool1d<K, S, P, C> {
    const SPEC: &'static Spec =
        &Spec::Leaf(Leaf::Pool(PoolSpec { kind: Kind::Mean { count_padding: C::PADDING }, window: Window::along(K::SIZE, S::SIZE, P::SIZE, 1) }));
}

impl<H: Size, W: Size> Layer for generic::AdaptiveAvgPool2d<H, W> {
    const SPEC: &'static Spec = &Spec::Leaf(Leaf::AdaptiveAvgPool2d(AdaptiveAvgPool2dSpec { grid: Some([H::SIZE, W::SIZE]) }));
}

impl Layer for GlobalAvgPool2d {
    const SPEC: &'static Spec = &Spec::Leaf(Leaf::AdaptiveAvgPool2d(AdaptiveAvgPool2dSpec { grid: None }));
}

const fn window(kernel_size: [usize; 2], stride: [usize; 2], padding: [usize; 2]) -> Window {
    Window { space: Space::Image, kernel_size, stride, padding, dilation: [1, 1] }
}

/// What a [`MaxPool2d`], an [`AvgPool2d`], or one of the two for signals is.
#[derive(Clone, Copy, Debug)]
pub struct PoolSpec {
    kind: Kind,
    window: Window,
}

#[derive(Clone, Copy, Debug)]
enum Kind {
    Max,
    Mean { count_padding: bool },
}

impl PoolSpec {
    /// `MaxPool2d<K, S, P>`, without the last arguments that are as they would be anyway.
    pub const fn label(&self) -> Label {
        let [k, s, p, _] = self.window.square();
        let name = match self.kind {
            Kind::Max => self.window.space.word("MaxPool1d", "MaxPool2d"),
            Kind::Mean { .. } => self.window.space.word("AvgPool1d", "AvgPool2d"),
        };
        Label::new(name, &[k, s, p]).without_defaults(&[k, 0])
    }

    /// Walks over the image; a window must see more than padding.
    pub const fn infer(&self, x: Dims) -> Result<Dims, Problem> {
        let image = match self.window.space.image(x) {
            Ok(image) => image,
            Err(problem) => return Err(problem),
        };
        let ([kh, kw], [ph, pw]) = (self.window.kernel_size, self.window.padding);
        if 2 * ph > kh || 2 * pw > kw {
            let message = Message::new("pads by ").num(if 2 * ph > kh { ph } else { pw }).str(", which is more than half of its ");
            let half = PoolSpec { window: Window { padding: [kh / 2, kw / 2], ..self.window }, ..*self };
            return Err(Problem::new(self.window.kernel(message)).fits(half.label()));
        }
        match self.window.infer(image) {
            Ok(size) => Ok(self.window.space.dims(x.size(0), size)),
            Err(problem) => Err(problem),
        }
    }

    /// None.
    pub const fn param(&self, _i: usize) -> Option<Param> {
        None
    }

    /// One for each tap of each window.
    pub const fn flops(&self, _x: Dims, y: Dims) -> usize {
        y.numel() * self.window.taps()
    }

    /// The window.
    pub const fn reach(&self) -> Reach {
        self.window.reach()
    }

    fn windows(&self, x: Dims, y: Dims) -> Windows {
        let geometry = self.window.over(x, y);
        Windows::sliding(&geometry, matches!(self.kind, Kind::Mean { count_padding: true }))
    }

    pub(crate) fn portable<E: Float, D: Device<E>, T: Tape<E, D>>(
        &self,
        site: &Site<'_, E, D, T>,
        x: Var<E, D, T>,
        y: Dims,
    ) -> Result<Var<E, D, T>, D::Err> {
        let windows = self.windows(x.dims(), y);
        match self.kind {
            Kind::Max => {
                let samples = x.samples();
                let seen = gathered(&windows, site, x, E::neg_infinity())?; // [K, C H' W' B]
                restored(first_max(seen, site)?, samples, y)
            }
            Kind::Mean { .. } => mean(&windows, site, x, y),
        }
    }

    pub(crate) fn onnx(&self, graph: &mut Graph, x: Samples, _y: Dims) -> onnx::Tensor {
        let window = self.window.onnx();
        match self.kind {
            Kind::Max => graph.node("MaxPool", &[x.tensor], &window),
            Kind::Mean { count_padding } => {
                let count_padding = ("count_include_pad", Attribute::Int(count_padding.into()));
                graph.node("AveragePool", &[x.tensor], &[&window[..], &[count_padding]].concat())
            }
        }
    }

    pub(crate) fn plan<E: Float>(&self, planner: &mut Planner<E>, x: Value, y: Dims) -> Value {
        let pooling = if matches!(self.kind, Kind::Max) { Pooling::Max } else { Pooling::Mean };
        let y = planner.step(Pool { windows: self.windows(x.dims, y), pooling }, &[x], y);
        let Window { kernel_size, stride, padding, dilation, .. } = self.window;
        if pooling == Pooling::Max && stride == kernel_size && padding == [0, 0] && dilation == [1, 1] {
            planner.mark(Stage::MaxPool(kernel_size));
        }
        y
    }

    pub(crate) fn fused(&self, planner: &mut gpu::Planner, x: gpu::Value, y: Dims) -> Option<gpu::Value> {
        let windows = self.windows(x.dims, y);
        Some(match self.kind {
            Kind::Max => planner.largest(x, y, &lists(&windows, |_| 1.0)),
            Kind::Mean { .. } => planner.sparse(x, y, &lists(&windows, |window| 1.0 / window.divisor as f64)),
        })
    }
}

/// What an [`AdaptiveAvgPool2d`] or, without a grid, a [`GlobalAvgPool2d`] is.
#[derive(Clone, Copy, Debug)]
pub struct AdaptiveAvgPool2dSpec {
    grid: Option<[usize; 2]>,
}

impl AdaptiveAvgPool2dSpec {
    /// `AdaptiveAvgPool2d<H, W>` or `GlobalAvgPool2d`.
    pub const fn label(&self) -> Label {
        match self.grid {
            Some([h, w]) => Label::new("AdaptiveAvgPool2d", &[h, w]).without_defaults(&[h]),
            None => Label::new("GlobalAvgPool2d", &[]),
        }
    }

    /// Replaces height and width, or leaves the channels alone.
    pub const fn infer(&self, x: Dims) -> Result<Dims, Problem> {
        if x.rank() != 3 {
            return Err(Problem::image(x));
        }
        match self.grid {
            Some([0, _] | [_, 0]) => Err(Problem::zero("size")),
            Some([h, w]) => Ok(Dims::new(&[x.size(0), h, w])),
            None => Ok(Dims::new(&[x.size(0)])),
        }
    }

    /// None.
    pub const fn param(&self, _i: usize) -> Option<Param> {
        None
    }

    /// An addition for each pixel, and a division for each mean.
    pub const fn flops(&self, x: Dims, y: Dims) -> usize {
        x.numel() + y.numel()
    }

    /// The whole image, or what a place of the grid sees at most.
    pub const fn reach(&self) -> Reach {
        Reach::All
    }

    fn windows(&self, x: Dims) -> Windows {
        Windows::adaptive([x.size(1), x.size(2)], self.grid.unwrap_or([1, 1]))
    }

    pub(crate) fn portable<E: Float, D: Device<E>, T: Tape<E, D>>(
        &self,
        site: &Site<'_, E, D, T>,
        x: Var<E, D, T>,
        y: Dims,
    ) -> Result<Var<E, D, T>, D::Err> {
        mean(&self.windows(x.dims()), site, x, y)
    }

    pub(crate) fn onnx(&self, graph: &mut Graph, x: Samples, _y: Dims) -> onnx::Tensor {
        let Some(grid) = self.grid else {
            let axes = graph.ints(&[2, 3]);
            return graph.node("ReduceMean", &[x.tensor, axes], &[("keepdims", Attribute::Int(0))]);
        };
        let [rows, columns] = [0, 1].map(|axis| shares(x.dims.size(1 + axis), grid[axis]));
        let [height, width] = [x.dims.size(1), x.dims.size(2)];
        graph.between_matrices([&rows, &columns], [height, width], x.tensor)
    }

    pub(crate) fn plan<E: Float>(&self, planner: &mut Planner<E>, x: Value, y: Dims) -> Value {
        planner.step(Pool { windows: self.windows(x.dims), pooling: Pooling::Mean }, &[x], y)
    }

    pub(crate) fn fused(&self, planner: &mut gpu::Planner, x: gpu::Value, y: Dims) -> Option<gpu::Value> {
        Some(planner.sparse(x, y, &lists(&self.windows(x.dims), |window| 1.0 / window.divisor as f64)))
    }
}

/// The pixels that each window sees, and how much each counts.
fn lists(windows: &Windows, weight: impl Fn(&windows::Window<'_>) -> f64) -> gpu::Lists {
    let list = |window: windows::Window<'_>| window.pixels.iter().map(|&pixel| (pixel as usize, weight(&window))).collect();
    gpu::Lists::new(windows.pixels, windows.iter().map(list))
}

/// The matrix that makes `places` means of `size` numbers.
fn shares(size: usize, places: usize) -> Vec<f64> {
    let windows = Windows::adaptive([1, size], [1, places]);
    let mut matrix = vec![0.0; places * size];
    for (window, row) in windows.iter().zip(matrix.chunks_exact_mut(size)) {
        window.pixels.iter().for_each(|&pixel| row[pixel as usize] = 1.0 / window.divisor as f64);
    }
    matrix
}

/// What all windows see, `[K, C H' W' B]`, where `K` is the size of the largest; smaller ones are filled with `padding`.
fn gathered<E: Float, D: Device<E>, T: Tape<E, D>>(
    windows: &Windows,
    site: &Site<'_, E, D, T>,
    x: Var<E, D, T>,
    padding: E,
) -> Result<Tensor<(usize, usize), E, D, T>, D::Err> {
    let (samples, channels, numel, taps) = (x.samples(), x.dims().size(0), x.dims().numel(), windows.largest());
    let index = site.index(|| {
        let pixel = |tap: usize, channel: usize, window: &[u32]| window.get(tap).map_or(numel, |&p| channel * windows.pixels + p as usize);
        let places = (0..taps).flat_map(|tap| (0..channels).map(move |channel| (tap, channel)));
        places.flat_map(|(tap, channel)| windows.iter().map(move |window| pixel(tap, channel, window.pixels))).collect()
    })?;
    let seen = x.gather(index, padding)?; // [K C H' W', B]
    seen.try_reshape_like(&(taps, channels * windows.len() * samples))
}

/// `[C H' W' B] -> [B, C, H', W']`
fn restored<E: Float, D: Device<E>, T: Tape<E, D>>(out: Tensor<(usize,), E, D, T>, samples: usize, y: Dims) -> Result<Var<E, D, T>, D::Err> {
    let out = out.try_reshape_like(&(y.numel(), samples))?;
    Var::new(out.try_permute::<(usize, usize), Axes2<1, 0>>()?, samples, y)
}

fn mean<E: Float, D: Device<E>, T: Tape<E, D>>(
    windows: &Windows,
    site: &Site<'_, E, D, T>,
    x: Var<E, D, T>,
    y: Dims,
) -> Result<Var<E, D, T>, D::Err> {
    let (samples, channels) = (x.samples(), x.dims().size(0));
    let sum: Tensor<(usize,), E, D, T> = gathered(windows, site, x, E::zero())?.try_sum::<_, Axis<0>>()?; // [C H' W' B]
    let shares: Vec<E> = windows.iter().map(|window| E::one() / E::of(window.divisor as f64)).collect();
    let shares = site.constant(shares, (windows.len(),))?;
    let shares = shares.try_broadcast_like::<_, Axes2<0, 2>>(&(channels, windows.len(), samples))?;
    let sum = sum.try_reshape_like(&(channels, windows.len(), samples))?;
    restored(sum.try_mul(shares)?.try_reshape_like(&(y.numel() * samples,))?, samples, y)
}

/// The largest of each column, `[K, M] -> [M]`. dfdx's own maximum shares the gradient among equal numbers; here the first
/// one takes it, as in PyTorch.
fn first_max<E: Float, D: Device<E>, T: Tape<E, D>>(
    seen: Tensor<(usize, usize), E, D, T>,
    site: &Site<'_, E, D, T>,
) -> Result<Tensor<(usize,), E, D, T>, D::Err> {
    let (seen, tape) = seen.split_tape();
    let (taps, columns) = *seen.shape();
    let shape = (taps, columns);
    let max = seen.clone().try_max::<(usize,), Axis<0>>()?.try_broadcast_like::<_, Axis<0>>(&shape)?;
    let numbers = (0..taps).map(|tap| E::of(tap as f64)).collect();
    let number = site.constant(numbers, (taps,))?.try_broadcast_like::<_, Axis<1>>(&shape)?.try_contiguous()?;
    let none = site.constant(vec![E::of(taps as f64); taps * columns], shape)?;
    let number_if_max = seen.try_eq(&max)?.try_choose(number.clone(), none)?;
    let first = number_if_max.try_min::<(usize,), Axis<0>>()?.try_broadcast_like::<_, Axis<0>>(&shape)?;
    let zeros = site.constant(vec![E::zero(); taps * columns], shape)?;
    let is_first = number.try_eq(&first)?;
    is_first.try_choose(seen.put_tape(tape), zeros.put_tape(T::default()))?.try_sum::<_, Axis<0>>()
}
