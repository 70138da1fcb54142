//! A convolution, a ReLU and a pool of samples side by side: a level of a [`Stack`](super::Stack).

use super::conv::{Bank, Lie, Sight, Spread};
use super::stack::ConvStage;
use super::winograd::Quick;
use crate::float::Float;
use crate::kernels::conv::{Correlate, CorrelateBack, Planes};
use crate::kernels::frame::Frame;
use crate::kernels::lanes::{Choice, Scatter, Select, add_totals};

/// A convolution, and what is done to its sums before they are written.
pub(super) struct Level {
    pub conv: ConvStage,
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
    pub(super) fn new<E: Float>(conv: ConvStage, has_relu: bool, pool: [usize; 2]) -> Self {
        let output = conv.bank.geometry.output;
        let pooled = [0, 1].map(|axis| output[axis] / pool[axis] * pool[axis]);
        let spread = Spread::new::<E>(&conv.bank.geometry, Lie::Samples);
        let quick_back = Quick::spread::<E>(&conv.bank, Lie::Samples);
        let d_frame = quick_back.as_ref().map_or(spread.frame, |quick| quick.frame());
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
    pub(super) fn numels(&self) -> [usize; 2] {
        let [height, width] = self.output();
        [self.conv.bank.channels[0] * self.conv.bank.geometry.pixels(), self.conv.bank.channels[1] * height * width]
    }

    /// Numbers for each sample of the image in its frame; of the sums of one row of pools; and of the gradient of all sums, in
    /// theirs.
    pub(super) fn spaces(&self) -> [usize; 3] {
        let framed = if !self.back.frame.is_image() { self.conv.bank.channels[0] * self.back.frame.plane() } else { 0 };
        let of_row = self.conv.bank.of_group()[1] * self.pool[0] * self.output()[1] * self.pool[1];
        [framed, of_row, self.conv.bank.channels[1] * self.d_frame.plane()]
    }

    /// How many numbers of scratch space it wants.
    pub(super) fn scratch<E: Float>(&self) -> usize {
        let [framed, of_row, d_sums] = self.spaces();
        let seen = if let Seen::Quick(quick) = &self.seen { quick.scratch::<E>() } else { (framed + of_row) * E::lanes() };
        let quick_back = self.quick_back.as_ref().map_or(0, Quick::scratch::<E>);
        seen.max((framed + d_sums) * E::lanes() + quick_back)
    }

    pub(super) fn forward<E: Float>(&self, params: &[E], x: &[E], [y, chosen]: [&mut [E]; 2], scratch: &mut [E]) {
        let (weight, bias) = params.split_at(self.conv.params()[0]);
        let choice = Choice { has_relu: self.has_relu, chosen };
        match &self.seen {
            Seen::Quick(quick) => {
                let (framed, scratch) = scratch.split_at_mut(quick.framed());
                let x = in_frame(&quick.frame(), x, framed);
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
    pub(super) fn backward<E: Float>(&self, params: &[E], x: &[E], [dy, chosen]: [&[E]; 2], mut to: Back<'_, E>, scratch: &mut [E]) {
        let (lanes, [height, width], [inputs, outputs]) = (E::lanes(), self.output(), self.conv.bank.of_group());
        let (framed, rest) = scratch.split_at_mut(self.spaces()[0] * lanes);
        let (x, plane) = (in_frame(&self.back.frame, x, framed), self.back.frame.plane() * lanes);
        let (d_sums, rest) = rest.split_at_mut(self.spaces()[2] * lanes);
        let frame = &self.d_frame;
        // What is around the pools: they are written as a whole.
        frame.clear_around([height * self.pool[0], width * self.pool[1]], lanes, d_sums);
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
pub(super) struct Back<'a, E> {
    pub d_params: &'a mut [E],
    pub dx: Option<&'a mut [E]>,
}
