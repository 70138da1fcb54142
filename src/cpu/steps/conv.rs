//! Convolution and its transpose, one sample at a time, as products with the columns of windows.

use super::{Backward, Forward, Step};
use crate::float::Float;
use crate::kernels::gemm::{Mat, Size, gemm};
use crate::kernels::geometry::Geometry;
use crate::kernels::im2col::Unfold;
use crate::kernels::sum::sum;

/// Filters over images `x`, `[in_channels, pixels]`, and what they see, `y`, `[out_channels, windows]`; their `weight` is
/// `[out_channels, in_channels / groups, kh, kw]`.
///
/// A convolution goes from `x` to `y`, and on its way back from `y` to `x`; its transpose does the same the other way round.
pub(crate) struct Filters {
    geometry: Geometry,
    unfold: Unfold,
    in_channels: usize,
    out_channels: usize,
    groups: usize,
}

impl Filters {
    pub(crate) fn new(geometry: Geometry, [in_channels, out_channels]: [usize; 2], groups: usize) -> Self {
        Filters { unfold: Unfold::new(&geometry), geometry, in_channels, out_channels, groups }
    }

    /// The product of one group: `[out_channels / groups, taps of all its channels] [.., windows]`.
    fn size(&self) -> Size {
        let channels = self.in_channels / self.groups;
        Size { m: self.out_channels / self.groups, n: self.geometry.windows(), k: channels * self.geometry.taps() }
    }

    /// How many numbers the weight has.
    fn weights(&self) -> usize {
        self.out_channels * self.size().k
    }

    /// The columns, and the sums of one group's weight gradient.
    fn scratch(&self) -> usize {
        let size = self.size();
        size.k * size.n + size.k * size.m
    }

    /// How many numbers of an image one group sees.
    fn seen_by_group(&self) -> usize {
        self.in_channels / self.groups * self.geometry.pixels()
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

    /// What the filters see of images: `y = W columns` or, with `add`, `y += W columns`.
    fn see<E: Float>(&self, weight: &[E], x: &[E], scratch: &mut [E], add: bool, y: &mut [E]) {
        let size = self.size();
        let groups = x.chunks_exact(self.seen_by_group()).zip(y.chunks_exact_mut(size.m * size.n));
        for ((x, y), w) in groups.zip(weight.chunks_exact(size.m * size.k).cycle()) {
            let columns = self.columns(x, scratch);
            gemm(size, Mat::rows(w, size.k), Mat::rows(columns, size.n), add, y);
        }
    }

    /// Adds `Wᵀ y`, window by window, to the pixels of `x`.
    fn spread<E: Float>(&self, weight: &[E], y: &[E], scratch: &mut [E], x: &mut [E]) {
        let size = self.size();
        let groups = x.chunks_exact_mut(self.seen_by_group()).zip(y.chunks_exact(size.m * size.n));
        for ((x, y), w) in groups.zip(weight.chunks_exact(size.m * size.k).cycle()) {
            let columns = &mut scratch[..size.k * size.n];
            gemm(Size { m: size.k, n: size.n, k: size.m }, Mat::rows(w, size.k).transposed(), Mat::rows(y, size.n), false, columns);
            let channels = x.chunks_exact_mut(self.geometry.pixels());
            for (columns, channel) in columns.chunks_exact_mut(self.geometry.taps() * size.n).zip(channels) {
                self.unfold.col2im(columns, channel);
            }
        }
    }

    /// Adds `y columnsᵀ` over the samples to the gradient of the weight. It is summed as its transpose, `columns yᵀ`: then the
    /// smaller of the two matrices is the one that is copied into panels.
    fn correlate<E: Float>(&self, x: &[E], y: &[E], scratch: &mut [E], d_weight: &mut [E]) {
        let size = self.size();
        let (scratch, sums) = scratch.split_at_mut(size.k * size.n);
        let sums = &mut sums[..size.k * size.m];
        for (group, d_weight) in d_weight.chunks_exact_mut(size.m * size.k).enumerate() {
            sums.fill(E::zero());
            let samples = x.chunks_exact(self.seen_by_group()).zip(y.chunks_exact(size.m * size.n));
            for (x, y) in samples.skip(group).step_by(self.groups) {
                let columns = Mat::rows(self.columns(x, scratch), size.n);
                gemm(Size { m: size.k, n: size.m, k: size.n }, columns, Mat::rows(y, size.n).transposed(), true, sums);
            }
            for (o, row) in d_weight.chunks_exact_mut(size.k).enumerate() {
                row.iter_mut().zip(sums[o..].iter().step_by(size.m)).for_each(|(d, &sum)| *d += sum);
            }
        }
    }
}

/// Writes the bias of each channel to all its places; without a bias, nothing.
fn put_bias<E: Copy>(bias: &[E], places: usize, output: &mut [E]) {
    for (channel, &b) in output.chunks_exact_mut(places).zip(bias.iter().cycle()) {
        channel.fill(b);
    }
}

/// Adds up the gradient of each channel's bias over samples `[channels, places]`.
fn add_bias<E: Float>(d_output: &[E], [channels, places]: [usize; 2], d_bias: &mut [E]) {
    for dy in d_output.chunks_exact(channels * places) {
        for (d, channel) in d_bias.iter_mut().zip(dy.chunks_exact(places)) {
            *d += sum(channel);
        }
    }
}

/// Cross-correlation; the parameters are the filters' weight, then `bias` `[out_channels]`.
pub(crate) struct Conv {
    pub filters: Filters,
    pub bias: bool,
}

impl<E: Float> Step<E> for Conv {
    fn scratch(&self) -> usize {
        self.filters.scratch()
    }

