//! Larger images by interpolation.

use super::{Leaf, gather, generic};
use crate::cpu::steps::{Backward, Forward, Step};
use crate::cpu::{Planner, Value};
use crate::float::Float;
use crate::gpu;
use crate::kernels::geometry::grid;
use crate::onnx::{Attribute, Graph, Samples, Tensor};
use crate::portable::{Site, Var};
use crate::types::{Dims, Extent, Label, Layer, Param, Problem, Reach, Spec};
use dfdx::prelude::{BroadcastTo, ReshapeTo, TryMatMul};
use dfdx::shapes::{Axis, Const};
use dfdx::tensor::{PutTape, Tape};
use dfdx::tensor_ops::Device;

/// An image `F` times larger, in which each number stands `F x F` times or, with [`Bilinear`] or [`BilinearAligned`], is
/// interpolated between its neighbours.
///
/// # Shapes
/// `[C, H, W] -> [C, F H, F W]`
///
/// # Examples
/// ```
/// use formwork::prelude::*;
///
/// #[network([16, 8, 8] => [8, 16, 16])]
/// type Double = (Upsample2d<2>, Conv2d<16, 8, 3, 1, 1>);
///
/// #[network([16, 8, 8] => [16, 16, 16])]
/// type Smooth = Upsample2d<2, Bilinear>;
/// ```
/// In `generic::Upsample2d` height and width may have factors of their own, `(Const<2>, Const<1>)`.
///
/// PyTorch's `nn.Upsample`. Course notes: U-Net.
pub type Upsample2d<const F: usize, Mode = Nearest> = generic::Upsample2d<Const<F>, Mode>;

/// The number of the nearest pixel: an [`Upsample2d`] that repeats each number, a border that repeats the last pixel.
#[derive(Clone, Copy, Debug, Default)]
pub struct Nearest;

/// An [`Upsample2d`] that interpolates between the centres of pixels, which are squares: number `i` along an axis lies at
/// `(i + 1/2) / F - 1/2`, and not before 0. PyTorch's `align_corners=False`.
#[derive(Clone, Copy, Debug, Default)]
pub struct Bilinear;

/// An [`Upsample2d`] that interpolates between pixels, which are points, and keeps the corners where they are: number `i` of
/// `F H` lies at `i (H - 1) / (F H - 1)`. PyTorch's `align_corners=True`.
#[derive(Clone, Copy, Debug, Default)]
pub struct BilinearAligned;

/// How the numbers of a larger image are found.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a way to make an image larger",
    label = "expected `Nearest`, `Bilinear` or `BilinearAligned`"
)]
pub trait Interpolation: 'static {
    #[doc(hidden)]
    const MODE: Mode;
}

/// An [`Interpolation`] as a value.
#[doc(hidden)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    Nearest,
    Bilinear,
    BilinearAligned,
}

impl Interpolation for Nearest {
    const MODE: Mode = Mode::Nearest;
}

impl Interpolation for Bilinear {
    const MODE: Mode = Mode::Bilinear;
}

impl Interpolation for BilinearAligned {
    const MODE: Mode = Mode::BilinearAligned;
}

impl<F: Extent, I: Interpolation> Layer for generic::Upsample2d<F, I> {
    const SPEC: &'static Spec = &Spec::Leaf(Leaf::Upsample2d(Upsample2dSpec { factor: F::HW, mode: I::MODE }));
}

/// What an [`Upsample2d`] is.
#[derive(Clone, Copy, Debug)]
pub struct Upsample2dSpec {
    factor: [usize; 2],
    mode: Mode,
}

impl Upsample2dSpec {
    /// `Upsample2d<F>`.
    pub const fn label(&self) -> Label {
        Label::new("Upsample2d", &[self.factor[0]])
    }

    /// Multiplies height and width.
    pub const fn infer(&self, x: Dims) -> Result<Dims, Problem> {
        if x.rank() != 3 {
            return Err(Problem::image(x));
        }
        match self.factor {
            [0, _] | [_, 0] => Err(Problem::zero("factor")),
            [fh, fw] => Ok(Dims::new(&[x.size(0), fh * x.size(1), fw * x.size(2)])),
        }
    }

