//! Filters that are not learned.

use super::Leaf;
pub use super::upsample::Nearest;
use crate::cpu::steps::{Backward, Forward, Step};
use crate::cpu::{Planner, Value};
use crate::filters::{Border, Kernel, Plane};
use crate::float::Float;
use crate::gpu;
use crate::onnx::{self, Graph, Samples};
use crate::portable::{Site, Var};
use crate::types::{Dims, Label, Layer, Message, Param, Problem, Reach, Spec};
use core::marker::PhantomData;
use dfdx::prelude::{BroadcastTo, PermuteTo, ReshapeTo, TryAdd, TryMatMul};
use dfdx::shapes::{Axes2, Axis};
use dfdx::tensor::{PutTape, Tape, Tensor};
use dfdx::tensor_ops::Device;

/// A filter of each channel by itself, with a kernel that is not learned: `y[c] = k ⋆ x[c]`.
///
/// Arguments: what lies beyond the border, [`Zeros`], [`Nearest`], [`Reflect`] or [`Mirror`], which libraries do not agree
/// on; the kernel, [`Mean`], [`Gaussian`], [`Sobel`] or [`Laplace`]. They are those of [`filters`](crate::filters).
///
/// A kernel is a sum of products of a column and a row, so that the filter is `Y = Σ A X Bᵀ`, where `A` and `B` are matrices
/// with a few diagonals, as in [`convolution_matrix`](crate::filters::convolution_matrix), and the border in their corners.
///
/// # Shapes
/// `[C, H, W]`, kept.
///
/// # Examples
/// ```
/// use formwork::layers::filter::{Filter, Gaussian, Nearest, Reflect, Sobel, X};
/// use formwork::prelude::*;
///
/// #[network([3, 32, 32] => [3, 32, 32])]
/// type Edges = (Filter<Reflect, Gaussian<3, 2>>, Filter<Nearest, Sobel<X>>); // σ = 3/2
/// assert_eq!(Edges::SCALARS, 0);
/// assert_eq!(Edges::RECEPTIVE_FIELD, Some([15, 15]));
/// ```
///
/// torchvision's `GaussianBlur` is one of them. Course notes: image filters.
pub struct Filter<B, K>(PhantomData<fn() -> (B, K)>);

/// The mean of `SIZE x SIZE` pixels: [`filters::mean`](crate::filters::mean).
#[derive(Clone, Copy, Debug, Default)]
pub struct Mean<const SIZE: usize>;

/// A bell of width `σ = N / DEN` pixels, as far as `TRUNCATE σ`: [`filters::gaussian`](crate::filters::gaussian).
///
/// Types carry whole numbers, so `σ` is a fraction: `Gaussian<2>` has 2, `Gaussian<1, 2>` a half.
#[derive(Clone, Copy, Debug, Default)]
pub struct Gaussian<const N: usize, const DEN: usize = 1, const TRUNCATE: usize = 4>;

/// The slope along an axis, [`X`] or [`Y`]: [`filters::sobel_x`](crate::filters::sobel_x),
/// [`filters::sobel_y`](crate::filters::sobel_y).
pub struct Sobel<Axis>(PhantomData<fn() -> Axis>);

/// From left to right.
#[derive(Clone, Copy, Debug, Default)]
pub struct X;

/// From top to bottom.
#[derive(Clone, Copy, Debug, Default)]
pub struct Y;

/// The sum of the second derivatives: [`filters::laplace`](crate::filters::laplace).
#[derive(Clone, Copy, Debug, Default)]
pub struct Laplace;

/// Zeros beyond the border: `Border::Constant(0.0)`.
#[derive(Clone, Copy, Debug, Default)]
pub struct Zeros;

/// The image in a mirror beside its last pixel: [`Border::Reflect`].
#[derive(Clone, Copy, Debug, Default)]
pub struct Reflect;

/// The image in a mirror on its last pixel: [`Border::Mirror`].
#[derive(Clone, Copy, Debug, Default)]
pub struct Mirror;

/// What lies beyond the border, as a type.
#[diagnostic::on_unimplemented(message = "`{Self}` is not a border", label = "expected `Zeros`, `Nearest`, `Reflect` or `Mirror`")]
pub trait Beyond: 'static {
    /// The same as data.
    const BORDER: Border;
}

impl Beyond for Zeros {
    const BORDER: Border = Border::Constant(0.0);
}

impl Beyond for Nearest {
    const BORDER: Border = Border::Nearest;
}

impl Beyond for Reflect {
    const BORDER: Border = Border::Reflect;
}

impl Beyond for Mirror {
    const BORDER: Border = Border::Mirror;
}

/// A kernel as a type.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a kernel",
    label = "expected `Mean<SIZE>`, `Gaussian<N, DEN>`, `Sobel<X>`, `Sobel<Y>` or `Laplace`"
)]
pub trait Weights: 'static {
    /// The same as data.
    #[doc(hidden)]
    const ARGUMENTS: Arguments;
}

