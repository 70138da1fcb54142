//! Convolutions with what follows them, several samples in the lanes.
//!
//! Rows of small images fill registers badly, and their pools cross the lanes. A register of eight or sixteen samples is always
//! full, whatever the image: numbers lie as `[C, H, W, L]`, where `L` is how many there are in a register. Samples that are left
//! over go through the layers' own steps, pixels in the lanes; a sample's output is the same either way, to within rounding.

use super::conv::{Bank, Lie, Sight, Spread};
use super::winograd::Quick;
use super::{Backward, Forward, Gradient, MAX_INPUTS, Step};
use crate::float::Float;
use crate::kernels::conv::{Correlate, CorrelateBack, Planes};
use crate::kernels::frame::Frame;
use crate::kernels::lanes::{Choice, Scatter, Select, add_totals, to_lanes, to_samples};
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
    fn params(&self) -> [usize; 2] {
        [self.bank.weights(), if self.bias { self.bank.channels[1] } else { 0 }]
    }
}

/// A convolution, and what is done to its sums before they are written.
struct Level {
    conv: ConvStage,
    has_relu: bool,
    /// `[1, 1]` without a pool.
    pool: [usize; 2],
    seen: Seen,
    /// All windows that a pool sees, which lie in `d_frame`.
    back: Sight,
    spread: Spread,
    /// What needs less multiplications on the way back.
    quick_back: Option<Quick>,
    /// The frame of the gradient of all sums.
    d_frame: Frame,
}

/// How windows are seen on the way forward.
enum Seen {
    /// With less multiplications: each pool is one of its squares, or a single number.
    Quick(Quick),
    /// Pools of 2 x 2, or none: what is chosen never leaves the registers.
    Chosen(Sight),
    /// The windows of one row of pools at a time.
    Rows(Sight),
}

impl Seen {
    fn new<E: Float>(bank: &Bank, pool: [usize; 2], output: [usize; 2]) -> Self {
        let (g, pools) = (&bank.geometry, pool == [2, 2]);
        if !pools && pool != [1, 1] {
            let of_row = [pool[0], output[1] * pool[1]];
            return Seen::Rows(Sight::new::<E>(g, Lie::Samples, of_row, &Frame::whole(of_row)));
        }
        let windows = [0, 1].map(|axis| output[axis] * pool[axis]);
        match Quick::see::<E>(bank, Lie::Samples, windows, pools) {
            Some(quick) => Seen::Quick(quick),
            None if pools => Seen::Chosen(Sight::pooled::<E>(g, output)),
            None => Seen::Chosen(Sight::new::<E>(g, Lie::Samples, output, &Frame::whole(output))),
        }
    }
}

impl Level {
    fn new<E: Float>(conv: ConvStage, has_relu: bool, pool: [usize; 2]) -> Self {
        let output = conv.bank.geometry.output;
        let pooled = [0, 1].map(|axis| output[axis] / pool[axis] * pool[axis]);
        let spread = Spread::new::<E>(&conv.bank.geometry, Lie::Samples);
        let quick_back = Quick::spread::<E>(&conv.bank, Lie::Samples);
        let d_frame = quick_back.as_ref().map_or(spread.frame, |quick| quick.squares.frame);
        Level {
            seen: Seen::new::<E>(&conv.bank, pool, [0, 1].map(|axis| output[axis] / pool[axis])),
            back: Sight::new::<E>(&conv.bank.geometry, Lie::Samples, pooled, &d_frame),
            quick_back,
            d_frame,
            conv,
            has_relu,
            pool,
            spread,
        }
    }

    /// Height and width of what is written.
    fn output(&self) -> [usize; 2] {
        [0, 1].map(|axis| self.conv.bank.geometry.output[axis] / self.pool[axis])
    }

    /// How many numbers are read, and how many are written, for each sample.
    fn numels(&self) -> [usize; 2] {
        let [height, width] = self.output();
        [self.conv.bank.channels[0] * self.conv.bank.geometry.pixels(), self.conv.bank.channels[1] * height * width]
    }

