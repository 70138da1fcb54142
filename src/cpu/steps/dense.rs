//! Rows times a matrix.

use super::wide::{wide, wide_affine};
use super::{Backward, Deferred, Forward, Step};
use crate::float::Float;
use crate::kernels::gemm::{Mat, Size, gemm};
use crate::kernels::panels::Panels;
use crate::kernels::sum::{add_columns, add_rows};
use crate::learn::RankOne;
use core::ops::Range;

/// How many rows a sample has so that a copy of the weight pays.
const MANY: usize = 16;

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
    /// The weight as both ways read it, where chunks have so many rows that they would copy it.
    fn prepared(&self) -> usize {
        if self.rows_per_sample < MANY { 0 } else { 2 * self.inputs * self.outputs }
    }

    fn prepare(&self, params: &[E], goes_back: bool, prepared: &mut [E]) {
        if prepared.is_empty() {
            return;
        }
        let (inputs, outputs, weight) = (self.inputs, self.outputs, &params[self.weight()]);
        let (forward, back) = prepared.split_at_mut(weight.len());
        Panels::copy(Mat::rows(weight, inputs).transposed(), [inputs, outputs], forward);
        if goes_back {
            Panels::copy(Mat::rows(weight, inputs), [outputs, inputs], back);
        }
    }

    fn forward(&self, at: Forward<'_, E>) {
        let (rows, inputs, outputs) = (at.samples * self.rows_per_sample, self.inputs, self.outputs);
        let (weight, bias, x) = (&at.params[self.weight()], &at.params[self.bias()], Mat::rows(at.input(), inputs));
        if !at.prepared.is_empty() {
            let panels = Panels::made(&at.prepared[..weight.len()], [inputs, outputs]);
            return panels.multiply(rows, x, bias, false, at.output);
        }
        let size = Size { m: rows, n: outputs, k: inputs };
        wide_affine(at.threads, size, x, Mat::rows(weight, inputs).transposed(), bias, at.output);
    }

    fn backward(&self, mut at: Backward<'_, E>) {
        let (rows, inputs, outputs) = (at.samples * self.rows_per_sample, self.inputs, self.outputs);
        if !at.d_params.is_empty() {
            let dy = Mat::rows(at.d_output, outputs);
            gemm(Size { m: outputs, n: inputs, k: rows }, dy.transposed(), Mat::rows(at.input, inputs), true, &mut at.d_params[self.weight()]);
            add_rows(at.d_output, &mut at.d_params[self.bias()]);
        }
        if let Some(dx) = at.d_input() {
            let (dy, weight) = (Mat::rows(at.d_output, outputs), &at.params[self.weight()]);
            if !at.prepared.is_empty() {
                let panels = Panels::made(&at.prepared[weight.len()..], [outputs, inputs]);
                return panels.multiply(rows, dy, &[], dx.add, dx.to);
            }
            let weight = Mat::rows(weight, inputs);
            wide(at.threads, Size { m: rows, n: inputs, k: outputs }, dy, weight, dx.add, dx.to);
        }
    }

    /// So that a weight is read as often as it is worth: where each sample has many rows, the weight is copied for them.
    fn efficient(&self) -> usize {
        if self.rows_per_sample < MANY { MANY.div_ceil(self.rows_per_sample) } else { 128usize.div_ceil(self.rows_per_sample) }
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
        if self.weight().contains(&first) { self.inputs } else { 1 }
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
