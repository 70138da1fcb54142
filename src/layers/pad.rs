//! Borders around images and signals: to add them, and to take them off.

use super::window::Space;
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

/// A border of zeros around an image.
///
/// Arguments, in PyTorch's order: how many pixels at the left, at the right (as at the left), at the top (as at the left), at
/// the bottom (as at the left).
///
/// # Shapes
/// `[C, H, W] -> [C, H + T + B, W + L + R]`
///
/// # Examples
/// ```
/// use formwork::prelude::*;
///
/// #[network([1, 28, 28] => [1, 32, 32])]
/// type Wider = ZeroPad2d<2>;
///
/// #[network([1, 15, 15] => [1, 16, 16])]
/// type Even = ZeroPad2d<0, 1, 0, 1>;
/// ```
///
/// PyTorch's `nn.ZeroPad2d`.
pub type ZeroPad2d<const L: usize, const R: usize = L, const T: usize = L, const B: usize = L> =
    generic::ZeroPad2d<Const<L>, Const<R>, Const<T>, Const<B>>;

/// A border in which the image is reflected; the pixels at the edge are the mirror, and are not repeated.
///
/// Arguments, in PyTorch's order: how many pixels at the left, at the right (as at the left), at the top (as at the left), at
/// the bottom (as at the left).
///
/// # Shapes
/// `[C, H, W] -> [C, H + T + B, W + L + R]`, where `T` and `B` are below `H`, `L` and `R` below `W`.
///
/// # Examples
/// ```
/// use formwork::prelude::*;
///
/// #[network([3, 32, 32] => [8, 32, 32])]
/// type Smooth = (ReflectionPad2d<1>, Conv2d<3, 8, 3>);
/// ```
///
/// PyTorch's `nn.ReflectionPad2d`.
pub type ReflectionPad2d<const L: usize, const R: usize = L, const T: usize = L, const B: usize = L> =
    generic::ReflectionPad2d<Const<L>, Const<R>, Const<T>, Const<B>>;

/// The image without its border: the inverse of [`ZeroPad2d`].
///
/// Arguments: how many pixels to take off at the left, at the right (as at the left), at the top (as at the left), at the
/// bottom (as at the left).
///
/// # Shapes
/// `[C, H, W] -> [C, H - T - B, W - L - R]`
///
/// # Examples
/// An odd size does not survive pooling and upsampling; padded, it does:
/// ```
/// use formwork::prelude::*;
///
/// type Skip = SkipConcat<(MaxPool2d<2>, Conv2d<1, 1, 3, 1, 1>, Upsample2d<2>)>;
///
/// #[network([1, 15, 15] => [2, 15, 15])]
/// type Odd = (ZeroPad2d<0, 1, 0, 1>, Skip, Crop2d<0, 1, 0, 1>);
/// ```
///
/// PyTorch's `nn.ZeroPad2d` with numbers below zero.
pub type Crop2d<const L: usize, const R: usize = L, const T: usize = L, const B: usize = L> = generic::Crop2d<Const<L>, Const<R>, Const<T>, Const<B>>;

/// Zeros at both ends of a signal.
///
/// Arguments: how many at the beginning, how many at the end (as at the beginning).
///
/// # Shapes
/// `[C, N] -> [C, N + L + R]`
///
/// # Examples
/// ```
/// use formwork::prelude::*;
///
/// #[network([2, 100] => [8, 100])]
/// type Causal = (ZeroPad1d<4, 0>, Conv1d<2, 8, 5>);
/// ```
///
/// PyTorch's `nn.ZeroPad1d`.
pub type ZeroPad1d<const L: usize, const R: usize = L> = generic::ZeroPad1d<Const<L>, Const<R>>;

/// A signal reflected at both ends; the first and the last number are the mirrors, and are not repeated.
///
/// Arguments: how many numbers at the beginning, how many at the end (as at the beginning).
///
/// # Shapes
/// `[C, N] -> [C, N + L + R]`, where `L` and `R` are below `N`.
///
/// # Examples
/// ```
/// use formwork::prelude::*;
///
/// #[network([1, 100] => [1, 100])]
/// type MovingAverage = (ReflectionPad1d<2>, AvgPool1d<5, 1>);
/// ```
///
/// PyTorch's `nn.ReflectionPad1d`.
pub type ReflectionPad1d<const L: usize, const R: usize = L> = generic::ReflectionPad1d<Const<L>, Const<R>>;

/// A signal without its ends: the inverse of [`ZeroPad1d`].
///
/// Arguments: how many numbers to take off at the beginning, how many at the end (as at the beginning).
///
/// # Shapes
/// `[C, N] -> [C, N - L - R]`
///
/// # Examples
/// ```
/// use formwork::prelude::*;
///
/// #[network([2, 100] => [2, 90])]
/// type Middle = Crop1d<5>;
/// ```
///
/// PyTorch's `nn.ZeroPad1d` with numbers below zero.
pub type Crop1d<const L: usize, const R: usize = L> = generic::Crop1d<Const<L>, Const<R>>;

