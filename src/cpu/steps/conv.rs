//! Convolution and its transpose, one sample at a time.

use super::by_tap::ByTap;
use super::pointwise::Pointwise;
use super::winograd::{Quick, QuickBack};
use super::{Backward, Forward, Step};
use crate::cpu::pieces::in_pieces;
use crate::float::Float;
use crate::kernels::conv::{Correlate, CorrelateBack, Filter, Place, Planes, Tap, Walk};
use crate::kernels::frame::Frame;
use crate::kernels::geometry::{Geometry, grid};
use crate::kernels::sum::add_runs;

/// The sizes of filters: the `weight` is `[channels[1], channels[0] / groups, kh, kw]`.
#[derive(Clone, Copy)]
pub(crate) struct Bank {
    pub geometry: Geometry,
    /// How many channels images have, and how many what the filters see of them.
    pub channels: [usize; 2],
    pub groups: usize,
}

impl Bank {
    /// The channels of each group.
    pub(super) fn of_group(&self) -> [usize; 2] {
        self.channels.map(|channels| channels / self.groups)
    }

    /// How many numbers the part of the weight has that belongs to a group.
    pub(super) fn weights_of_group(&self) -> usize {
        let [inputs, outputs] = self.of_group();
        inputs * outputs * self.geometry.taps()
    }

    /// How many numbers the weight has.
    pub(super) fn weights(&self) -> usize {
        self.groups * self.weights_of_group()
    }

    /// The weight of a group as sums for each channel of what is seen.
    pub(super) fn seeing(&self) -> Filter {
        let ([inputs, outputs], taps) = (self.of_group(), self.geometry.taps());
        Filter { rows: outputs, channels: inputs, row: inputs * taps, channel: taps }
    }

    /// The same weight as sums for each channel of the image.
    pub(super) fn spreading(&self) -> Filter {
        let Filter { rows, channels, row, channel } = self.seeing();
        Filter { rows: channels, channels: rows, row: channel, channel: row }
    }
}

/// Filters over images `x`, `[in_channels, pixels]`, and what they see, `y`, `[out_channels, windows]`.
///
/// A convolution goes from `x` to `y`, and on its way back from `y` to `x`; its transpose does the same the other way round.
pub(crate) struct Filters {
    bank: Bank,
    sight: Sight,
    spread: Spread,
    /// What needs less multiplications: to see, and to spread.
    quick: [Option<Quick>; 2],
    quick_back: Option<QuickBack>,
    pointwise: Option<Pointwise>,
    by_tap: Option<ByTap>,
}

impl Filters {
    pub(crate) fn new<E: Float>(bank: Bank) -> Self {
        let geometry = &bank.geometry;
        let sight = Sight::new::<E>(geometry, Lie::Row, geometry.output, &Frame::whole(geometry.output));
        let quick = [Quick::see::<E>(&bank, Lie::Row, geometry.output, false), Quick::spread::<E>(&bank, Lie::Row)];
        Filters {
            by_tap: ByTap::new(&bank, &sight.frame),
            sight,
            spread: Spread::new::<E>(geometry, Lie::Row),
            quick,
            quick_back: QuickBack::new::<E>(&bank),
            pointwise: Pointwise::new(&bank),
            bank,
        }
    }

    /// The images in their frames, and what lies `stride` apart in `x` before it is put there.
    fn scratch<E: Float>(&self) -> usize {
        let x = self.bank.channels[0] * self.sight.frame.plane();
        let y = self.bank.channels[1] * self.spread.frame.plane() + self.bank.channels[0] * self.spread.plane();
        let quick = self.quick.iter().flatten().map(Quick::scratch::<E>).max().unwrap_or(0);
        let quick_back = self.quick_back.as_ref().map_or(0, QuickBack::scratch::<E>);
        let by_tap = self.by_tap.as_ref().map_or(0, ByTap::scratch);
        (x.max(y) + E::lanes()).max(quick).max(quick_back).max(by_tap)
    }

