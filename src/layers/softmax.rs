//! Softmax and its logarithm.

use super::Leaf;
use crate::cpu::steps::{Backward, Forward, Step};
use crate::cpu::{Planner, Value};
use crate::float::Float;
use crate::kernels::exp::exp_minus;
use crate::kernels::sum::{largest, sum};
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

    pub(crate) fn plan<E: Float>(&self, planner: &mut Planner<E>, x: Value, y: Dims) -> Value {
        planner.step(SoftmaxStep { lines: self.lines(y), log: self.log }, &[x], y)
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

impl SoftmaxStep {
    /// The softmax, or its logarithm, of numbers that follow one another.
    fn row<E: Float>(&self, x: &[E], y: &mut [E]) {
        let max = largest(x);
        exp_minus(x, max, y);
        let sum = sum(y);
        if self.log {
            let log_sum = sum.ln();
            y.iter_mut().zip(x).for_each(|(y, &x)| *y = x - max - log_sum);
        } else {
            y.iter_mut().for_each(|y| *y /= sum);
        }
    }
}

impl<E: Float> Step<E> for SoftmaxStep {
    /// Two lines, one behind the other.
    fn scratch(&self) -> usize {
        2 * self.lines.len
    }

    fn forward(&self, at: Forward<'_, E>) {
        let (x, y, len) = (at.inputs[0], at.output, self.lines.len);
        if self.lines.stride == 1 {
            return x.chunks_exact(len).zip(y.chunks_exact_mut(len)).for_each(|(x, y)| self.row(x, y));
        }
        let (x_line, y_line) = at.scratch[..2 * len].split_at_mut(len);
        for begin in self.lines.begins(x.len()) {
            let line = self.lines.line(begin);
            x_line.iter_mut().zip(line.clone()).for_each(|(to, i)| *to = x[i]);
            self.row(x_line, y_line);
            y_line.iter().zip(line).for_each(|(&from, i)| y[i] = from);
        }
    }

    fn backward(&self, mut at: Backward<'_, E>) {
        let Some(mut dx) = at.d_input() else { return };
        let (y, dy, dx) = (at.output, at.d_output, dx.accumulate());
        let (y_line, p_line) = at.scratch[..2 * self.lines.len].split_at_mut(self.lines.len);
        for begin in self.lines.begins(y.len()) {
            let line = self.lines.line(begin);
            if self.log {
                y_line.iter_mut().zip(line.clone()).for_each(|(to, i)| *to = y[i]);
                exp_minus(y_line, E::zero(), p_line);
                let sum = line.clone().fold(E::zero(), |sum, i| sum + dy[i]);
                line.zip(p_line.iter()).for_each(|(i, &p)| dx[i] += dy[i] - p * sum);
            } else {
                let dot = line.clone().fold(E::zero(), |sum, i| sum + dy[i] * y[i]);
                line.for_each(|i| dx[i] += y[i] * (dy[i] - dot));
            }
        }
    }
}