    fn forward(&self, at: Forward<'_, E>) {
        let (weight, bias) = at.params.split_at(self.filters.weights());
        put_bias(bias, self.filters.geometry.windows(), at.output);
        self.filters.see(weight, at.input(), at.scratch, self.bias, at.output);
    }

    fn backward(&self, mut at: Backward<'_, E>) {
        let (d_input, weights) = (at.d_input(), self.filters.weights());
        let (d_weight, d_bias) = at.d_params.split_at_mut(weights);
        add_bias(at.d_output, [self.filters.out_channels, self.filters.geometry.windows()], d_bias);
        self.filters.correlate(at.input, at.d_output, at.scratch, d_weight);
        if let Some(mut dx) = d_input {
            self.filters.spread(&at.params[..weights], at.d_output, at.scratch, dx.accumulate());
        }
    }
}

/// The transpose of a cross-correlation; the parameters are the filters' weight, then `bias` `[in_channels]`.
pub(crate) struct ConvTranspose {
    pub filters: Filters,
    pub bias: bool,
}

impl<E: Float> Step<E> for ConvTranspose {
    fn scratch(&self) -> usize {
        self.filters.scratch()
    }

    fn forward(&self, at: Forward<'_, E>) {
        let (weight, bias) = at.params.split_at(self.filters.weights());
        if self.bias {
            put_bias(bias, self.filters.geometry.pixels(), at.output);
        } else {
            at.output.fill(E::zero());
        }
        self.filters.spread(weight, at.input(), at.scratch, at.output);
    }

    fn backward(&self, mut at: Backward<'_, E>) {
        let (d_input, weights) = (at.d_input(), self.filters.weights());
        let (d_weight, d_bias) = at.d_params.split_at_mut(weights);
        add_bias(at.d_output, [self.filters.in_channels, self.filters.geometry.pixels()], d_bias);
        self.filters.correlate(at.d_output, at.input, at.scratch, d_weight);
        if let Some(dx) = d_input {
            self.filters.see(&at.params[..weights], at.d_output, at.scratch, dx.add, dx.to);
        }
    }
}
