//! Rows times a matrix.

use super::wide::{wide, wide_affine};
use super::{Backward, Deferred, Forward, Step};
use crate::float::Float;
use crate::kernels::gemm::{Mat, Size, gemm};
use crate::kernels::sum::{add_columns, add_rows};
use crate::learn::RankOne;
use core::ops::Range;

/// `y = x Wᵀ + b` on every row.
pub(crate) struct Dense {
    pub rows_per_sample: usize,
    pub inputs: usize,
    pub outputs: usize,
    /// Where `W` `[outputs, inputs]` begins among the layer's parameters.
    pub weight: usize,
    /// Where `b` `[outputs]` begins among them, if there is one.
    pub bias: Option<usize>,
}

impl Dense {
    /// With `weight`, then `bias`, as all the layer's parameters.
    pub(crate) fn new(rows_per_sample: usize, [inputs, outputs]: [usize; 2], bias: bool) -> Self {
        Dense { rows_per_sample, inputs, outputs, weight: 0, bias: bias.then_some(inputs * outputs) }
    }

    fn weight(&self) -> Range<usize> {
        self.weight..self.weight + self.inputs * self.outputs
    }

    /// Empty where there is none.
    fn bias(&self) -> Range<usize> {
        self.bias.map_or(0..0, |bias| bias..bias + self.outputs)
    }
}

impl<E: Float> Step<E> for Dense {
    fn forward(&self, at: Forward<'_, E>) {
        let (rows, inputs, outputs) = (at.samples * self.rows_per_sample, self.inputs, self.outputs);
        let weight = &at.params[self.weight()];
        let size = Size { m: rows, n: outputs, k: inputs };
        wide_affine(at.threads, size, Mat::rows(at.input(), inputs), Mat::rows(weight, inputs).transposed(), &at.params[self.bias()], at.output);
    }

    fn backward(&self, mut at: Backward<'_, E>) {
        let (rows, inputs, outputs) = (at.samples * self.rows_per_sample, self.inputs, self.outputs);
        if !at.d_params.is_empty() {
            let dy = Mat::rows(at.d_output, outputs);
            gemm(Size { m: outputs, n: inputs, k: rows }, dy.transposed(), Mat::rows(at.input, inputs), true, &mut at.d_params[self.weight()]);
            add_rows(at.d_output, &mut at.d_params[self.bias()]);
        }
        if let Some(dx) = at.d_input() {
            let (dy, weight) = (Mat::rows(at.d_output, outputs), Mat::rows(&at.params[self.weight()], inputs));
            wide(at.threads, Size { m: rows, n: inputs, k: outputs }, dy, weight, dx.add, dx.to);
        }
    }

    /// So that a weight is read as often as it is worth: where each sample has many rows, the weight is copied for them.
    fn efficient(&self) -> usize {
        if self.rows_per_sample < 16 { 16usize.div_ceil(self.rows_per_sample) } else { 128usize.div_ceil(self.rows_per_sample) }
    }

    fn is_shared_out(&self) -> bool {
        true
    }

    fn learns(&self, _: usize) -> Vec<Range<usize>> {
        vec![self.weight(), self.bias()]
    }

    fn deferred(&self) -> Option<&dyn Deferred<E>> {
        Some(self)
    }
}

impl<E: Float> Deferred<E> for Dense {
    fn row(&self, first: usize) -> usize {
        if self.weight().contains(&first) { self.inputs } else { 128usize.div_ceil(self.rows_per_sample) }
    }

    fn gradients(&self, params: Range<usize>, input: &[E], d_output: &[E], gradients: &mut [E]) {
        let (inputs, outputs) = (self.inputs, self.outputs);
        if self.weight().contains(&params.start) {
            let (first, m) = ((params.start - self.weight) / inputs, params.len() / inputs);
            let dy = Mat { data: &d_output[first..], row: 1, col: outputs }; // [m, R]
            return gemm(Size { m, n: inputs, k: d_output.len() / outputs }, dy, Mat::rows(input, inputs), false, gradients);
        }
        let first = params.start - self.bias().start;
        gradients.fill(E::zero());
        add_columns(d_output, outputs, first, gradients);
    }
    fn rank_one<'a>(&self, params: Range<usize>, input: &'a [E], d_output: &'a [E]) -> Option<RankOne<'a, E>> {
        if d_output.len() != self.outputs || !self.weight().contains(&params.start) {
            return None;
        }
        let first = (params.start - self.weight) / self.inputs;
        Some(RankOne { column: &d_output[first..first + params.len() / self.inputs], row: input })
    }
}