    /// How many samples should go together.
    fn efficient<E: Float>(&self) -> usize {
        self.quick.iter().flatten().map(Quick::efficient::<E>).max().unwrap_or(1)
    }

    /// How many these are.
    fn samples<E>(&self, images: &[E]) -> usize {
        images.len() / (self.bank.channels[0] * self.bank.geometry.pixels())
    }

    /// What the filters see of images, and the bias of each channel: `y = W x + b` or, with `add`, `y += W x + b`.
    fn see<E: Float>(&self, threads: Option<usize>, [weight, bias]: [&[E]; 2], x: &[E], scratch: &mut [E], add: bool, y: &mut [E]) {
        if let Some(pointwise) = &self.pointwise {
            return pointwise.see(threads, [weight, bias], x, add, y);
        }
        let samples = self.samples(x);
        if let Some(quick) = self.quick[0].as_ref().filter(|quick| quick.pays(samples)) {
            return quick.run(threads, [weight, bias], x, scratch, add, y);
        }
        let ([inputs, outputs], windows) = (self.bank.of_group(), self.bank.geometry.windows());
        let samples = x.chunks_exact(self.bank.channels[0] * self.bank.geometry.pixels()).zip(y.chunks_exact_mut(self.bank.channels[1] * windows));
        for (x, y) in samples {
            let x = framed(&self.sight.frame, self.sight.copies, x, scratch);
            for (group, y) in y.chunks_exact_mut(outputs * windows).enumerate() {
                let weight = &weight[group * self.bank.weights_of_group()..][..self.bank.weights_of_group()];
                let bias = if bias.is_empty() { bias } else { &bias[group * outputs..][..outputs] };
                let x = Planes { data: &x.data[group * inputs * x.plane..], ..x };
                let piece = piece(threads, [outputs, windows], self.bank.seeing().channels * self.bank.geometry.taps());
                in_pieces(threads.unwrap_or(1), y, piece * windows, &|first, y| {
                    let (filter, weight, bias) = some_rows(self.bank.seeing(), [first / windows, y.len() / windows], weight, bias);
                    let y = Planes { data: y, plane: windows };
                    Correlate { walk: &self.sight.walk, filter, weight, bias, x, y, add, choice: None }.run();
                });
            }
        }
    }

    /// `Wᵀ y`, window by window, and the bias of each channel: `x = Wᵀ y + b` or, with `add`, `x += Wᵀ y + b`.
    fn spread<E: Float>(&self, threads: Option<usize>, [weight, bias]: [&[E]; 2], y: &[E], scratch: &mut [E], add: bool, x: &mut [E]) {
        if let Some(pointwise) = &self.pointwise {
            return pointwise.spread(threads, [weight, bias], y, add, x);
        }
        let samples = self.samples(x);
        if let Some(quick) = self.quick[1].as_ref().filter(|quick| quick.pays(samples)) {
            return quick.run(threads, [weight, bias], y, scratch, add, x);
        }
        let ([inputs, outputs], pixels) = (self.bank.of_group(), self.bank.geometry.pixels());
        let (framed_y, between) = scratch.split_at_mut(self.bank.channels[1] * self.spread.frame.plane() + E::lanes());
        let samples = y.chunks_exact(self.bank.channels[1] * self.bank.geometry.windows()).zip(x.chunks_exact_mut(self.bank.channels[0] * pixels));
        for (y, x) in samples {
            let y = framed(&self.spread.frame, self.spread.copies, y, framed_y);
            for (group, x) in x.chunks_exact_mut(inputs * pixels).enumerate() {
                let weight = &weight[group * self.bank.weights_of_group()..][..self.bank.weights_of_group()];
                let bias = if bias.is_empty() { bias } else { &bias[group * inputs..][..inputs] };
                let y = Planes { data: &y.data[group * outputs * y.plane..], ..y };
                for phase in &self.spread.phases {
                    let (plane, add_now) = phase.columns.as_ref().map_or((pixels, add), |columns| (columns.plane(), false));
                    let to = if phase.columns.is_some() { &mut between[..inputs * plane] } else { &mut *x };
                    let piece = piece(threads, [inputs, plane], self.bank.spreading().channels * self.bank.geometry.taps());
                    in_pieces(threads.unwrap_or(1), to, piece * plane, &|first, to| {
                        let (filter, weight, bias) = some_rows(self.bank.spreading(), [first / plane, to.len() / plane], weight, bias);
                        let to = Planes { data: to, plane };
                        Correlate { walk: &phase.walk, filter, weight, bias, x: y, y: to, add: add_now, choice: None }.run();
                    });
                    if let Some(columns) = &phase.columns {
                        columns.put(between, x, pixels, add);
                    }
                }
            }
        }
    }

