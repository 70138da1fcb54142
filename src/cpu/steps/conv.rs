//! Two-dimensional convolution, one sample at a time, as a product with the columns of its windows.

use super::{Backward, Forward, Step};
use crate::float::Float;
use crate::kernels::gemm::{Mat, Size, gemm};
use crate::kernels::geometry::Geometry;
use crate::kernels::im2col::Unfold;
use crate::kernels::sum::sum;

/// Cross-correlation; the parameters are `weight` `[O, I / groups, kh, kw]`, then `bias` `[O]`.
pub(crate) struct Conv {
    pub geometry: Geometry,
    pub unfold: Unfold,
    pub in_channels: usize,
    pub out_channels: usize,
    pub groups: usize,
    pub bias: bool,
}

impl Conv {
    /// The product of one group: `[O / groups, taps of all its channels] [.., windows]`.
    fn size(&self) -> Size {
        let channels = self.in_channels / self.groups;
        Size { m: self.out_channels / self.groups, n: self.geometry.windows(), k: channels * self.geometry.taps() }
    }

    /// The windows of one group's channels, as columns: in `scratch`, or the image itself where they are its pixels.
    fn columns<'a, E: Float>(&self, group: &'a [E], scratch: &'a mut [E]) -> &'a [E] {
        if self.geometry.is_identity() {
            return group;
        }
        let columns = &mut scratch[..self.size().k * self.size().n];
        let per_channel = self.geometry.taps() * self.geometry.windows();
        for (channel, to) in group.chunks_exact(self.geometry.pixels()).zip(columns.chunks_exact_mut(per_channel)) {
            self.unfold.im2col(channel, to);
        }
        columns
    }
}

impl<E: Float> Step<E> for Conv {
    /// The columns, and the sums of one group's weight gradient.
    fn scratch(&self) -> usize {
        let size = self.size();
        size.k * size.n + size.k * size.m
    }

    fn forward(&self, at: Forward<'_, E>) {
        let size = self.size();
        let (weight, bias) = at.params.split_at(self.out_channels * size.k);
        let images = at.input().chunks_exact(self.in_channels * self.geometry.pixels());
        for (x, y) in images.zip(at.output.chunks_exact_mut(self.out_channels * size.n)) {
            for (channel, &b) in y.chunks_exact_mut(size.n).zip(bias) {
                channel.fill(b);
            }
            let groups = x.chunks_exact(x.len() / self.groups).zip(y.chunks_exact_mut(size.m * size.n));
            for ((x, y), w) in groups.zip(weight.chunks_exact(size.m * size.k)) {
                let columns = self.columns(x, at.scratch);
                gemm(size, Mat::rows(w, size.k), Mat::rows(columns, size.n), self.bias, y);
            }
        }
    }

    fn backward(&self, mut at: Backward<'_, E>) {
        let (size, mut d_input) = (self.size(), at.d_input());
        let (_, d_bias) = at.d_params.split_at_mut(self.out_channels * size.k);
        for dy in at.d_output.chunks_exact(self.out_channels * size.n) {
            for (d, channel) in d_bias.iter_mut().zip(dy.chunks_exact(size.n)) {
                *d += sum(channel);
            }
        }
        for group in 0..self.groups {
            self.backward_weight(group, &mut at);
            if let Some(dx) = &mut d_input {
                self.backward_input(group, &mut at, dx.accumulate());
            }
        }
    }
}

impl Conv {
    /// The samples of one group's output gradient, as matrices `[O / groups, windows]`.
    fn d_outputs<'a, E>(&self, group: usize, d_output: &'a [E]) -> impl Iterator<Item = Mat<'a, E>> {
        let size = self.size();
        d_output.chunks_exact(size.m * size.n).skip(group).step_by(self.groups).map(move |dy| Mat::rows(dy, size.n))
    }

    /// Adds `dy columnsᵀ` over the samples. It is summed as its transpose, `columns dyᵀ`: then the smaller of the two
    /// matrices is the one that is copied into panels.
    fn backward_weight<E: Float>(&self, group: usize, at: &mut Backward<'_, E>) {
        let size = self.size();
        let (scratch, sums) = at.scratch.split_at_mut(size.k * size.n);
        let sums = &mut sums[..size.k * size.m];
        sums.fill(E::zero());
        let inputs = at.input.chunks_exact(self.in_channels / self.groups * self.geometry.pixels()).skip(group).step_by(self.groups);
        for (x, dy) in inputs.zip(self.d_outputs(group, at.d_output)) {
            let columns = Mat::rows(self.columns(x, scratch), size.n);
            gemm(Size { m: size.k, n: size.m, k: size.n }, columns, dy.transposed(), true, sums);
        }
        let d_weight = &mut at.d_params[group * size.m * size.k..(group + 1) * size.m * size.k];
        for (o, row) in d_weight.chunks_exact_mut(size.k).enumerate() {
            row.iter_mut().zip(sums[o..].iter().step_by(size.m)).for_each(|(d, &sum)| *d += sum);
        }
    }

    /// Adds `Wᵀ dy`, window by window, to the pixels.
    fn backward_input<E: Float>(&self, group: usize, at: &mut Backward<'_, E>, dx: &mut [E]) {
        let size = self.size();
        let weight = Mat::rows(&at.params[group * size.m * size.k..(group + 1) * size.m * size.k], size.k).transposed();
        let images = dx.chunks_exact_mut(self.in_channels / self.groups * self.geometry.pixels()).skip(group).step_by(self.groups);
        let columns = &mut at.scratch[..size.k * size.n];
        for (dx, dy) in images.zip(self.d_outputs(group, at.d_output)) {
            gemm(Size { m: size.k, n: size.n, k: size.m }, weight, dy, false, columns);
            let channels = dx.chunks_exact_mut(self.geometry.pixels());
            for (columns, channel) in columns.chunks_exact_mut(self.geometry.taps() * size.n).zip(channels) {
                self.unfold.col2im(columns, channel);
            }
        }
    }
}
