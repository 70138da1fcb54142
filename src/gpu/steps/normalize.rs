//! Normalizations.

use super::sums::{Channels, Factor};
use crate::gpu::call::{Arg, THREADS};
use crate::gpu::{Parameter, Planner, Value};
use crate::layers::normalization::Normalization;

/// How many rows a block has, a warp for each.
pub(crate) const ROWS: usize = THREADS / 32;

impl Planner {
    /// Rows of numbers with mean 0 and variance 1, times a weight, plus a bias, if there are any.
    pub(crate) fn normalize(&mut self, x: Value, of: Normalization, affine: Option<[Parameter; 2]>) -> Value {
        let (y, count) = (self.value(x.dims), self.samples() * x.dims.numel());
        let rows = count / of.row;
        let (x_at, y_at, mean, scale) = (self.at(x), self.at(y), self.room(rows), self.room(rows));
        let [weight, bias] = [0, 1].map(|i| affine.map(|parameters| parameters[i].at));
        let sizes: [Arg; 4] = [rows.into(), of.row.into(), of.run.into(), of.weights.max(1).into()];
        let args: [Arg; 6] = [x_at.into(), y_at.into(), mean.into(), scale.into(), weight.into(), bias.into()];
        self.blocks("normalize", rows.div_ceil(ROWS), &[&args[..], &sizes, &[of.epsilon.into()]].concat());
        self.back(y, move |p, dy| {
            if let Some([weight, bias]) = affine {
                let channels = Channels { outer: count / (of.weights * of.run), channels: of.weights, inner: of.run };
                let sums = p.channel_sums(dy, Factor::OfRow { x: x_at, mean, scale, row: of.row }, channels);
                p.accumulate(sums, bias.d, of.weights);
                p.accumulate(sums.behind(of.weights), weight.d, of.weights);
            }
            let Some(dx) = p.d(x) else { return };
            let args: [Arg; 7] = [x_at.into(), dy.into(), dx.at.into(), dx.add.into(), mean.into(), scale.into(), weight.into()];
            p.blocks("normalize_back", rows.div_ceil(ROWS), &[&args[..], &sizes].concat());
        });
        y
    }
}