macro_rules! borders {
    ($($Image:ident, $Signal:ident: $border:ident;)*) => { $(
        impl<L: Size, R: Size, T: Size, B: Size> Layer for generic::$Image<L, R, T, B> {
            const SPEC: &'static Spec = &Spec::Leaf(Leaf::Pad(PadSpec {
                space: Space::Image,
                border: Border::$border,
                rows: [T::SIZE, B::SIZE],
                columns: [L::SIZE, R::SIZE],
            }));
        }

        impl<L: Size, R: Size> Layer for generic::$Signal<L, R> {
            const SPEC: &'static Spec = &Spec::Leaf(Leaf::Pad(PadSpec {
                space: Space::Signal,
                border: Border::$border,
                rows: [0, 0],
                columns: [L::SIZE, R::SIZE],
            }));
        }
    )* };
}

borders! {
    ZeroPad2d, ZeroPad1d: Zeros;
    ReflectionPad2d, ReflectionPad1d: Reflection;
    Crop2d, Crop1d: Cropped;
}

/// What a [`ZeroPad2d`], a [`ReflectionPad2d`], a [`Crop2d`], or one of the three for signals is.
#[derive(Clone, Copy, Debug)]
pub struct PadSpec {
    space: Space,
    border: Border,
    /// How many rows at the top and at the bottom.
    rows: [usize; 2],
    /// How many columns at the left and at the right.
    columns: [usize; 2],
}

/// What becomes of the border.
#[derive(Clone, Copy, Debug)]
enum Border {
    Zeros,
    Reflection,
    Cropped,
}

impl PadSpec {
    /// `ZeroPad2d<L, R, T, B>`, without the last arguments that are as they would be anyway.
    pub const fn label(&self) -> Label {
        let name = match self.border {
            Border::Zeros => self.space.word("ZeroPad1d", "ZeroPad2d"),
            Border::Reflection => self.space.word("ReflectionPad1d", "ReflectionPad2d"),
            Border::Cropped => self.space.word("Crop1d", "Crop2d"),
        };
        let ([top, bottom], [left, right]) = (self.rows, self.columns);
        match self.space {
            Space::Signal => Label::new(name, &[left, right]).without_defaults(&[left]),
            Space::Image => Label::new(name, &[left, right, top, bottom]).without_defaults(&[left, left, left]),
        }
    }

    /// Adds the border, or takes it off.
    pub const fn infer(&self, x: Dims) -> Result<Dims, Problem> {
        let (height, width) = match self.space.image(x) {
            Ok(image) => (image.size(1), image.size(2)),
            Err(problem) => return Err(problem),
        };
        match (self.along(height, self.rows), self.along(width, self.columns)) {
            (Some(h), Some(w)) => Ok(self.space.dims(x.size(0), [h, w])),
            (None, _) => Err(self.too_much(self.rows, height, [" rows, but the image is only ", " high"], [height, width])),
            (_, None) => {
                let columns = self.space.word(" numbers, but the signal is only ", " columns, but the image is only ");
                Err(self.too_much(self.columns, width, [columns, self.space.word(" long", " wide")], [height, width]))
            }
        }
    }

    /// The size that comes out along an axis.
    const fn along(&self, size: usize, [before, after]: [usize; 2]) -> Option<usize> {
        match self.border {
            Border::Zeros => Some(size + before + after),
            Border::Reflection if before < size && after < size => Some(size + before + after),
            Border::Cropped if before + after < size => Some(size - before - after),
            _ => None,
        }
    }

