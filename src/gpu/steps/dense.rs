//! Products of rows with a weight.

use super::sums::Channels;
use crate::gpu::{Matrix, Parameter, Planner, Value};
use crate::types::Dims;

impl Planner {
    /// `x Wᵀ + b`, row by row: `W` is `[O, I]`.
    pub(crate) fn dense(&mut self, x: Value, dims: Dims, [inputs, outputs]: [usize; 2], weight: Parameter, bias: Option<Parameter>) -> Value {
        let rows = self.samples() * x.dims.numel() / inputs;
        let (y, x_at) = (self.value(dims), self.at(x));
        let y_at = self.at(y);
        if let Some(bias) = bias {
            self.each("fill_rows", rows * outputs, &[bias.at.into(), y_at.into(), outputs.into()]);
        }
        let [of_x, of_weight] = [Matrix::new(x_at, inputs), Matrix::new(weight.at, inputs)];
        self.multiply([rows, outputs, inputs], of_x, of_weight.t(), y_at, bias.is_some()); // [R, I] [I, O]
        self.back(y, move |p, dy| {
            let of_dy = Matrix::new(dy, outputs);
            p.multiply([outputs, inputs, rows], of_dy.t(), of_x, weight.d, true); // [O, R] [R, I]
            if let Some(bias) = bias {
                p.d_bias(dy, bias, Channels { outer: rows, channels: outputs, inner: 1 });
            }
            if let Some(dx) = p.d(x) {
                p.multiply([rows, inputs, outputs], of_dy, of_weight, dx.at, dx.add); // [R, O] [O, I]
            }
        });
        y
    }
}