    /// Adds the gradient of the weight over the samples: `Σ y x`, tap by tap.
    fn correlate<E: Float>(&self, threads: Option<usize>, x: &[E], y: &[E], scratch: &mut [E], d_weight: &mut [E]) {
        if let Some(pointwise) = &self.pointwise {
            return pointwise.correlate(threads, x, y, d_weight);
        }
        let samples = self.samples(x);
        if let Some(quick) = self.quick_back.as_ref().filter(|quick| quick.pays(samples)) {
            return quick.run(threads, x, y, scratch, d_weight);
        }
        if let Some(by_tap) = &self.by_tap {
            return by_tap.run(threads, x, y, scratch, d_weight);
        }
        let ([inputs, outputs], windows) = (self.bank.of_group(), self.bank.geometry.windows());
        let samples = x.chunks_exact(self.bank.channels[0] * self.bank.geometry.pixels()).zip(y.chunks_exact(self.bank.channels[1] * windows));
        for (x, y) in samples {
            let x = framed(&self.sight.frame, self.sight.copies, x, scratch);
            for (group, d_weight) in d_weight.chunks_exact_mut(self.bank.weights_of_group()).enumerate() {
                let x = Planes { data: &x.data[group * inputs * x.plane..], ..x };
                let row = self.bank.seeing().row;
                let piece = piece(threads, [outputs, row], windows);
                in_pieces(threads.unwrap_or(1), d_weight, piece * row, &|first, d_weight| {
                    let rows = first / row..(first + d_weight.len()) / row;
                    let filter = Filter { rows: rows.len(), ..self.bank.seeing() };
                    let begin = (group * outputs + rows.start) * windows;
                    let dy = Planes { data: &y[begin..begin + rows.len() * windows], plane: windows };
                    CorrelateBack { walk: &self.sight.walk, filter, d_weight, x, dy }.run();
                });
            }
        }
    }
}

/// How many rows of sums a thread takes at a time, each of so many numbers that are summed over `depth`.
fn piece(threads: Option<usize>, [rows, numbers]: [usize; 2], depth: usize) -> usize {
    const WORTH: usize = 128 * 1024;
    const ROWS: usize = 12;
    if threads.is_none() { rows } else { WORTH.div_ceil((numbers * depth).max(1)).next_multiple_of(ROWS).min(rows) }
}

/// Some rows of a filter, from `first` on, with their weight and their bias.
fn some_rows<'a, E>(filter: Filter, [first, rows]: [usize; 2], weight: &'a [E], bias: &'a [E]) -> (Filter, &'a [E], &'a [E]) {
    let bias = if bias.is_empty() { bias } else { &bias[first..first + rows] };
    (Filter { rows, ..filter }, &weight[first * filter.row..], bias)
}

/// Images in their frames: in `scratch`, or where they are.
fn framed<'a, E: Float>(frame: &Frame, copies: bool, images: &'a [E], scratch: &'a mut [E]) -> Planes<&'a [E]> {
    if copies {
        frame.fill_numbers(images, scratch);
    }
    Planes { data: if copies { scratch } else { images }, plane: frame.plane() }
}

/// What lies in a register.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Lie {
    /// Neighbouring places of a row.
    Row,
    /// One place of several samples, which lie next to one another.
    Samples,
}

