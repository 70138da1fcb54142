//! Convolutions with what follows them, several samples in the lanes.
//!
//! Rows of small images fill registers badly, and their pools cross the lanes. A register of eight or sixteen samples is always
//! full, whatever the image: numbers lie as `[C, H, W, L]`, where `L` is how many there are in a register. Samples that are left
//! over go through the layers' own steps, pixels in the lanes; a sample's output is the same either way, to within rounding.

use super::conv::Bank;
use super::level::{Back, Level};
use super::{Backward, Forward, Gradient, MAX_INPUTS, Step};
use crate::float::Float;
use crate::kernels::lanes::{to_lanes, to_samples};
use core::ops::Range;

/// What a step is to a [`Stack`].
#[derive(Clone, Copy)]
pub(crate) enum Stage {
    /// A convolution.
    Conv(ConvStage),
    /// `max(x, 0)`.
    Relu,
    /// The maximum of windows of this size that lie side by side.
    MaxPool([usize; 2]),
}

/// A convolution with a weight and a bias, if it has one.
#[derive(Clone, Copy)]
pub(crate) struct ConvStage {
    pub bank: Bank,
    pub bias: bool,
}

impl ConvStage {
    /// How many numbers the weight has, and how many the bias.
    pub(super) fn params(&self) -> [usize; 2] {
        [self.bank.weights(), if self.bias { self.bank.channels[1] } else { 0 }]
    }
}

/// A layer's own step, for samples that are left over.
pub(crate) struct Layer<E> {
    pub step: Box<dyn Step<E>>,
    pub params: Range<usize>,
    /// How many numbers it writes for each sample.
    pub numel: usize,
}

/// The levels that some layers make, if it pays to have samples in the lanes.
pub(crate) struct Levels(Vec<Level>);

/// How many numbers of a sample may be at work at once. Those of a register of samples are 1.5 MiB then, or 3 MiB, which is more than
/// most second-level caches hold; but registers that are half empty cost more than a cache that is too small.
const ROOM: usize = 48 * 1024;

/// Weights are too many to be read for each sample anew from so many on, if a sample has so few registers of places.
const MANY: usize = 64 * 1024;
const FEW: usize = 12;

impl Levels {
    /// Of the layers' stages, which begin with a convolution.
    pub(crate) fn new<E: Float>(stages: &[Stage]) -> Option<Self> {
        let mut levels = Vec::new();
        let mut stages = stages.iter().peekable();
        while let Some(stage) = stages.next() {
            let Stage::Conv(conv) = stage else { return None };
            let (mut has_relu, mut pool) = (false, [1, 1]);
            loop {
                match stages.peek() {
                    Some(Stage::Relu) if !has_relu => has_relu = true,
                    Some(Stage::MaxPool(size)) if pool == [1, 1] => pool = *size,
                    _ => break,
                }
                stages.next();
            }
            levels.push(Level::new::<E>(*conv, has_relu, pool));
        }
        let pays = levels.iter().any(|level| {
            let [height, width] = level.conv.bank.geometry.output;
            let is_reread = level.conv.bank.weights() >= MANY && height * width.div_ceil(E::lanes()) <= FEW;
            is_reread || wastes(width, E::lanes())
        });
        let fits = levels.iter().all(|level| level.spaces()[0] + level.spaces()[2] <= ROOM);
        (pays && fits).then_some(Levels(levels))
    }
}

/// Several layers as one step.
pub(crate) struct Stack<E> {
    levels: Vec<Level>,
    /// What each level writes, and behind it which of its sums that was, in the memory of a group of samples.
    kept: Vec<Range<usize>>,
    layers: Vec<Layer<E>>,
}

impl<E: Float> Stack<E> {
    /// Of the layers that make these levels.
    pub(crate) fn new(Levels(levels): Levels, layers: Vec<Layer<E>>) -> Self {
        assert!(layers.iter().all(|layer| layer.step.saved() == 0), "layers of a stack keep their input and output alone");
        let mut end = 0;
        let kept = levels.iter().map(|level| {
            let begin = end;
            end += 2 * level.numels()[1] * E::lanes();
            begin..end
        });
        Stack { kept: kept.collect(), levels, layers }
    }

    /// How many numbers a sample of the input has.
    fn width(&self) -> usize {
        self.levels[0].numels()[0]
    }

    /// How many samples go through in registers.
    fn in_lanes(&self, samples: usize) -> usize {
        samples - samples % E::lanes()
    }

    /// The most numbers for a sample that the gradients between two levels have.
    fn widest(&self) -> usize {
        self.levels.iter().flat_map(Level::numels).max().unwrap_or(0)
    }

    /// The most numbers for a sample that the gradients between two layers have, where samples go through layer by layer.
    fn widest_of_rest(&self) -> usize {
        self.layers.iter().map(|layer| layer.numel).chain([self.width()]).max().unwrap_or(0)
    }