    /// Numbers for each sample of the image in its frame; of the sums of one row of pools; and of the gradient of all sums, in
    /// theirs.
    fn spaces(&self) -> [usize; 3] {
        let framed = if !self.back.frame.is_image() { self.conv.bank.channels[0] * self.back.frame.plane() } else { 0 };
        let of_row = self.conv.bank.of_group()[1] * self.pool[0] * self.output()[1] * self.pool[1];
        [framed, of_row, self.conv.bank.channels[1] * self.d_frame.plane()]
    }

    /// How many numbers of scratch space it wants.
    fn scratch<E: Float>(&self) -> usize {
        let [framed, of_row, d_sums] = self.spaces();
        let seen = if let Seen::Quick(quick) = &self.seen { quick.scratch::<E>() } else { (framed + of_row) * E::lanes() };
        let quick_back = self.quick_back.as_ref().map_or(0, Quick::scratch::<E>);
        seen.max((framed + d_sums) * E::lanes() + quick_back)
    }

    fn forward<E: Float>(&self, params: &[E], x: &[E], [y, chosen]: [&mut [E]; 2], scratch: &mut [E]) {
        let (weight, bias) = params.split_at(self.conv.params()[0]);
        let choice = Choice { has_relu: self.has_relu, chosen };
        match &self.seen {
            Seen::Quick(quick) => {
                let (framed, scratch) = scratch.split_at_mut(quick.framed());
                let x = in_frame(&quick.squares.frame, x, framed);
                quick.run_lanes([weight, bias], x, scratch, y, Some(choice));
            }
            Seen::Chosen(sight) => self.choose(sight, [weight, bias], in_frame(&sight.frame, x, scratch), y, choice),
            Seen::Rows(sight) => {
                let (framed, sums) = scratch.split_at_mut(self.spaces()[0] * E::lanes());
                self.select(sight, [weight, bias], in_frame(&sight.frame, x, framed), y, choice, sums);
            }
        }
    }