impl Lie {
    /// How many numbers a place has.
    pub(super) fn unit<E: Float>(self) -> usize {
        if self == Lie::Samples { E::lanes() } else { 1 }
    }

    /// Registers along some columns.
    fn registers<E: Float>(self, columns: usize) -> impl Iterator<Item = core::ops::Range<usize>> {
        let step = if self == Lie::Samples { 1 } else { E::lanes() };
        (0..columns).step_by(step).map(move |begin| begin..(begin + step).min(columns))
    }

    /// How many registers so many rows and columns make.
    pub(super) fn registers_of<E: Float>(self, [rows, columns]: [usize; 2]) -> usize {
        rows * self.registers::<E>(columns).count()
    }

    fn place<E: Float>(self, from: usize, to: usize, len: usize) -> Place {
        let [from, to, len] = [from, to, len].map(|places| (places * self.unit::<E>()) as u32);
        Place { from, to, len }
    }

    fn tap<E: Float>(self, weight: usize, shift: usize) -> Tap {
        Tap { weight: weight as u32, shift: (shift * self.unit::<E>()) as u32 }
    }
}

/// How windows see an image.
pub(super) struct Sight {
    pub frame: Frame,
    /// Whether the image has to be copied into its frame; it has to, too, where registers reach beyond its end.
    pub copies: bool,
    pub walk: Walk,
}

impl Sight {
    /// The first windows, as many as `output` has, which lie in `to`.
    pub(super) fn new<E: Float>(g: &Geometry, lie: Lie, output: [usize; 2], to: &Frame) -> Self {
        let frame = Self::frame(g, lie);
        let mut places = Vec::new();
        for row in 0..output[0] {
            for columns in lie.registers::<E>(output[1]) {
                let from = frame.at([row * g.stride[0], columns.start * g.stride[1]]);
                places.push(lie.place::<E>(from, to.place([row, columns.start]), columns.len()));
            }
        }
        let walk = Walk::new(places, Self::taps::<E>(g, lie, &frame), E::lanes());
        Sight { copies: !frame.is_image() || walk.is_ragged(), frame, walk }
    }

    /// Of samples side by side: the first windows, in pools of 2 x 2, as many as `output` has.
    pub(super) fn pooled<E: Float>(g: &Geometry, output: [usize; 2]) -> Self {
        let frame = Self::frame(g, Lie::Samples);
        let places = grid(output).enumerate().flat_map(|(i, [y, x])| {
            grid([2, 2]).map(move |[below, right]| {
                let from = frame.at([(2 * y + below) * g.stride[0], (2 * x + right) * g.stride[1]]);
                Lie::Samples.place::<E>(from, i, 1)
            })
        });
        let walk = Walk::new(places.collect(), Self::taps::<E>(g, Lie::Samples, &frame), E::lanes()).pooled();
        Sight { copies: !frame.is_image(), frame, walk }
    }

    /// All that windows see.
    fn frame(g: &Geometry, lie: Lie) -> Frame {
        let extent = |axis: usize| (g.output[axis] - 1) * g.stride[axis] + (g.kernel[axis] - 1) * g.dilation[axis] + 1;
        let begin = g.padding.map(|padding| -(padding as isize));
        let step = if lie == Lie::Row { g.stride[1] } else { 1 };
        Frame { image: g.image, begin, size: [extent(0), extent(1)], step }
    }

    fn taps<E: Float>(g: &Geometry, lie: Lie, frame: &Frame) -> Vec<Tap> {
        let tap = |(weight, [y, x]): (usize, [usize; 2])| lie.tap::<E>(weight, frame.at([y * g.dilation[0], x * g.dilation[1]]));
        grid(g.kernel).enumerate().map(tap).collect()
    }
}

/// How pixels see the windows that see them. With a stride, pixels next to one another are seen by other taps: those that are
/// as many pixels apart as the stride form a phase, and are seen by the same.
pub(super) struct Spread {
    pub frame: Frame,
    /// As for [`Sight`].
    copies: bool,
    pub phases: Vec<Phase>,
}