/// A kernel with its numbers as its user writes them.
#[doc(hidden)]
#[derive(Clone, Copy, Debug)]
pub enum Arguments {
    Mean(usize),
    Gaussian { numerator: usize, denominator: usize, truncate: usize },
    SobelX,
    SobelY,
    Laplace,
}

impl<const SIZE: usize> Weights for Mean<SIZE> {
    const ARGUMENTS: Arguments = Arguments::Mean(SIZE);
}

impl<const N: usize, const DEN: usize, const TRUNCATE: usize> Weights for Gaussian<N, DEN, TRUNCATE> {
    const ARGUMENTS: Arguments = Arguments::Gaussian { numerator: N, denominator: DEN, truncate: TRUNCATE };
}

impl Weights for Sobel<X> {
    const ARGUMENTS: Arguments = Arguments::SobelX;
}

impl Weights for Sobel<Y> {
    const ARGUMENTS: Arguments = Arguments::SobelY;
}

impl Weights for Laplace {
    const ARGUMENTS: Arguments = Arguments::Laplace;
}

impl<B: Beyond, K: Weights> Layer for Filter<B, K> {
    const SPEC: &'static Spec = &Spec::Leaf(Leaf::Filter(FilterSpec { border: B::BORDER, arguments: K::ARGUMENTS }));
}

/// What a [`Filter`] is.
#[derive(Clone, Copy, Debug)]
pub struct FilterSpec {
    border: Border,
    arguments: Arguments,
}

/// The arguments of a label that are not numbers: border and kernel.
macro_rules! named {
    ($border:expr, $kernel:literal) => {
        match $border {
            Border::Constant(_) => concat!("Zeros, ", $kernel),
            Border::Nearest => concat!("Nearest, ", $kernel),
            Border::Reflect => concat!("Reflect, ", $kernel),
            Border::Mirror => concat!("Mirror, ", $kernel),
        }
    };
}

impl FilterSpec {
    /// `Filter<Reflect, Gaussian<N, DEN, TRUNCATE>>`, without the last numbers that are as they would be anyway.
    pub const fn label(&self) -> Label {
        let label = match self.arguments {
            Arguments::Mean(size) => Label::new(named!(self.border, "Mean"), &[size]),
            Arguments::Gaussian { numerator, denominator, truncate } => {
                Label::new(named!(self.border, "Gaussian"), &[numerator, denominator, truncate]).without_defaults(&[1, 4])
            }
            Arguments::SobelX => Label::new(named!(self.border, "Sobel<X>"), &[]),
            Arguments::SobelY => Label::new(named!(self.border, "Sobel<Y>"), &[]),
            Arguments::Laplace => Label::new(named!(self.border, "Laplace"), &[]),
        };
        label.wrapped("Filter")
    }

    const fn kernel(&self) -> Kernel {
        match self.arguments {
            Arguments::Mean(size) => Kernel::Mean { size },
            Arguments::Gaussian { numerator, denominator, truncate } => Kernel::gaussian(numerator as f64 / denominator as f64, truncate as f64),
            Arguments::SobelX => Kernel::SobelX,
            Arguments::SobelY => Kernel::SobelY,
            Arguments::Laplace => Kernel::Laplace,
        }
    }

    /// Keeps the shape; the kernel reaches no further than the border does.
    pub const fn infer(&self, x: Dims) -> Result<Dims, Problem> {
        if x.rank() != 3 {
            return Err(Problem::image(x));
        }
        match self.arguments {
            Arguments::Gaussian { numerator: 0, .. } => return Err(Problem::zero("numerator")),
            Arguments::Gaussian { denominator: 0, .. } => return Err(Problem::zero("denominator")),
            _ => {}
        }
        let (kernel, [h, w]) = (self.kernel(), [x.size(1), x.size(2)]);
        if !kernel.has_sound_size() {
            let message = Message::new("has a kernel of size ").num(kernel.size()).str(", and it must be odd and at most ");
            return Err(Problem::new(message.num(Kernel::LARGEST)));
        }
        let reach = self.border.reach(if h < w { h } else { w });
        if kernel.radius() > reach {
            let message = Message::new("reaches ").num(kernel.radius()).str(" pixels beyond the image, but in this mirror the ");
            let message = message.num(h).str("x").num(w).str(" image has only ").num(reach);
            return Err(Problem::new(message).fits(FilterSpec { border: Border::Nearest, ..*self }.label()));
        }
        Ok(x)
    }

    /// None.
    pub const fn param(&self, _i: usize) -> Option<Param> {
        None
    }

