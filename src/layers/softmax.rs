//! Softmax and its logarithm.

use super::Leaf;
use crate::cpu::steps::{Backward, Forward, Gradient, Step};
use crate::cpu::{Planner, Value};
use crate::float::Float;
use crate::gpu;
use crate::kernels::exp::exp;
use crate::kernels::simd::{Job, with_best};
use crate::kernels::sum::{dot, largest, sum};
use crate::onnx::{Attribute, Graph, Samples, Tensor};
use crate::portable::{Site, Var};
use crate::types::{Dims, Label, Layer, Message, Param, Problem, Reach, Spec};
use dfdx::shapes::Axis;
use dfdx::tensor::Tape;
use dfdx::tensor_ops::Device;

/// The last dimension, whichever it is.
const LAST: usize = usize::MAX;

/// Probabilities: `y_i = exp(x_i) / Σ_j exp(x_j)` along a dimension, the last one unless another is named.
///
/// The largest `x` is taken off first, so that nothing overflows. [`CrossEntropy`](crate::learn::CrossEntropy) wants the
/// numbers before it, not the probabilities.
///
/// # Shapes
/// Any, kept. `Softmax<0>` runs along the first dimension of a sample, the channels of an image.
///
/// # Examples
/// ```
/// use formwork::prelude::*;
///
/// #[network([4] => [3])]
/// type Probabilities = (Linear<4, 3>, Softmax);
/// ```
///
/// Course notes: softmax regression.
#[derive(Clone, Copy, Debug, Default)]
pub struct Softmax<const AXIS: usize = LAST>;

/// Logarithms of probabilities: `y_i = x_i - log Σ_j exp(x_j)` along a dimension, the last one unless another is named.
///
/// # Shapes
/// Any, kept.
///
/// # Examples
/// ```
/// use formwork::prelude::*;
///
/// #[network([4] => [3])]
/// type LogProbabilities = (Linear<4, 3>, LogSoftmax);
/// ```
///
/// Course notes: softmax regression.
#[derive(Clone, Copy, Debug, Default)]
pub struct LogSoftmax<const AXIS: usize = LAST>;

impl<const AXIS: usize> Layer for Softmax<AXIS> {
    const SPEC: &'static Spec = &Spec::Leaf(Leaf::Softmax(SoftmaxSpec { axis: AXIS, log: false }));
}

impl<const AXIS: usize> Layer for LogSoftmax<AXIS> {
    const SPEC: &'static Spec = &Spec::Leaf(Leaf::Softmax(SoftmaxSpec { axis: AXIS, log: true }));
}

/// What a [`Softmax`] or a [`LogSoftmax`] is.
#[derive(Clone, Copy, Debug)]
pub struct SoftmaxSpec {
    axis: usize,
    log: bool,
}

impl SoftmaxSpec {
    /// `Softmax` or `Softmax<AXIS>`.
    pub const fn label(&self) -> Label {
        Label::new(if self.log { "LogSoftmax" } else { "Softmax" }, &[self.axis]).without_defaults(&[LAST])
    }

    /// Any shape stays as it is; the dimension must be there.
    pub const fn infer(&self, x: Dims) -> Result<Dims, Problem> {
        if x.rank() == 0 {
            return Err(Problem::rank("at least one dimension", x));
        }
        if self.axis != LAST && self.axis >= x.rank() {
            let message = Message::new("runs along dimension ").num(self.axis).str(", counted from 0, but is given ").dims(x);
            return Err(Problem::new(message));
        }
        Ok(x)
    }

    /// None.
    pub const fn param(&self, _i: usize) -> Option<Param> {
        None
    }

    /// A maximum, a difference, an exponential, a sum and a division for each number.
    pub const fn flops(&self, _x: Dims, y: Dims) -> usize {
        5 * y.numel()
    }

    /// What runs over channels stays in its pixel; what runs along a row or a column sees it all.
    pub const fn reach(&self) -> Reach {
        if self.axis == 0 { Reach::Point } else { Reach::All }
    }

    /// Whether it runs along the last of several dimensions, and leaves the others apart.
    pub(crate) const fn keeps_rows(&self, x: Dims) -> bool {
        self.axis == LAST || self.axis + 1 == x.rank()
    }

    /// How the dimension lies: how many numbers it has, and how far apart they are.
    fn lines(&self, x: Dims) -> Lines {
        let axis = if self.axis == LAST { x.rank() - 1 } else { self.axis };
        Lines { len: x.size(axis), stride: x.inner(axis) }
    }

    pub(crate) fn portable<E: Float, D: Device<E>, T: Tape<E, D>>(
        &self,
        _site: &Site<'_, E, D, T>,
        x: Var<E, D, T>,
        y: Dims,
    ) -> Result<Var<E, D, T>, D::Err> {
        let (samples, lines) = (x.samples(), self.lines(y));
        let shape = (samples * y.numel() / (lines.len * lines.stride), lines.len, lines.stride);
        let x = x.view(&shape)?; // [.., axis, ..]
        let out = if self.log { x.try_log_softmax::<Axis<1>>()? } else { x.try_softmax::<Axis<1>>()? };
        Var::new(out, samples, y)
    }

    pub(crate) fn onnx(&self, graph: &mut Graph, x: Samples, y: Dims) -> Tensor {
        let axis = if self.axis == LAST { y.rank() } else { 1 + self.axis };
        graph.node(if self.log { "LogSoftmax" } else { "Softmax" }, &[x.tensor], &[("axis", Attribute::Int(axis as i64))])
    }

    pub(crate) fn plan<E: Float>(&self, planner: &mut Planner<E>, x: Value, y: Dims) -> Value {
        planner.step(SoftmaxStep { lines: self.lines(y), log: self.log }, &[x], y)
    }