pub(super) struct Phase {
    pub walk: Walk,
    /// Where its columns go, if they do not lie next to one another.
    columns: Option<Columns>,
}

/// Columns of an image that are `step` apart.
struct Columns {
    /// The first pixel of each row.
    rows: Vec<usize>,
    width: usize,
    step: usize,
}

impl Columns {
    fn plane(&self) -> usize {
        self.rows.len() * self.width
    }

    /// Writes or adds them to images of `pixels` pixels.
    fn put<E: Float>(&self, from: &[E], images: &mut [E], pixels: usize, add: bool) {
        if self.plane() == 0 {
            return;
        }
        for (from, image) in from.chunks_exact(self.plane()).zip(images.chunks_exact_mut(pixels)) {
            for (from, &first) in from.chunks_exact(self.width).zip(&self.rows) {
                let to = image[first..].iter_mut().step_by(self.step);
                to.zip(from).for_each(|(to, &x)| *to = if add { *to + x } else { x });
            }
        }
    }
}

/// Along one axis: pixel `i` is `stride * u + phase - padding`, and tap `k` of window `u - q` lies on it where `k` dilated is
/// `stride * q + phase`.
struct Axis {
    image: usize,
    kernel: usize,
    stride: usize,
    padding: usize,
    dilation: usize,
}

impl Axis {
    fn of(g: &Geometry, axis: usize) -> Self {
        let [image, kernel, stride, padding, dilation] = [g.image, g.kernel, g.stride, g.padding, g.dilation].map(|of| of[axis]);
        Axis { image, kernel, stride, padding, dilation }
    }

    /// The largest `q`.
    fn reach(&self) -> usize {
        (self.kernel - 1) * self.dilation / self.stride
    }

    /// The smallest `u` of all phases.
    fn first(&self) -> usize {
        self.padding / self.stride
    }

    /// From the first window to the last one that a pixel can see.
    fn extent(&self) -> usize {
        (self.image - 1 + self.padding) / self.stride - self.first() + 1 + self.reach()
    }

    /// The `u` of a phase.
    fn range(&self, phase: usize) -> core::ops::Range<usize> {
        let begin = self.padding.saturating_sub(phase).div_ceil(self.stride);
        let end = (self.image + self.padding).saturating_sub(phase).div_ceil(self.stride);
        begin..end.max(begin)
    }

    fn pixel(&self, u: usize, phase: usize) -> usize {
        u * self.stride + phase - self.padding
    }

    /// The taps of a phase, and how far the window of each is from the farthest one.
    fn taps(&self, phase: usize) -> impl Iterator<Item = (usize, usize)> {
        let dilated = (0..self.kernel).map(|k| (k, k * self.dilation));
        dilated.filter(move |(_, at)| at % self.stride == phase).map(|(k, at)| (k, self.reach() - at / self.stride))
    }
}

impl Spread {
    pub(super) fn new<E: Float>(g: &Geometry, lie: Lie) -> Self {
        let axes = [Axis::of(g, 0), Axis::of(g, 1)];
        let begin = [0, 1].map(|i| axes[i].first() as isize - axes[i].reach() as isize);
        let frame = Frame { image: g.output, begin, size: [axes[0].extent(), axes[1].extent()], step: 1 };
        let phases: Vec<Phase> = grid(g.stride).map(|phase| Phase::new::<E>(&axes, phase, &frame, lie)).collect();
        Spread { copies: !frame.is_image() || phases.iter().any(|phase| phase.walk.is_ragged()), frame, phases }
    }

    /// How many numbers of a channel lie apart from their places at most.
    fn plane(&self) -> usize {
        self.phases.iter().filter_map(|phase| phase.columns.as_ref()).map(Columns::plane).max().unwrap_or(0)
    }
}