    fn forward_in_lanes(&self, at: &mut Forward<'_, E>, group: Range<usize>) {
        let saved = self.saved();
        let kept = &mut at.saved[group.start * saved..group.end * saved];
        let (input, scratch) = at.scratch.split_at_mut(self.width() * E::lanes());
        to_lanes(&at.inputs[0][group.start * self.width()..group.end * self.width()], input);
        let mut params = at.params;
        for (i, (level, own)) in self.levels.iter().zip(&self.kept).enumerate() {
            let (before, rest) = kept.split_at_mut(own.start);
            let (y, chosen) = rest[..own.len()].split_at_mut(own.len() / 2);
            let x = if i == 0 { &*input } else { &before[self.kept[i - 1].start..][..level.numels()[0] * E::lanes()] };
            let (of_level, others) = params.split_at(level.conv.params().iter().sum());
            level.forward(of_level, x, [y, chosen], scratch);
            params = others;
        }
        let width = at.output.len() / at.samples;
        let last = &kept[self.kept[self.levels.len() - 1].start..][..width * E::lanes()];
        to_samples(last, false, &mut at.output[group.start * width..group.end * width]);
    }

    fn backward_in_lanes(&self, at: &mut Backward<'_, E>, group: Range<usize>) {
        let (lanes, saved) = (E::lanes(), self.saved());
        let kept = &at.saved[group.start * saved..group.end * saved];
        let (input, rest) = at.scratch.split_at_mut(self.width() * lanes);
        let (mut dy, rest) = rest.split_at_mut(self.widest() * lanes);
        let (mut dx, scratch) = rest.split_at_mut(self.widest() * lanes);
        to_lanes(&at.inputs[0][group.start * self.width()..group.end * self.width()], input);
        let width = at.d_output.len() / at.samples;
        to_lanes(&at.d_output[group.start * width..group.end * width], &mut dy[..width * lanes]);
        let mut end = at.params.len();
        for (i, level) in self.levels.iter().enumerate().rev() {
            let begin = end - level.conv.params().iter().sum::<usize>();
            let [x_len, y_len] = level.numels().map(|numel| numel * lanes);
            let x = if i == 0 { &*input } else { &kept[self.kept[i - 1].start..][..x_len] };
            let chosen = &kept[self.kept[i].start + y_len..][..y_len];
            let is_wanted = i > 0 || at.d_inputs[0].is_some();
            let to = Back { d_params: &mut at.d_params[begin..end], dx: is_wanted.then_some(&mut dx[..x_len]) };
            level.backward(&at.params[begin..end], x, [&dy[..y_len], chosen], to, scratch);
            core::mem::swap(&mut dy, &mut dx);
            end = begin;
        }
        if let Some(d_input) = &mut at.d_inputs[0] {
            let to = &mut d_input.to[group.start * self.width()..group.end * self.width()];
            to_samples(&dy[..self.width() * lanes], d_input.add, to);
        }
    }

    /// The samples that fill no register, layer by layer.
    fn forward_rest(&self, at: &mut Forward<'_, E>, rest: Range<usize>) {
        if rest.is_empty() {
            return;
        }
        let (width, saved) = (at.output.len() / at.samples, self.saved());
        let mut output = Some(&mut at.output[rest.start * width..]);
        let mut kept = &mut at.saved[rest.start * saved..];
        let mut x = &at.inputs[0][rest.start * self.width()..];
        for (i, layer) in self.layers.iter().enumerate() {
            let numel = layer.numel * rest.len();
            let (y, others) = match output.take_if(|_| i + 1 == self.layers.len()) {
                Some(output) => (output, kept),
                None => kept.split_at_mut(numel),
            };
            kept = others;
            let mut inputs: [&[E]; MAX_INPUTS] = [&[]; MAX_INPUTS];
            inputs[0] = x;
            layer.step.forward(Forward {
                samples: rest.len(),
                inputs,
                params: &at.params[layer.params.clone()],
                prepared: &[],
                buffers: &[],
                output: &mut *y,
                saved: &mut [],
                scratch: at.scratch,
                noise: None,
                batch: None,
                threads: at.threads,
            });
            x = y;
        }
    }