    /// None.
    pub const fn param(&self, _i: usize) -> Option<Param> {
        None
    }

    /// Four multiplications and three additions for each number that is interpolated.
    pub const fn flops(&self, _x: Dims, y: Dims) -> usize {
        if matches!(self.mode, Mode::Nearest) { 0 } else { 7 * y.numel() }
    }

    /// The pixel, or the four that a number lies between.
    pub const fn reach(&self) -> Reach {
        let size = if matches!(self.mode, Mode::Nearest) { [1, 1] } else { [2, 2] };
        Reach::Enlarged { size, factor: self.factor }
    }

    /// The pixel that each number of a channel repeats.
    fn sources(&self, x: Dims, y: Dims) -> Vec<usize> {
        let [fh, fw] = self.factor;
        grid([y.size(1), y.size(2)]).map(|[i, j]| i / fh * x.size(2) + j / fw).collect()
    }

    /// What each number along an axis lies between, for an image of `size`.
    fn between<E: Float>(&self, axis: usize, size: usize) -> Vec<Between<E>> {
        let (factor, last) = (self.factor[axis], size - 1);
        let place = |i: usize| match self.mode {
            Mode::BilinearAligned => (i * last) as f64 / (size * factor - 1).max(1) as f64,
            _ => ((i as f64 + 0.5) / factor as f64 - 0.5).max(0.0),
        };
        let between = |place: f64| {
            let (low, share) = (place as usize, place.fract());
            Between { at: [low, (low + 1).min(last)], weight: [E::of(1.0 - share), E::of(share)] }
        };
        (0..size * factor).map(|i| between(place(i))).collect()
    }

    pub(crate) fn portable<E: Float, D: Device<E>, T: Tape<E, D>>(
        &self,
        site: &Site<'_, E, D, T>,
        x: Var<E, D, T>,
        y: Dims,
    ) -> Result<Var<E, D, T>, D::Err> {
        let dims = x.dims();
        match self.mode {
            Mode::Nearest => gather::portable(site, x, y, dims.inner(0), || self.sources(dims, y)),
            _ => self.bilinear(site, x, y),
        }
    }

    /// `R x Cᵀ` for each channel: `R` is `[F H, H]` and interpolates between rows, `C` is `[F W, W]` and does so between columns.
    fn bilinear<E: Float, D: Device<E>, T: Tape<E, D>>(&self, site: &Site<'_, E, D, T>, x: Var<E, D, T>, y: Dims) -> Result<Var<E, D, T>, D::Err> {
        let (samples, images, h, w) = (x.samples(), x.samples() * y.size(0), x.dims().size(1), x.dims().size(2));
        let (height, width) = (y.size(1), y.size(2));
        let mut rows = vec![E::zero(); height * h];
        for (i, between) in self.between(0, h).into_iter().enumerate() {
            between.each().for_each(|(at, weight): (_, E)| rows[i * h + at] += weight);
        }
        let mut columns = vec![E::zero(); w * width];
        for (j, between) in self.between(1, w).into_iter().enumerate() {
            between.each().for_each(|(at, weight): (_, E)| columns[at * width + j] += weight);
        }
        let columns = site.constant(columns, (w, width))?; // Cᵀ
        let rows = site.constant(rows, (height, h))?.try_broadcast_like::<_, Axis<0>>(&(images, height, h))?;
        let wide = x.view(&(images * h, w))?.try_matmul(columns)?.try_reshape_like(&(images, h, width))?;
        Var::new(rows.put_tape(T::default()).try_matmul(wide)?, samples, y)
    }

