//! Rows times a matrix.

use super::{Backward, Forward, Step};
use crate::float::Float;
use crate::kernels::gemm::{Mat, Size, gemm};

/// `y = x Wᵀ + b` on every row; the parameters are `weight` `[outputs, inputs]`, then `bias` `[outputs]`.
pub(crate) struct Dense {
    pub rows_per_sample: usize,
    pub inputs: usize,
    pub outputs: usize,
    pub bias: bool,
}

impl<E: Float> Step<E> for Dense {
    fn forward(&self, at: Forward<'_, E>) {
        let (rows, inputs, outputs) = (at.samples * self.rows_per_sample, self.inputs, self.outputs);
        let (weight, bias) = at.params.split_at(inputs * outputs);
        if self.bias {
            at.output.chunks_exact_mut(outputs).for_each(|row| row.copy_from_slice(bias));
        }
        let size = Size { m: rows, n: outputs, k: inputs };
        gemm(size, Mat::rows(at.input(), inputs), Mat::rows(weight, inputs).transposed(), self.bias, at.output);
    }

    fn backward(&self, mut at: Backward<'_, E>) {
        let (rows, inputs, outputs) = (at.samples * self.rows_per_sample, self.inputs, self.outputs);
        let (weight, _) = at.params.split_at(inputs * outputs);
        let d_input = at.d_input();
        let (d_weight, d_bias) = at.d_params.split_at_mut(inputs * outputs);
        let dy = Mat::rows(at.d_output, outputs);
        gemm(Size { m: outputs, n: inputs, k: rows }, dy.transposed(), Mat::rows(at.input, inputs), true, d_weight);
        for row in at.d_output.chunks_exact(outputs) {
            d_bias.iter_mut().zip(row).for_each(|(sum, &d)| *sum += d);
        }
        if let Some(dx) = d_input {
            gemm(Size { m: rows, n: inputs, k: outputs }, dy, Mat::rows(weight, inputs), dx.add, dx.to);
        }
    }
}