impl Phase {
    fn new<E: Float>(axes: &[Axis; 2], phase: [usize; 2], frame: &Frame, lie: Lie) -> Self {
        let [rows, columns] = [0, 1].map(|i| axes[i].range(phase[i]));
        let width = axes[1].image;
        let scattered = (axes[1].stride > 1 && lie == Lie::Row).then(|| Columns {
            rows: rows.clone().map(|u| axes[0].pixel(u, phase[0]) * width + axes[1].pixel(columns.start, phase[1])).collect(),
            width: columns.len(),
            step: axes[1].stride,
        });
        let mut places = Vec::new();
        for (i, u) in rows.enumerate().filter(|_| !columns.is_empty()) {
            let from = frame.at([u - axes[0].first(), columns.start - axes[1].first()]);
            places.extend(lie.registers::<E>(columns.len()).map(|of_row| {
                let to = match scattered {
                    Some(_) => i * columns.len() + of_row.start,
                    None => axes[0].pixel(u, phase[0]) * width + axes[1].pixel(columns.start + of_row.start, phase[1]),
                };
                lie.place::<E>(from + of_row.start, to, of_row.len())
            }));
        }
        let taps = axes[0].taps(phase[0]).flat_map(|(ky, y)| {
            let kernel = axes[1].kernel;
            axes[1].taps(phase[1]).map(move |(kx, x)| lie.tap::<E>(ky * kernel + kx, frame.at([y, x])))
        });
        Phase { walk: Walk::new(places, taps.collect(), E::lanes()), columns: scattered }
    }
}

/// Cross-correlation; the parameters are the filters' weight, then `bias` `[out_channels]`.
pub(crate) struct Conv {
    pub filters: Filters,
}

impl<E: Float> Step<E> for Conv {
    fn scratch(&self) -> usize {
        self.filters.scratch::<E>()
    }

    fn efficient(&self) -> usize {
        self.filters.efficient::<E>()
    }

    fn forward(&self, at: Forward<'_, E>) {
        let (weight, bias) = at.params.split_at(self.filters.bank.weights());
        self.filters.see(at.threads, [weight, bias], at.input(), at.scratch, false, at.output);
    }

    fn backward(&self, mut at: Backward<'_, E>) {
        let (d_input, weights) = (at.d_input(), self.filters.bank.weights());
        let (d_weight, d_bias) = at.d_params.split_at_mut(weights);
        add_runs(at.d_output, self.filters.bank.geometry.windows(), d_bias);
        self.filters.correlate(at.threads, at.input, at.d_output, at.scratch, d_weight);
        if let Some(dx) = d_input {
            self.filters.spread(at.threads, [&at.params[..weights], &[]], at.d_output, at.scratch, dx.add, dx.to);
        }
    }
}

/// The transpose of a cross-correlation; the parameters are the filters' weight, then `bias` `[in_channels]`.
pub(crate) struct ConvTranspose {
    pub filters: Filters,
}

impl<E: Float> Step<E> for ConvTranspose {
    fn scratch(&self) -> usize {
        self.filters.scratch::<E>()
    }

    fn efficient(&self) -> usize {
        self.filters.efficient::<E>()
    }

    fn forward(&self, at: Forward<'_, E>) {
        let (weight, bias) = at.params.split_at(self.filters.bank.weights());
        self.filters.spread(at.threads, [weight, bias], at.input(), at.scratch, false, at.output);
    }