    /// The weight and the bias of a group.
    fn of_group<'a, E>(&self, group: usize, [weight, bias]: [&'a [E]; 2]) -> [&'a [E]; 2] {
        let (weights, outputs) = (self.conv.bank.weights_of_group(), self.conv.bank.of_group()[1]);
        [&weight[group * weights..][..weights], if bias.is_empty() { bias } else { &bias[group * outputs..][..outputs] }]
    }

    /// All windows of images in their frames, and what is chosen of them.
    fn choose<E: Float>(&self, sight: &Sight, filters: [&[E]; 2], x: &[E], y: &mut [E], choice: Choice<'_, E>) {
        let ([height, width], [inputs, outputs]) = (self.output(), self.conv.bank.of_group());
        let planes = [sight.frame.plane(), height * width].map(|plane| plane * E::lanes());
        let written = y.chunks_exact_mut(outputs * planes[1]).zip(choice.chosen.chunks_exact_mut(outputs * planes[1]));
        for (group, (y, chosen)) in written.enumerate() {
            let [weight, bias] = self.of_group(group, filters);
            let x = Planes { data: &x[group * inputs * planes[0]..], plane: planes[0] };
            let (y, choice) = (Planes { data: y, plane: planes[1] }, Some(Choice { chosen, ..choice }));
            Correlate { walk: &sight.walk, filter: self.conv.bank.seeing(), weight, bias, x, y, add: false, choice }.run();
        }
    }

    /// The same for one row of pools after the other.
    fn select<E: Float>(&self, sight: &Sight, filters: [&[E]; 2], x: &[E], y: &mut [E], choice: Choice<'_, E>, sums: &mut [E]) {
        let (lanes, [height, width], [inputs, outputs]) = (E::lanes(), self.output(), self.conv.bank.of_group());
        let (plane, sums_plane) = (sight.frame.plane() * lanes, self.pool[0] * width * self.pool[1] * lanes);
        let sums = &mut sums[..outputs * sums_plane];
        for group in 0..self.conv.bank.groups {
            let [weight, bias] = self.of_group(group, filters);
            for row in 0..height {
                let begin = sight.frame.at([row * self.pool[0] * self.conv.bank.geometry.stride[0], 0]) * lanes;
                let x = Planes { data: &x[group * inputs * plane + begin..], plane };
                let to = Planes { data: &mut *sums, plane: sums_plane };
                Correlate { walk: &sight.walk, filter: self.conv.bank.seeing(), weight, bias, x, y: to, add: false, choice: None }.run();
                for channel in 0..outputs {
                    let at = ((group * outputs + channel) * height + row) * width * lanes..;
                    let (y, chosen) = (&mut y[at.clone()][..width * lanes], &mut choice.chosen[at][..width * lanes]);
                    let sums = &sums[channel * sums_plane..][..sums_plane];
                    Select { sums, pool: self.pool, has_relu: choice.has_relu, y, chosen }.run();
                }
            }
        }
    }

    /// Adds to the gradients of the parameters, and writes that of `x`.
    fn backward<E: Float>(&self, params: &[E], x: &[E], [dy, chosen]: [&[E]; 2], mut to: Back<'_, E>, scratch: &mut [E]) {
        let (lanes, [height, width], [inputs, outputs]) = (E::lanes(), self.output(), self.conv.bank.of_group());
        let (framed, rest) = scratch.split_at_mut(self.spaces()[0] * lanes);
        let (x, plane) = (in_frame(&self.back.frame, x, framed), self.back.frame.plane() * lanes);
        let (d_sums, rest) = rest.split_at_mut(self.spaces()[2] * lanes);
        d_sums.fill(E::zero());
        let frame = &self.d_frame;
        for (channel, d_sums) in d_sums.chunks_exact_mut(frame.plane() * lanes).enumerate() {
            for row in 0..height {
                let at = (channel * height + row) * width * lanes..;
                let (dy, chosen) = (&dy[at.clone()][..width * lanes], &chosen[at][..width * lanes]);
                let d_sums = &mut d_sums[frame.place([row * self.pool[0], 0]) * lanes..];
                Scatter { dy, chosen, pool: self.pool, d_sums, pitch: frame.pitch() * lanes }.run();
            }
        }
        let (d_weight, d_bias) = to.d_params.split_at_mut(self.conv.params()[0]);
        if self.conv.bias {
            add_totals(d_sums, frame.plane() * lanes, d_bias);
        }
        let d_plane = frame.plane() * lanes;
        for group in 0..self.conv.bank.groups {
            let weights = group * self.conv.bank.weights_of_group()..(group + 1) * self.conv.bank.weights_of_group();
            let dy = Planes { data: &d_sums[group * outputs * d_plane..], plane: d_plane };
            let x = Planes { data: &x[group * inputs * plane..], plane };
            CorrelateBack { walk: &self.back.walk, filter: self.conv.bank.seeing(), d_weight: &mut d_weight[weights.clone()], x, dy }.run();
            let (Some(dx), None) = (&mut to.dx, &self.quick_back) else { continue };
            let pixels = self.conv.bank.geometry.pixels() * lanes;
            for phase in &self.spread.phases {
                let y = Planes { data: &mut dx[group * inputs * pixels..][..inputs * pixels], plane: pixels };
                let (walk, filter, weight) = (&phase.walk, self.conv.bank.spreading(), &params[weights.clone()]);
                Correlate { walk, filter, weight, bias: &[], x: dy, y, add: false, choice: None }.run();
            }
        }
        if let (Some(dx), Some(quick)) = (&mut to.dx, &self.quick_back) {
            quick.run_lanes([&params[..self.conv.params()[0]], &[]], d_sums, rest, dx, None);
        }
    }
}

/// Images of samples side by side in their frame: in `scratch`, or where they are.
fn in_frame<'a, E: Float>(frame: &Frame, x: &'a [E], scratch: &'a mut [E]) -> &'a [E] {
    if frame.is_image() {
        return x;
    }
    frame.fill_lanes(x, scratch);
    scratch
}

/// Where the gradients go.
struct Back<'a, E> {
    d_params: &'a mut [E],
    dx: Option<&'a mut [E]>,
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