    const fn too_much(&self, [before, after]: [usize; 2], size: usize, words: [&'static str; 2], image: [usize; 2]) -> Problem {
        let message = match self.border {
            Border::Cropped => Message::new("takes off ").num(before + after),
            _ => Message::new("reflects ").num(if before > after { before } else { after }),
        };
        let problem = Problem::new(message.str(words[0]).num(size).str(words[1]));
        if matches!(self.border, Border::Reflection) { problem.fits(self.within(image).label()) } else { problem }
    }

    /// The same with a border that an image of this size can be reflected in.
    const fn within(&self, [height, width]: [usize; 2]) -> PadSpec {
        const fn below([a, b]: [usize; 2], size: usize) -> [usize; 2] {
            let last = size.saturating_sub(1);
            [if a < last { a } else { last }, if b < last { b } else { last }]
        }
        PadSpec { rows: below(self.rows, height), columns: below(self.columns, width), ..*self }
    }

    /// None.
    pub const fn param(&self, _i: usize) -> Option<Param> {
        None
    }

    /// None.
    pub const fn flops(&self, _x: Dims, _y: Dims) -> usize {
        0
    }

    /// A pixel, or its mirror image, which is no further from the edge.
    pub const fn reach(&self) -> Reach {
        Reach::Point
    }

    /// Along an axis of so many numbers: which one comes to stand at `at`, with `before` of the border before it.
    fn source(&self, size: usize, before: usize, at: usize) -> Option<usize> {
        match self.border {
            Border::Zeros => at.checked_sub(before).filter(|&i| i < size),
            Border::Reflection => {
                let i = at.abs_diff(before);
                Some(if i < size { i } else { 2 * (size - 1) - i })
            }
            Border::Cropped => Some(at + before),
        }
    }

    /// For each pixel of a channel the pixel it is; the number behind the last stands for a zero.
    fn sources(&self, x: Dims, y: Dims) -> Vec<usize> {
        let [height, width] = self.space.extent(x);
        let pixel = |[row, column]: [usize; 2]| Some(self.source(height, self.rows[0], row)? * width + self.source(width, self.columns[0], column)?);
        grid(self.space.extent(y)).map(|at| pixel(at).unwrap_or(height * width)).collect()
    }

    pub(crate) fn portable<E: Float, D: Device<E>, T: Tape<E, D>>(
        &self,
        site: &Site<'_, E, D, T>,
        x: Var<E, D, T>,
        y: Dims,
    ) -> Result<Var<E, D, T>, D::Err> {
        let dims = x.dims();
        gather::portable(site, x, y, dims.inner(0), || self.sources(dims, y))
    }

    pub(crate) fn onnx(&self, graph: &mut Graph, x: Samples, _y: Dims) -> Tensor {
        let mode = match self.border {
            Border::Zeros => "constant",
            Border::Reflection => "reflect",
            Border::Cropped => return self.cropped(graph, x),
        };
        let [begins, ends] = [0, 1].map(|side| self.space.axes([self.rows[side], self.columns[side]]));
        let pads = graph.ints(&[&[0, 0][..], &begins, &[0, 0], &ends].concat());
        graph.node("Pad", &[x.tensor, pads], &[("mode", Attribute::Text(mode))])
    }

    fn cropped(&self, graph: &mut Graph, x: Samples) -> Tensor {
        let sizes = self.space.extent(x.dims);
        let ends = [sizes[0] - self.rows[1], sizes[1] - self.columns[1]];
        let [begins, ends] = [[self.rows[0], self.columns[0]], ends].map(|pair| graph.ints(&self.space.axes(pair)));
        let axes = graph.ints(if self.space == Space::Signal { &[2] } else { &[2, 3] });
        graph.node("Slice", &[x.tensor, begins, ends, axes], &[])
    }

    pub(crate) fn plan<E: Float>(&self, planner: &mut Planner<E>, x: Value, y: Dims) -> Value {
        gather::plan(planner, x, y, x.dims.inner(0), &self.sources(x.dims, y))
    }

    pub(crate) fn fused(&self, planner: &mut gpu::Planner, x: gpu::Value, y: Dims) -> Option<gpu::Value> {
        Some(planner.sparse(x, y, &gpu::Lists::gather(x.dims.inner(0), &self.sources(x.dims, y))))
    }
}

#[cfg(test)]
mod tests {
    use crate::layers::gather::outputs;
    use crate::prelude::*;

    /// ```python
    /// x = torch.arange(1.0, 7.0).reshape(1, 1, 2, 3)
    /// torch.nn.ZeroPad2d((1, 0, 0, 1))(x), torch.nn.ReflectionPad2d((2, 1, 1, 0))(x)
    /// ```
    #[test]
    fn sides_are_left_right_top_bottom() {
        let x = [1.0, 2.0, 3.0, 4.0, 5.0, 6.0];
        let zeros = outputs::<Net<ZeroPad2d<1, 0, 0, 1>, Rank3<1, 2, 3>, Rank3<1, 3, 4>>>(&x);
        assert_eq!(zeros, [0.0, 1.0, 2.0, 3.0, 0.0, 4.0, 5.0, 6.0, 0.0, 0.0, 0.0, 0.0]);
        let reflected = outputs::<Net<ReflectionPad2d<2, 1, 1, 0>, Rank3<1, 2, 3>, Rank3<1, 3, 6>>>(&x);
        assert_eq!(reflected[..6], [6.0, 5.0, 4.0, 5.0, 6.0, 5.0]);
        assert_eq!(reflected[6..], [3.0, 2.0, 1.0, 2.0, 3.0, 2.0, 6.0, 5.0, 4.0, 5.0, 6.0, 5.0]);
        assert_eq!(outputs::<Net<Crop2d<1, 0, 0, 1>, Rank3<1, 2, 3>, Rank3<1, 1, 2>>>(&x), [2.0, 3.0]);
    }

    #[test]
    fn to_crop_undoes_to_pad() {
        let x: Vec<f32> = (1..=12).map(|i| i as f32).collect();
        assert_eq!(outputs::<Net<(ZeroPad2d<1, 2, 3, 4>, Crop2d<1, 2, 3, 4>), Rank3<2, 2, 3>, Rank3<2, 2, 3>>>(&x), x);
        assert_eq!(outputs::<Net<(ReflectionPad2d<1>, Crop2d<1>), Rank3<2, 2, 3>, Rank3<2, 2, 3>>>(&x), x);
    }
}