    pub(crate) fn onnx(&self, graph: &mut Graph, x: Samples, y: Dims) -> Tensor {
        let sizes: Vec<i64> = y.sizes()[1..].iter().map(|&size| size as i64).collect();
        let sizes = graph.ints(&sizes);
        let (mode, places) = match self.mode {
            Mode::Nearest => ("nearest", "asymmetric"),
            Mode::Bilinear => ("linear", "half_pixel"),
            Mode::BilinearAligned => ("linear", "align_corners"),
        };
        let attributes = [
            ("mode", Attribute::Text(mode)),
            ("coordinate_transformation_mode", Attribute::Text(places)),
            ("nearest_mode", Attribute::Text("floor")),
            ("axes", Attribute::Ints(vec![2, 3])),
        ];
        graph.node("Resize", &[x.tensor, Tensor::ABSENT, Tensor::ABSENT, sizes], &attributes)
    }

    pub(crate) fn plan<E: Float>(&self, planner: &mut Planner<E>, x: Value, y: Dims) -> Value {
        let (h, w) = (x.dims.size(1), x.dims.size(2));
        match self.mode {
            Mode::Nearest => gather::plan(planner, x, y, h * w, &self.sources(x.dims, y)),
            _ => planner.step(BilinearStep { rows: self.between(0, h), columns: self.between(1, w), image: [h, w] }, &[x], y),
        }
    }

    pub(crate) fn fused(&self, planner: &mut gpu::Planner, x: gpu::Value, y: Dims) -> Option<gpu::Value> {
        let (h, w) = (x.dims.size(1), x.dims.size(2));
        if matches!(self.mode, Mode::Nearest) {
            return Some(planner.sparse(x, y, &gpu::Lists::gather(h * w, &self.sources(x.dims, y))));
        }
        let [rows, columns] = [self.between::<f64>(0, h), self.between::<f64>(1, w)];
        let list = |[i, j]: [usize; 2]| {
            let corners = rows[i].each().flat_map(|(y, of_y)| columns[j].each().map(move |(x, of_x)| (y * w + x, of_y * of_x)));
            corners.collect()
        };
        Some(planner.sparse(x, y, &gpu::Lists::new(h * w, grid([y.size(1), y.size(2)]).map(list))))
    }
}

/// What a number is interpolated between: two places along an axis, which at its end are the same, and what they count.
struct Between<E> {
    at: [usize; 2],
    weight: [E; 2],
}

impl<E: Float> Between<E> {
    fn each(&self) -> impl Iterator<Item = (usize, E)> {
        self.at.into_iter().zip(self.weight)
    }
}

struct BilinearStep<E> {
    rows: Vec<Between<E>>,
    columns: Vec<Between<E>>,
    image: [usize; 2],
}

impl<E: Float> BilinearStep<E> {
    fn pixels(&self) -> usize {
        self.image[0] * self.image[1]
    }

    /// For each number of the output the four pixels that it lies between, and what they count.
    fn corners(&self) -> impl Iterator<Item = [(usize, E); 4]> {
        let places = self.rows.iter().flat_map(|row| self.columns.iter().map(move |column| (row, column)));
        places.map(|(row, column)| {
            let corner = |i: usize, j: usize| (row.at[i] * self.image[1] + column.at[j], row.weight[i] * column.weight[j]);
            [corner(0, 0), corner(0, 1), corner(1, 0), corner(1, 1)]
        })
    }
}

impl<E: Float> Step<E> for BilinearStep<E> {
    fn forward(&self, at: Forward<'_, E>) {
        let numbers = self.rows.len() * self.columns.len();
        for (x, y) in at.input().chunks_exact(self.pixels()).zip(at.output.chunks_exact_mut(numbers)) {
            for (y, corners) in y.iter_mut().zip(self.corners()) {
                *y = corners.iter().fold(E::zero(), |sum, &(pixel, weight)| sum + x[pixel] * weight);
            }
        }
    }

    fn backward(&self, mut at: Backward<'_, E>) {
        let Some(mut dx) = at.d_input() else { return };
        let numbers = self.rows.len() * self.columns.len();
        for (dx, dy) in dx.accumulate().chunks_exact_mut(self.pixels()).zip(at.d_output.chunks_exact(numbers)) {
            for (&dy, corners) in dy.iter().zip(self.corners()) {
                corners.iter().for_each(|&(pixel, weight)| dx[pixel] += dy * weight);
            }
        }
    }
}