    pub(crate) fn fused(&self, planner: &mut gpu::Planner, x: gpu::Value, y: Dims) -> Option<gpu::Value> {
        let (Lines { len, stride }, out) = (self.lines(y), planner.value(y));
        let lines = planner.samples() * y.numel() / len;
        let sizes: [gpu::Arg; 4] = [lines.into(), len.into(), stride.into(), self.log.into()];
        let (x_at, y_at, blocks) = (planner.at(x), planner.at(out), lines.div_ceil(gpu::ROWS));
        planner.blocks("softmax", blocks, &[&[x_at.into(), y_at.into()], &sizes[..]].concat());
        planner.back(out, move |p, dy| {
            if let Some(dx) = p.d(x) {
                p.blocks("softmax_back", blocks, &[&[y_at.into(), dy.into(), dx.at.into(), dx.add.into()], &sizes[..]].concat());
            }
        });
        Some(out)
    }
}

/// The lines of numbers that sum to one: `len` numbers, `stride` apart.
#[derive(Clone, Copy)]
struct Lines {
    len: usize,
    stride: usize,
}

impl Lines {
    /// Where each line of `numel` numbers begins.
    fn begins(self, numel: usize) -> impl Iterator<Item = usize> {
        (0..numel).step_by(self.len * self.stride).flat_map(move |block| block..block + self.stride)
    }

    /// Where the numbers of a line are.
    fn line(self, begin: usize) -> impl Iterator<Item = usize> + Clone {
        (begin..).step_by(self.stride).take(self.len)
    }
}

struct SoftmaxStep {
    lines: Lines,
    log: bool,
}

/// The softmax, or its logarithm, of numbers that follow one another.
#[inline(always)]
fn softmax<E: Float>(log: bool, x: &[E], y: &mut [E]) {
    let max = largest(x);
    y.iter_mut().zip(x).for_each(|(y, &x)| *y = exp(x - max));
    let sum = sum(y);
    if log {
        let log_sum = sum.ln();
        y.iter_mut().zip(x).for_each(|(y, &x)| *y = x - max - log_sum);
    } else {
        y.iter_mut().for_each(|y| *y /= sum);
    }
}

/// The gradient of [`softmax`].
#[inline(always)]
fn softmax_back<E: Float>(log: bool, y: &[E], dy: &[E], Gradient { to, add }: Gradient<'_, E>) {
    let numbers = to.iter_mut().zip(y.iter().zip(dy));
    let sum = if log { sum(dy) } else { dot(dy, y) };
    for (dx, (&y, &dy)) in numbers {
        let before = if add { *dx } else { E::zero() };
        *dx = before + if log { dy - exp(y) * sum } else { y * (dy - sum) };
    }
}

/// Lines that lie one behind the other.
struct Rows<'a, E> {
    len: usize,
    log: bool,
    x: &'a [E],
    y: &'a mut [E],
}

impl<E: Float> Job for Rows<'_, E> {
    #[inline(always)]
    fn run(self) {
        for (x, y) in self.x.chunks_exact(self.len).zip(self.y.chunks_exact_mut(self.len)) {
            softmax(self.log, x, y);
        }
    }
}

struct RowsBack<'a, E> {
    len: usize,
    log: bool,
    y: &'a [E],
    dy: &'a [E],
    dx: Gradient<'a, E>,
}

impl<E: Float> Job for RowsBack<'_, E> {
    #[inline(always)]
    fn run(self) {
        let rows = self.y.chunks_exact(self.len).zip(self.dy.chunks_exact(self.len));
        for (to, (y, dy)) in self.dx.to.chunks_exact_mut(self.len).zip(rows) {
            softmax_back(self.log, y, dy, Gradient { to, add: self.dx.add });
        }
    }
}

impl<E: Float> Step<E> for SoftmaxStep {
    /// Three lines, one behind the other.
    fn scratch(&self) -> usize {
        3 * self.lines.len
    }

    fn forward(&self, at: Forward<'_, E>) {
        let (x, y, Lines { len, stride }, log) = (at.inputs[0], at.output, self.lines, self.log);
        if stride == 1 {
            return with_best(Rows { len, log, x, y });
        }
        let (x_line, y_line) = at.scratch[..2 * len].split_at_mut(len);
        for begin in self.lines.begins(x.len()) {
            let line = self.lines.line(begin);
            x_line.iter_mut().zip(line.clone()).for_each(|(to, i)| *to = x[i]);
            with_best(Rows { len, log, x: x_line, y: y_line });
            y_line.iter().zip(line).for_each(|(&from, i)| y[i] = from);
        }
    }

    fn backward(&self, mut at: Backward<'_, E>) {
        let Some(dx) = at.d_input() else { return };
        let (y, dy, Lines { len, stride }, log) = (at.output, at.d_output, self.lines, self.log);
        if stride == 1 {
            return with_best(RowsBack { len, log, y, dy, dx });
        }
        let (y_line, rest) = at.scratch[..3 * len].split_at_mut(len);
        let (dy_line, dx_line) = rest.split_at_mut(len);
        for begin in self.lines.begins(y.len()) {
            let line = self.lines.line(begin);
            for (i, at) in line.clone().enumerate() {
                (y_line[i], dy_line[i], dx_line[i]) = (y[at], dy[at], dx.to[at]);
            }
            with_best(RowsBack { len, log, y: y_line, dy: dy_line, dx: Gradient { to: dx_line, add: dx.add } });
            line.zip(dx_line.iter()).for_each(|(at, &from)| dx.to[at] = from);
        }
    }
}