    /// A multiplication and an addition for each number of the kernel's columns and rows that is not zero.
    pub const fn flops(&self, _x: Dims, y: Dims) -> usize {
        let taps = match self.kernel() {
            Kernel::SobelX | Kernel::SobelY => 3 + 2,
            Kernel::Laplace => (3 + 1) + (3 + 1),
            kernel => 2 * kernel.size(),
        };
        y.numel() * 2 * taps
    }

    /// The kernel.
    pub const fn reach(&self) -> Reach {
        let size = self.kernel().size();
        Reach::Window { size: [size, size], stride: [1, 1] }
    }

    fn plane<E: Float>(&self, y: Dims) -> Plane<E> {
        Plane::new(&self.kernel(), [y.size(1), y.size(2)], self.border)
    }

    pub(crate) fn portable<E: Float, D: Device<E>, T: Tape<E, D>>(
        &self,
        site: &Site<'_, E, D, T>,
        x: Var<E, D, T>,
        y: Dims,
    ) -> Result<Var<E, D, T>, D::Err> {
        let (samples, channels, h, w) = (x.samples(), x.samples() * y.size(0), y.size(1), y.size(2));
        let mut sum: Option<Tensor<(usize, usize, usize), E, D, T>> = None;
        for [columns, rows] in &self.plane(y).products {
            let a = site.constant(columns.dense(), (h, h))?.put_tape(T::default());
            let b = site.constant(rows.dense(), (w, w))?.put_tape(T::default()).try_permute::<(usize, usize), Axes2<1, 0>>()?;
            let along_rows = x.fork().view(&(channels * h, w))?.try_matmul(b)?; // [B C H, W]
            let along_rows = along_rows.try_reshape_like(&(channels, h, w))?; // [B C, H, W]
            let product = a.try_broadcast_like::<_, Axis<0>>(&(channels, h, h))?.try_matmul(along_rows)?;
            sum = Some(match sum {
                None => product,
                Some(sum) => sum.try_add(product)?,
            });
        }
        match sum {
            Some(sum) => Var::new(sum, samples, y),
            None => Ok(x),
        }
    }

    pub(crate) fn onnx(&self, graph: &mut Graph, x: Samples, y: Dims) -> onnx::Tensor {
        let products = self.plane::<f64>(y).products;
        let parts =
            products.iter().map(|[columns, rows]| graph.between_matrices([&columns.dense(), &rows.dense()], [y.size(1), y.size(2)], x.tensor));
        let parts: Vec<onnx::Tensor> = parts.collect();
        parts[1..].iter().fold(parts[0], |sum, &part| graph.node("Add", &[sum, part], &[]))
    }

    pub(crate) fn plan<E: Float>(&self, planner: &mut Planner<E>, x: Value, y: Dims) -> Value {
        planner.step(self.plane::<E>(y), &[x], y)
    }

    pub(crate) fn fused(&self, planner: &mut gpu::Planner, x: gpu::Value, y: Dims) -> Option<gpu::Value> {
        let (h, w) = (y.size(1), y.size(2));
        let mut sum: Option<gpu::Value> = None;
        for [columns, rows] in &self.plane::<f64>(y).products {
            let along_rows = planner.sparse(x, y, &gpu::Lists::new(w, taps(&rows.dense(), w)));
            let spread = |list: Vec<(usize, f64)>| (0..w).map(move |j| list.iter().map(|&(i, weight)| (i * w + j, weight)).collect());
            let product = planner.sparse(along_rows, y, &gpu::Lists::new(h * w, taps(&columns.dense(), h).into_iter().flat_map(spread)));
            sum = Some(sum.map_or(product, |sum| planner.add(sum, product, y)));
        }
        Some(sum.unwrap_or(x))
    }
}

/// The numbers of each row of a square matrix that are not zero, and where they stand.
fn taps(matrix: &[f64], size: usize) -> Vec<Vec<(usize, f64)>> {
    let row = |row: &[f64]| row.iter().copied().enumerate().filter(|&(_, weight)| weight != 0.0).collect();
    matrix.chunks_exact(size).map(row).collect()
}

impl<E: Float> Step<E> for Plane<E> {
    fn scratch(&self) -> usize {
        self.pixels()
    }

    fn forward(&self, at: Forward<'_, E>) {
        let scratch = &mut at.scratch[..self.pixels()];
        for (x, y) in at.inputs[0].chunks_exact(self.pixels()).zip(at.output.chunks_exact_mut(self.pixels())) {
            self.filter(x, y, scratch);
        }
    }

    fn backward(&self, mut at: Backward<'_, E>) {
        let Some(mut dx) = at.d_input() else { return };
        let scratch = &mut at.scratch[..self.pixels()];
        for (dy, dx) in at.d_output.chunks_exact(self.pixels()).zip(dx.accumulate().chunks_exact_mut(self.pixels())) {
            self.add_gradient(dy, dx, scratch);
        }
    }
}