    fn backward(&self, mut at: Backward<'_, E>) {
        let (d_input, weights) = (at.d_input(), self.filters.bank.weights());
        let (d_weight, d_bias) = at.d_params.split_at_mut(weights);
        add_runs(at.d_output, self.filters.bank.geometry.pixels(), d_bias);
        self.filters.correlate(at.threads, at.d_output, at.input, at.scratch, d_weight);
        if let Some(dx) = d_input {
            self.filters.see(at.threads, [&at.params[..weights], &[]], at.d_output, at.scratch, dx.add, dx.to);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Bank, Filters};
    use crate::kernels::geometry::Geometry;
    use proptest::prelude::*;

    fn numbers(count: usize, step: usize) -> Vec<f64> {
        (0..count).map(|i| ((i * step % 101) as f64 - 50.0) / 64.0).collect()
    }

    /// What the filters see, and the gradients of the images and of the weight, both added to ones.
    fn all_ways(filters: &Filters, threads: Option<usize>, samples: usize) -> [Vec<f64>; 3] {
        let (bank, g) = (&filters.bank, &filters.bank.geometry);
        let [inputs, outputs] = [bank.channels[0] * g.pixels(), bank.channels[1] * g.windows()].map(|numbers| samples * numbers);
        let (x, dy, weight) = (numbers(inputs, 37), numbers(outputs, 53), numbers(bank.weights(), 29));
        let (bias, mut scratch) = (numbers(bank.channels[1], 7), vec![f64::NAN; filters.scratch::<f64>()]);
        let [mut y, mut dx, mut d_weight] = [outputs, inputs, bank.weights()].map(|numbers| vec![1.0; numbers]);
        filters.see(threads, [&weight, &bias], &x, &mut scratch, false, &mut y);
        filters.spread(threads, [&weight, &[]], &dy, &mut scratch, true, &mut dx);
        filters.correlate(threads, &x, &dy, &mut scratch, &mut d_weight);
        [y, dx, d_weight]
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(24))]
        /// The same sums as tap by tap, however many threads share out the rows, and on any number of them the same bits.
        #[test]
        fn less_multiplications_give_the_same(
            image in [14..19usize, 14..19usize], padding in [0..3usize, 0..3usize], channels in [24..28usize, 24..28usize],
            groups in 1..3usize, samples in 1..12usize,
        ) {
            let output = [0, 1].map(|axis| image[axis] + 2 * padding[axis] - 2);
            let geometry = Geometry { image, kernel: [3, 3], stride: [1, 1], padding, dilation: [1, 1], output };
            let bank = Bank { geometry, channels: channels.map(|channels| groups * channels), groups };
            let [quick, mut by_tap] = [0, 1].map(|_| Filters::new::<f64>(bank));
            let ways = quick.quick.iter().flatten().filter(|quick| quick.pays(samples)).count();
            prop_assume!(ways == 2 && quick.quick_back.as_ref().is_some_and(|quick| quick.pays(samples)));
            (by_tap.quick, by_tap.quick_back, by_tap.by_tap) = ([None, None], None, None);
            let expected = all_ways(&by_tap, None, samples);
            let shared = all_ways(&quick, Some(1), samples);
            prop_assert_eq!(&shared, &all_ways(&quick, Some(3), samples));
            for got in [all_ways(&quick, None, samples), shared] {
                for (got, want) in got.iter().flatten().zip(expected.iter().flatten()) {
                    prop_assert!((got - want).abs() < 1e-9, "{got} is not {want}");
                }
            }
        }

        /// The gradient of the weight as products of matrices is that of walks over the image.
        #[test]
        fn taps_see_runs(
            image in [9..20usize, 12..30usize], kernel in [1..6usize, 2..6usize], padding in [0..3usize, 0..3usize], dilation in 1..3usize,
            channels in [8..20usize, 24..70usize], samples in 1..3usize,
        ) {
            let output = [0, 1].map(|axis| (image[axis] + 2 * padding[axis]).saturating_sub((kernel[axis] - 1) * dilation));
            prop_assume!(output[0] > 0 && output[1] > 0);
            let geometry = Geometry { image, kernel, stride: [1, 1], padding, dilation: [dilation; 2], output };
            let [mut products, mut walks] = [0, 1].map(|_| Filters::new::<f64>(Bank { geometry, channels, groups: 1 }));
            prop_assume!(products.by_tap.is_some());
            (products.quick_back, walks.quick_back, walks.by_tap) = (None, None, None);
            let [.., expected] = all_ways(&walks, None, samples);
            let [.., got] = all_ways(&products, None, samples);
            let [.., shared] = all_ways(&products, Some(3), samples);
            prop_assert_eq!(&got, &shared);
            for (got, want) in got.iter().zip(&expected) {
                prop_assert!((got - want).abs() < 1e-9, "{got} is not {want}");
            }
        }
    }
}
