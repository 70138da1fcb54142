//! Sums over all numbers of a channel, which parameters' gradients are made of.

use crate::gpu::call::{Arg, Place};
use crate::gpu::{Parameter, Planner};

/// Numbers as `[outer, channels, inner]`.
#[derive(Clone, Copy)]
pub(crate) struct Channels {
    pub outer: usize,
    pub channels: usize,
    pub inner: usize,
}

/// What is summed beside a gradient `dy`.
#[derive(Clone, Copy)]
pub(crate) enum Factor {
    /// Nothing.
    None,
    /// `dy (x - mean) scale`, with a mean and a scale for each channel.
    OfChannel { x: Place, mean: Place, scale: Place },
    /// The same with a mean and a scale for each `row` numbers.
    OfRow { x: Place, mean: Place, scale: Place, row: usize },
}

impl Channels {
    /// How many slots a channel's sum is made in: it has nothing to do with the machine, so that every machine adds up the same.
    pub(crate) fn slots(&self) -> usize {
        const WORTH: usize = 2048;
        const MOST: usize = 64;
        (self.outer * self.inner / WORTH).clamp(1, MOST).min(self.outer)
    }

    /// How many blocks have a slot of a channel, or of 32 columns, each.
    fn blocks(&self) -> usize {
        const COLUMNS: usize = 32;
        self.slots() * if self.inner == 1 { self.channels.div_ceil(COLUMNS) } else { self.channels }
    }
}

impl Planner {
    /// The sums of `dy` and of what is beside it, for each channel: `[2, C]`.
    pub(crate) fn channel_sums(&mut self, dy: Place, factor: Factor, of: Channels) -> Place {
        let (slots, sums) = (of.slots(), 2 * of.channels);
        let (to, parts) = (self.room(sums), self.room(of.slots() * sums));
        let sizes: [Arg; 4] = [of.outer.into(), of.channels.into(), of.inner.into(), slots.into()];
        let (name, args) = match factor {
            Factor::None => ("sums_plain", vec![dy.into(), parts.into()]),
            Factor::OfChannel { x, mean, scale } => ("sums_of_channels", vec![dy.into(), x.into(), mean.into(), scale.into(), parts.into()]),
            Factor::OfRow { x, mean, scale, .. } => ("sums_of_rows", vec![dy.into(), x.into(), mean.into(), scale.into(), parts.into()]),
        };
        let row = if let Factor::OfRow { row, .. } = factor { Some(row.into()) } else { None };
        let args: Vec<Arg> = args.into_iter().chain(sizes).chain(row).collect();
        self.blocks(name, of.blocks(), &args);
        self.each("sum_slots", sums, &[parts.into(), to.into(), slots.into(), sums.into(), false.into()]);
        to
    }

    /// Adds the sums of `dy` over each channel to the gradient of a bias.
    pub(crate) fn d_bias(&mut self, dy: Place, bias: Parameter, of: Channels) {
        let sums = self.channel_sums(dy, Factor::None, of);
        self.accumulate(sums, bias.d, of.channels);
    }

    /// Adds numbers to others.
    pub(crate) fn accumulate(&mut self, from: Place, to: Place, count: usize) {
        self.each("sum_slots", count, &[from.into(), to.into(), 1.into(), 0.into(), true.into()]);
    }
}
