//! Convolutions, and their transposes.

use super::sums::Channels;
use crate::gpu::call::{Arg, Place};
use crate::gpu::{Parameter, Planner, Value};
use crate::kernels::geometry::Geometry;
use crate::types::Dims;

/// The filters of a convolution, and how they walk.
#[derive(Clone, Copy)]
pub(crate) struct Bank {
    pub geometry: Geometry,
    /// Channels of the images that windows are cut from, and of those that have a number for each window.
    pub channels: [usize; 2],
    pub groups: usize,
}

/// From so many channels of a group on, tiles are those for many.
const MANY: usize = 24;

/// Rows and columns of the tile that a block of `conv.cu` has, for few channels and for many.
const TILES: [[usize; 2]; 2] = [[16, 256], [64, 128]];
/// The same for the gradients of weights.
const WEIGHT_TILES: [[usize; 2]; 2] = [[16, 64], [64, 128]];

/// How many tiles a matrix of so many rows and columns has.
fn tiles(sizes: [usize; 2], of: [[usize; 2]; 2]) -> usize {
    let [rows, columns] = of[usize::from(sizes[0] >= MANY)];
    sizes[0].div_ceil(rows) * sizes[1].div_ceil(columns)
}

/// Kernels for few channels and for many, in each [`Precision`].
type Kernels = [[&'static str; 2]; 2];
const FORWARD: Kernels = [["conv_few", "conv_many"], ["conv_few_tf32", "conv_many_tf32"]];
const BACK: Kernels = [["conv_back_few", "conv_back_many"], ["conv_back_few_tf32", "conv_back_many_tf32"]];
const WEIGHT: Kernels = [["conv_weight_few", "conv_weight_many"], ["conv_weight_few_tf32", "conv_weight_many_tf32"]];

impl Bank {
    /// The struct of that name in `conv.cu`.
    fn sizes(&self, samples: usize) -> [usize; 16] {
        let Geometry { image: [h, w], kernel: [kh, kw], stride: [sh, sw], padding: [ph, pw], dilation: [dh, dw], output: [oh, ow] } = self.geometry;
        let [ci, co] = self.per_group();
        [samples, self.groups, ci, co, h, w, oh, ow, kh, kw, sh, sw, ph, pw, dh, dw]
    }

    fn per_group(&self) -> [usize; 2] {
        self.channels.map(|channels| channels / self.groups)
    }

    fn weights(&self) -> usize {
        self.channels[1] * self.per_group()[0] * self.geometry.taps()
    }

    /// How many tiles the gradients of the weights are, and how many slots their sums are made in, whatever the machine.
    fn weight_tiles(&self, samples: usize) -> [usize; 2] {
        /// Windows that a slot is worth having for, and blocks that fill a machine.
        const WORTH: usize = 1024;
        const BLOCKS: usize = 256;
        let [ci, co] = self.per_group();
        let tiles = self.groups * tiles([co, ci * self.geometry.taps()], WEIGHT_TILES);
        [tiles, (samples * self.geometry.windows() / WORTH).min(BLOCKS / tiles).max(1)]
    }
}

impl Planner {
    /// `y = w ⋆ x + b`
    pub(crate) fn conv(&mut self, x: Value, dims: Dims, bank: Bank, weight: Parameter, bias: Option<Parameter>) -> Value {
        let y = self.value(dims);
        let (samples, sizes) = (self.samples(), self.table(bank.sizes(self.samples())));
        let (x_at, y_at) = (self.at(x), self.at(y));
        self.correlate(bank, sizes, [x_at, y_at], weight.at, bias.map(|bias| bias.at));
        self.back(y, move |p, dy| {
            p.d_filters(bank, sizes, [x_at, dy], weight);
            if let Some(bias) = bias {
                p.d_bias(dy, bias, Channels { outer: samples, channels: bank.channels[1], inner: bank.geometry.windows() });
            }
            if let Some(dx) = p.d(x) {
                p.spread(bank, sizes, [dy, dx.at], weight.at, None, dx.add);
            }
        });
        y
    }

    /// The transpose of [`Planner::conv`], which makes the images that windows are cut from.
    pub(crate) fn conv_transpose(&mut self, x: Value, dims: Dims, bank: Bank, weight: Parameter, bias: Option<Parameter>) -> Value {
        let y = self.value(dims);
        let (samples, sizes) = (self.samples(), self.table(bank.sizes(self.samples())));
        let (x_at, y_at) = (self.at(x), self.at(y));
        self.spread(bank, sizes, [x_at, y_at], weight.at, bias.map(|bias| bias.at), false);
        self.back(y, move |p, dy| {
            p.d_filters(bank, sizes, [dy, x_at], weight);
            if let Some(bias) = bias {
                p.d_bias(dy, bias, Channels { outer: samples, channels: bank.channels[0], inner: bank.geometry.pixels() });
            }
            if let Some(dx) = p.d(x) {
                let to = if dx.add { p.room(samples * x.dims.numel()) } else { dx.at };
                p.correlate(bank, sizes, [dy, to], weight.at, None);
                if dx.add {
                    p.accumulate(to, dx.at, samples * x.dims.numel());
                }
            }
        });
        y
    }

    /// Of some kernels the one for so many channels.
    fn tiled(&mut self, kernels: Kernels, channels: usize, blocks: usize, args: &[Arg]) {
        let name = kernels[self.precision() as usize][usize::from(channels >= MANY)];
        self.blocks(name, blocks, args);
    }

    /// Numbers for windows from images.
    fn correlate(&mut self, bank: Bank, sizes: Arg, [images, windows]: [Place; 2], weight: Place, bias: Option<Place>) {
        let [_, channels] = bank.per_group();
        let blocks = bank.groups * tiles([channels, self.samples() * bank.geometry.windows()], TILES);
        self.tiled(FORWARD, channels, blocks, &[sizes, images.into(), weight.into(), bias.into(), windows.into()]);
    }

    /// Images from numbers for windows.
    fn spread(&mut self, bank: Bank, sizes: Arg, [windows, images]: [Place; 2], weight: Place, bias: Option<Place>, add: bool) {
        let [channels, _] = bank.per_group();
        let blocks = bank.groups * tiles([channels, self.samples() * bank.geometry.pixels()], TILES);
        self.tiled(BACK, channels, blocks, &[sizes, windows.into(), weight.into(), bias.into(), images.into(), add.into()]);
    }

    /// The gradient of filters, from images and what belongs to their windows.
    fn d_filters(&mut self, bank: Bank, sizes: Arg, [images, windows]: [Place; 2], weight: Parameter) {
        let ([_, channels], [tiles, slots], weights) = (bank.per_group(), bank.weight_tiles(self.samples()), bank.weights());
        let parts = self.room(slots * weights);
        self.tiled(WEIGHT, channels, tiles * slots, &[sizes, images.into(), windows.into(), parts.into(), slots.into()]);
        self.each("sum_slots", weights, &[parts.into(), weight.d.into(), slots.into(), weights.into(), true.into()]);
    }
}