    fn backward_rest(&self, at: &mut Backward<'_, E>, rest: Range<usize>) {
        if rest.is_empty() {
            return;
        }
        let (width, saved) = (at.output.len() / at.samples, self.saved());
        let kept = &at.saved[rest.start * saved..];
        let room = self.widest_of_rest() * rest.len();
        let (mut d_output, scratch) = at.scratch.split_at_mut(room);
        let (mut d_input, scratch) = scratch.split_at_mut(room);
        d_output[..rest.len() * width].copy_from_slice(&at.d_output[rest.start * width..]);
        let mut end: usize = self.layers.iter().map(|layer| layer.numel * rest.len()).sum::<usize>() - width * rest.len();
        let mut output = &at.output[rest.start * width..];
        for (i, layer) in self.layers.iter().enumerate().rev() {
            let input = if i == 0 {
                &at.inputs[0][rest.start * self.width()..]
            } else {
                let numel = self.layers[i - 1].numel * rest.len();
                end -= numel;
                &kept[end..end + numel]
            };
            let mut inputs: [&[E]; MAX_INPUTS] = [&[]; MAX_INPUTS];
            inputs[0] = input;
            let is_wanted = i > 0 || at.d_inputs[0].is_some();
            let mut d_inputs = [const { None }; MAX_INPUTS];
            d_inputs[0] = is_wanted.then_some(Gradient { to: &mut d_input[..input.len()], add: false });
            layer.step.backward(Backward {
                samples: rest.len(),
                input,
                inputs,
                output,
                d_output: &d_output[..output.len()],
                params: &at.params[layer.params.clone()],
                prepared: &[],
                buffers: &[],
                d_params: &mut at.d_params[layer.params.clone()],
                d_inputs,
                saved: &[],
                scratch,
                noise: None,
                batch: None,
                threads: at.threads,
            });
            output = input;
            core::mem::swap(&mut d_output, &mut d_input);
        }
        if let Some(Gradient { to, add }) = &mut at.d_inputs[0] {
            let mut to = Gradient { to: &mut to[rest.start * self.width()..], add: *add };
            to.put(d_output.iter().copied());
        }
    }
}

impl<E: Float> Step<E> for Stack<E> {
    fn scratch(&self) -> usize {
        let of_levels = self.levels.iter().map(Level::scratch::<E>).max().unwrap_or(0);
        let of_layers = self.layers.iter().map(|layer| layer.step.scratch()).max().unwrap_or(0);
        let in_lanes = (self.width() + 2 * self.widest()) * E::lanes() + of_levels;
        let at_rest = 2 * self.widest_of_rest() * (E::lanes() - 1) + of_layers;
        in_lanes.max(at_rest)
    }

    /// What the levels write and choose, or what the layers write.
    fn saved(&self) -> usize {
        let of_levels = self.levels.iter().map(|level| 2 * level.numels()[1]).sum::<usize>();
        let of_layers = self.layers[..self.layers.len() - 1].iter().map(|layer| layer.numel).sum();
        of_levels.max(of_layers)
    }

    fn efficient(&self) -> usize {
        E::lanes()
    }

    fn forward(&self, mut at: Forward<'_, E>) {
        let in_lanes = self.in_lanes(at.samples);
        for begin in (0..in_lanes).step_by(E::lanes()) {
            self.forward_in_lanes(&mut at, begin..begin + E::lanes());
        }
        let rest = in_lanes..at.samples;
        self.forward_rest(&mut at, rest);
    }

    fn backward(&self, mut at: Backward<'_, E>) {
        let in_lanes = self.in_lanes(at.samples);
        for begin in (0..in_lanes).step_by(E::lanes()) {
            self.backward_in_lanes(&mut at, begin..begin + E::lanes());
        }
        let rest = in_lanes..at.samples;
        self.backward_rest(&mut at, rest);
    }
}

/// Whether registers along rows of so many places are less than six parts of seven full.
fn wastes(places: usize, lanes: usize) -> bool {
    7 * places < 6 * places.div_ceil(lanes) * lanes
}

#[cfg(test)]
mod tests {
    use super::super::conv::Bank;
    use super::{ConvStage, Levels, Stage};
    use crate::kernels::geometry::Geometry;
    use crate::kernels::simd::Vector;

    fn conv(channels: [usize; 2], kernel: usize, padding: usize, side: usize) -> Stage {
        let output = [side + 2 * padding + 1 - kernel; 2];
        let geometry = Geometry { image: [side; 2], kernel: [kernel; 2], stride: [1; 2], padding: [padding; 2], dilation: [1; 2], output };
        Stage::Conv(ConvStage { bank: Bank { geometry, channels, groups: 1 }, bias: true })
    }

    /// Images whose rows fill no register are done side by side, however wide the registers are and however many channels there are.
    #[test]
    fn small_images_lie_side_by_side() {
        let digits = [conv([1, 8], 5, 0, 28), Stage::Relu, Stage::MaxPool([2, 2]), conv([8, 16], 3, 0, 12), Stage::Relu];
        assert!(Levels::new::<f32>(&digits).is_some());
        assert!(Levels::new::<f32>(&[conv([128, 128], 3, 1, 6)]).is_some());
        assert!(Levels::new::<f32>(&[conv([128, 128], 3, 1, 64)]).is_none());
        // Seven of eight lanes are full, but each sample would read all weights anew.
        let (few, many) = (Levels::new::<f32>(&[conv([8, 8], 3, 1, 7)]), Levels::new::<f32>(&[conv([128, 128], 3, 1, 7)]));
        if f32::lanes() == 8 {
            assert!(few.is_none() && many.is_some());
        }
    }
}
