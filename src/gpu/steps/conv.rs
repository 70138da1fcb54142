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

/// From so many channels of a group on, a tile has 64 of them and not 16.
const MANY: usize = 24;

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

    /// How many blocks have a tile each, of so many channels of each group and numbers of each channel.
    fn blocks(&self, channels: usize, numbers: usize) -> usize {
        let [rows, columns] = if channels < MANY { [16, 128] } else { [64, 64] };
        self.groups * channels.div_ceil(rows) * numbers.div_ceil(columns)
    }

    /// Slots that the sums of a weight's gradient are made in, whatever the machine.
    fn slots(&self, samples: usize) -> usize {
        const WORTH: usize = 1024;
        const MOST: usize = 64;
        (samples * self.geometry.windows() / WORTH).clamp(1, MOST)
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

    /// Numbers for windows from images.
    fn correlate(&mut self, bank: Bank, sizes: Arg, [images, windows]: [Place; 2], weight: Place, bias: Option<Place>) {
        let [_, channels] = bank.per_group();
        let blocks = bank.blocks(channels, self.samples() * bank.geometry.windows());
        let name = if channels < MANY { "conv_few" } else { "conv_many" };
        self.blocks(name, blocks, &[sizes, images.into(), weight.into(), bias.into(), windows.into()]);
    }

    /// Images from numbers for windows.
    fn spread(&mut self, bank: Bank, sizes: Arg, [windows, images]: [Place; 2], weight: Place, bias: Option<Place>, add: bool) {
        let [channels, _] = bank.per_group();
        let blocks = bank.blocks(channels, self.samples() * bank.geometry.pixels());
        let name = if channels < MANY { "conv_back_few" } else { "conv_back_many" };
        self.blocks(name, blocks, &[sizes, windows.into(), weight.into(), bias.into(), images.into(), add.into()]);
    }

    /// The gradient of filters, from images and what belongs to their windows.
    fn d_filters(&mut self, bank: Bank, sizes: Arg, [images, windows]: [Place; 2], weight: Parameter) {
        const TILE: usize = 32;
        let ([ci, co], slots, weights) = (bank.per_group(), bank.slots(self.samples()), bank.weights());
        let parts = self.room(slots * weights);
        let blocks = bank.groups * slots * co.div_ceil(TILE) * (ci * bank.geometry.taps()).div_ceil(TILE);
        self.blocks("conv_weight", blocks, &[sizes, images.into(), windows.into(), parts.into(), slots.into()]);
        self.each("sum_slots", weights, &[parts.into(), weight.d.into(), slots.into(), weights.into(), true.into()]);
    }
}
