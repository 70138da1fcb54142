//! Rows as columns.

use super::leaf;
use crate::cpu::steps::{Backward, Forward, Step};
use crate::cpu::{Planner, Value};
use crate::float::Float;
use crate::gpu;
use crate::onnx::{Graph, Samples, Tensor};
use crate::portable::{Site, Var};
use crate::types::{Dims, Label, Param, Problem, Reach};
use dfdx::prelude::PermuteTo;
use dfdx::shapes::Axes3;
use dfdx::tensor::Tape;
use dfdx::tensor_ops::Device;

/// Rows as columns: `y[j, i] = x[i, j]`, so that layers on the last dimension work on the first one.
///
/// # Shapes
/// `[A, B] -> [B, A]`
///
/// # Examples
/// ```
/// use formwork::prelude::*;
///
/// /// Mixes places, then features.
/// #[network([16, 8] => [16, 8])]
/// type Mixer = (Residual<(Transpose, Linear<16, 16>, Transpose)>, Residual<Linear<8, 8>>);
/// ```
///
/// Tolstikhin et al., [MLP-Mixer](https://arxiv.org/abs/2105.01601), 2021; PyTorch's `x.transpose(1, 2)`.
#[derive(Clone, Copy, Debug, Default)]
pub struct Transpose;

leaf!(Transpose);

impl Transpose {
    /// `Transpose`
    pub const fn label(&self) -> Label {
        Label::new("Transpose", &[])
    }

    /// Swaps the two dimensions.
    pub const fn infer(&self, x: Dims) -> Result<Dims, Problem> {
        if x.rank() != 2 {
            return Err(Problem::rank("two dimensions [A, B]", x));
        }
        Ok(Dims::new(&[x.size(1), x.size(0)]))
    }

    /// None.
    pub const fn param(&self, _i: usize) -> Option<Param> {
        None
    }

    /// None: numbers are copied.
    pub const fn flops(&self, _x: Dims, _y: Dims) -> usize {
        0
    }

    /// Another place.
    pub const fn reach(&self) -> Reach {
        Reach::All
    }

    pub(crate) fn portable<E: Float, D: Device<E>, T: Tape<E, D>>(
        &self,
        _site: &Site<'_, E, D, T>,
        x: Var<E, D, T>,
        y: Dims,
    ) -> Result<Var<E, D, T>, D::Err> {
        let samples = x.samples();
        let x = x.view(&(samples, y.size(1), y.size(0)))?;
        Var::new(x.try_permute::<(usize, usize, usize), Axes3<0, 2, 1>>()?, samples, y) // [B, i, j] -> [B, j, i]
    }

    pub(crate) fn onnx(&self, graph: &mut Graph, x: Samples, _y: Dims) -> Tensor {
        graph.transpose(x.tensor, &[0, 2, 1])
    }

    pub(crate) fn plan<E: Float>(&self, planner: &mut Planner<E>, x: Value, y: Dims) -> Value {
        planner.step(Swap { rows: y.size(0), cols: y.size(1) }, &[x], y)
    }

    pub(crate) fn fused(&self, planner: &mut gpu::Planner, x: gpu::Value, y: Dims) -> Option<gpu::Value> {
        let (rows, columns) = (y.size(0), y.size(1));
        let index: Vec<usize> = (0..rows * columns).map(|i| i % columns * rows + i / columns).collect();
        Some(planner.sparse(x, y, &gpu::Lists::gather(rows * columns, &index)))
    }
}

/// Rows as columns; the sizes are those of the output.
struct Swap {
    rows: usize,
    cols: usize,
}

impl Swap {
    /// Each place of the output, and the place of the input that goes there.
    fn places(&self, samples: usize) -> impl Iterator<Item = usize> {
        let (rows, cols) = (self.rows, self.cols);
        (0..samples).flat_map(move |sample| (0..rows).flat_map(move |row| (0..cols).map(move |col| (sample * cols + col) * rows + row)))
    }
}

impl<E: Float> Step<E> for Swap {
    fn forward(&self, at: Forward<'_, E>) {
        let x = at.inputs[0];
        at.output.iter_mut().zip(self.places(at.samples)).for_each(|(y, from)| *y = x[from]);
    }

    fn backward(&self, mut at: Backward<'_, E>) {
        let Some(mut dx) = at.d_input() else { return };
        let dx = dx.accumulate();
        at.d_output.iter().zip(self.places(at.samples)).for_each(|(&dy, to)| dx[to] += dy);
    }
}
