//! Two-dimensional convolution, one sample at a time, as a product with the columns of its windows.

use super::{Backward, Forward, Step};
use crate::float::Float;
use crate::kernels::gemm::{Mat, Size, gemm};
use crate::kernels::im2col::{Geometry, col2im, im2col};

/// Cross-correlation; the parameters are `weight` `[O, I / groups, kh, kw]`, then `bias` `[O]`.
pub(crate) struct Conv {
    pub geometry: Geometry,
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
            im2col(&self.geometry, channel, to);
        }
        columns
    }
}

impl<E: Float> Step<E> for Conv {
    fn scratch(&self) -> usize {
        self.size().k * self.size().n
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
        let size = self.size();
        let (weight, _) = at.params.split_at(self.out_channels * size.k);
        let mut d_input = at.d_input();
        let (d_weight, d_bias) = at.d_params.split_at_mut(self.out_channels * size.k);
        let pixels = self.geometry.pixels() * self.in_channels / self.groups;
        for (sample, dy) in at.d_output.chunks_exact(self.out_channels * size.n).enumerate() {
            for (sum, channel) in d_bias.iter_mut().zip(dy.chunks_exact(size.n)) {
                *sum += channel.iter().fold(E::zero(), |sum, &d| sum + d);
            }
            for (group, dy) in dy.chunks_exact(size.m * size.n).enumerate() {
                let dy = Mat::rows(dy, size.n);
                let block = group * size.m * size.k..(group + 1) * size.m * size.k;
                let at_group = (sample * self.groups + group) * pixels..(sample * self.groups + group + 1) * pixels;
                let columns = Mat::rows(self.columns(&at.input[at_group.clone()], at.scratch), size.n);
                gemm(Size { m: size.m, n: size.k, k: size.n }, dy, columns.transposed(), true, &mut d_weight[block.clone()]);
                if let Some(dx) = &mut d_input {
                    let columns = &mut at.scratch[..size.k * size.n];
                    let w = Mat::rows(&weight[block], size.k).transposed();
                    gemm(Size { m: size.k, n: size.n, k: size.m }, w, dy, false, columns);
                    let to = &mut dx.accumulate()[at_group];
                    let per_channel = self.geometry.taps() * size.n;
                    for (columns, channel) in columns.chunks_exact(per_channel).zip(to.chunks_exact_mut(self.geometry.pixels())) {
                        col2im(&self.geometry, columns, channel);
                    }
                }
            }
        }
    }
}
