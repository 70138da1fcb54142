//! Rows of numbers with mean 0 and variance 1.

use super::{Backward, Forward, Gradient, Step};
use crate::float::Float;
use crate::kernels::layer_norm::{LayerNorm, LayerNormBack};
use crate::kernels::moments::Moments;
use crate::kernels::simd::{Job, with_best};
use crate::kernels::sum::{dot, sum};
use crate::layers::normalization::Normalization;

/// `y = w x̂ + b`, where `x̂` is `x` normalized; the parameters are `weight`, then `bias`, if there are any.
pub(crate) struct Normalize(pub Normalization);

impl Normalize {
    /// Whether each number of a row has a weight of its own, the same ones for all rows.
    fn is_layer_norm(&self) -> bool {
        self.0.weights == self.0.row && self.0.run == 1
    }

    /// Which of the parameters belong to a row.
    #[inline(always)]
    fn weights(&self, row: usize) -> core::ops::Range<usize> {
        let weights = self.0.row / self.0.run;
        let first = row * weights % self.0.weights;
        first..first + weights
    }
}

impl<E: Float> Step<E> for Normalize {
    /// A row of `x̂`, and its gradient.
    fn scratch(&self) -> usize {
        2 * self.0.row
    }

    fn forward(&self, at: Forward<'_, E>) {
        let Normalization { weights, epsilon, .. } = self.0;
        if !self.is_layer_norm() {
            return with_best(Rows { step: self, at });
        }
        let (weight, bias) = at.params.split_at(weights);
        E::run(LayerNorm { x: at.inputs[0], weight, bias, epsilon: E::of(epsilon), y: at.output });
    }

    fn backward(&self, mut at: Backward<'_, E>) {
        let Normalization { weights, epsilon, .. } = self.0;
        if !self.is_layer_norm() {
            return with_best(RowsBack { step: self, at });
        }
        let d_x = at.d_input().map(|Gradient { to, add }| (to, add));
        let (d_weight, d_bias) = at.d_params.split_at_mut(weights);
        let (x, dy, weight) = (at.input, at.d_output, &at.params[..weights]);
        E::run(LayerNormBack { x, dy, weight, epsilon: E::of(epsilon), d_weight, d_bias, d_x });
    }
}

struct Rows<'a, E> {
    step: &'a Normalize,
    at: Forward<'a, E>,
}

impl<E: Float> Job for Rows<'_, E> {
    #[inline(always)]
    fn run(self) {
        let Rows { step, at } = self;
        let Normalization { row, weights, epsilon, .. } = step.0;
        let (weight, bias) = at.params.split_at(weights);
        let rows = at.inputs[0].chunks_exact(row).zip(at.output.chunks_exact_mut(row));
        for (i, (x, y)) in rows.enumerate() {
            Moments::of(x, E::of(epsilon)).normalize(x, y);
            if weights > 0 {
                let own = step.weights(i);
                scale(y, &weight[own.clone()]);
                shift(y, &bias[own]);
            }
        }
    }
}

/// `x̂` is computed anew: that costs less than a place to keep it.
struct RowsBack<'a, E> {
    step: &'a Normalize,
    at: Backward<'a, E>,
}

impl<E: Float> Job for RowsBack<'_, E> {
    #[inline(always)]
    fn run(self) {
        let RowsBack { step, mut at } = self;
        let Normalization { row, weights, epsilon, .. } = step.0;
        let mut d_input = at.d_input();
        let weight = &at.params[..weights];
        let (d_weight, d_bias) = at.d_params.split_at_mut(weights);
        let (normal, d_normal) = at.scratch[..2 * row].split_at_mut(row);
        let rows = at.input.chunks_exact(row).zip(at.d_output.chunks_exact(row));
        for (i, (x, dy)) in rows.enumerate() {
            let moments = Moments::of(x, E::of(epsilon));
            moments.normalize(x, normal);
            d_normal.copy_from_slice(dy);
            if weights > 0 {
                let own = step.weights(i);
                add_products(&mut d_weight[own.clone()], dy, normal);
                add_sums(&mut d_bias[own.clone()], dy);
                scale(d_normal, &weight[own]);
            }
            if let Some(dx) = &mut d_input {
                moments.gradient(normal, d_normal, &mut dx.to[i * row..][..row], dx.add);
            }
        }
    }
}

/// `y *= w`, where each weight belongs to as many numbers.
#[inline(always)]
fn scale<E: Float>(y: &mut [E], weight: &[E]) {
    if y.len() == weight.len() {
        return y.iter_mut().zip(weight).for_each(|(y, &w)| *y *= w);
    }
    for (run, &w) in y.chunks_exact_mut(y.len() / weight.len()).zip(weight) {
        run.iter_mut().for_each(|y| *y *= w);
    }
}

/// `y += b`
#[inline(always)]
fn shift<E: Float>(y: &mut [E], bias: &[E]) {
    if y.len() == bias.len() {
        return y.iter_mut().zip(bias).for_each(|(y, &b)| *y += b);
    }
    for (run, &b) in y.chunks_exact_mut(y.len() / bias.len()).zip(bias) {
        run.iter_mut().for_each(|y| *y += b);
    }
}

/// The gradient of [`scale`]: `dw += Σ dy y` over the numbers of each weight.
#[inline(always)]
fn add_products<E: Float>(d_weight: &mut [E], dy: &[E], y: &[E]) {
    if y.len() == d_weight.len() {
        return d_weight.iter_mut().zip(dy.iter().zip(y)).for_each(|(d, (&dy, &y))| *d += dy * y);
    }
    let run = y.len() / d_weight.len();
    for (d, (dy, y)) in d_weight.iter_mut().zip(dy.chunks_exact(run).zip(y.chunks_exact(run))) {
        *d += dot(dy, y);
    }
}

/// The gradient of [`shift`]: `db += Σ dy`.
#[inline(always)]
fn add_sums<E: Float>(d_bias: &mut [E], dy: &[E]) {
    if dy.len() == d_bias.len() {
        return d_bias.iter_mut().zip(dy).for_each(|(d, &dy)| *d += dy);
    }
    let run = dy.len() / d_bias.len();
    for (d, dy) in d_bias.iter_mut().zip(dy.chunks_exact(run)) {
        *d += sum(dy);
    }
}
