//! Convolutions that see one pixel at a time: products of matrices.

use super::conv::Bank;
use super::wide::wide;
use crate::float::Float;
use crate::kernels::gemm::{Mat, Size};

/// Filters of 1 x 1 over all pixels: in each group `y = W x + b`, where `x` is `[in_channels, pixels]` and `y`
/// `[out_channels, pixels]`.
pub(super) struct Pointwise {
    /// The channels of a group, of `x` and of `y`.
    channels: [usize; 2],
    groups: usize,
    pixels: usize,
}

impl Pointwise {
    /// If the filters are such.
    pub fn new(bank: &Bank) -> Option<Self> {
        let g = &bank.geometry;
        let is_pointwise = g.kernel == [1, 1] && g.stride == [1, 1] && g.padding == [0, 0];
        is_pointwise.then(|| Pointwise { channels: bank.of_group(), groups: bank.groups, pixels: g.pixels() })
    }

    /// `y = W x + b` or, with `add`, `y += W x + b`.
    pub fn see<E: Float>(&self, threads: Option<usize>, filters: [&[E]; 2], x: &[E], add: bool, y: &mut [E]) {
        self.multiply(threads, false, filters, x, add, y);
    }

    /// `x = Wᵀ y + b` or, with `add`, `x += Wᵀ y + b`.
    pub fn spread<E: Float>(&self, threads: Option<usize>, filters: [&[E]; 2], y: &[E], add: bool, x: &mut [E]) {
        self.multiply(threads, true, filters, y, add, x);
    }

    /// Either of them, group by group.
    fn multiply<E: Float>(&self, threads: Option<usize>, is_turned: bool, [weight, bias]: [&[E]; 2], from: &[E], add: bool, to: &mut [E]) {
        let ([inputs, outputs], n) = (self.channels, self.pixels);
        let [rows, k] = if is_turned { [inputs, outputs] } else { [outputs, inputs] };
        for (i, (from, to)) in from.chunks_exact(k * n).zip(to.chunks_exact_mut(rows * n)).enumerate() {
            let group = i % self.groups;
            if !bias.is_empty() {
                for (row, &bias) in to.chunks_exact_mut(n).zip(&bias[group * rows..]) {
                    if add { row.iter_mut().for_each(|to| *to += bias) } else { row.fill(bias) }
                }
            }
            let weight = Mat::rows(&weight[group * inputs * outputs..(group + 1) * inputs * outputs], inputs);
            let weight = if is_turned { weight.transposed() } else { weight };
            wide(threads, Size { m: rows, n, k }, weight, Mat::rows(from, n), add || !bias.is_empty(), to);
        }
    }

    /// Adds the gradient of the weight over the samples: `Σ y xᵀ`.
    pub fn correlate<E: Float>(&self, threads: Option<usize>, x: &[E], y: &[E], d_weight: &mut [E]) {
        let ([inputs, outputs], k) = (self.channels, self.pixels);
        for (i, (x, y)) in x.chunks_exact(inputs * k).zip(y.chunks_exact(outputs * k)).enumerate() {
            let group = i % self.groups;
            let d_weight = &mut d_weight[group * inputs * outputs..(group + 1) * inputs * outputs];
            wide(threads, Size { m: outputs, n: inputs, k }, Mat::rows(y, k), Mat::rows(x, k).transposed(), true, d_weight);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernels::geometry::Geometry;
    use proptest::prelude::*;

    proptest! {
        /// Sums as they are written down, on any number of threads.
        #[test]
        fn products_pixel_by_pixel(image in [1..20usize, 1..20usize], channels in [1..30usize, 1..30usize], groups in 1..3usize, samples in 1..3usize, threads in proptest::option::of(1..4usize), add: bool) {
            let geometry = Geometry { image, kernel: [1, 1], stride: [1, 1], padding: [0, 0], dilation: [1, 1], output: image };
            let bank = Bank { geometry, channels: channels.map(|channels| groups * channels), groups };
            let (pointwise, [inputs, outputs], pixels) = (Pointwise::new(&bank).unwrap(), channels, geometry.pixels());
            let numbers = |count: usize, step: usize| -> Vec<f64> { (0..count).map(|i| ((i * step % 101) as f64 - 50.0) / 64.0).collect() };
            let [x, y, weight, bias] = [(inputs * pixels * samples, 37), (outputs * pixels * samples, 53), (inputs * outputs, 29), (outputs, 7)].map(|(count, step)| numbers(groups * count, step));
            let begin = f64::from(u8::from(add));
            let [mut seen, mut spread, mut d_weight] = [&y, &x, &weight].map(|like| vec![1.0; like.len()]);
            pointwise.see(threads, [&weight, &bias], &x, add, &mut seen);
            pointwise.spread(threads, [&weight, &[]], &y, add, &mut spread);
            pointwise.correlate(threads, &x, &y, &mut d_weight);

            let mut expected = (vec![begin; y.len()], vec![begin; x.len()], vec![1.0; weight.len()]);
            for i in 0..samples * groups {
                let group = i % groups;
                for o in 0..outputs {
                    for p in 0..pixels {
                        let at = (i * outputs + o) * pixels + p;
                        expected.0[at] += bias[group * outputs + o];
                        for c in 0..inputs {
                            let (w, from) = ((group * outputs + o) * inputs + c, (i * inputs + c) * pixels + p);
                            expected.0[at] += weight[w] * x[from];
                            expected.1[from] += weight[w] * y[at];
                            expected.2[w] += x[from] * y[at];
                        }
                    }
                }
            }
            for (got, want) in [(seen, expected.0), (spread, expected.1), (d_weight, expected.2)] {
                prop_assert!(got.iter().zip(&want).all(|(got, want)| (got - want).abs() < 1e-9));
            }
        }
    }
}
