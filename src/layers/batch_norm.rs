//! Batch normalization.

use super::Leaf;
use super::generic;
use super::normalization::Epsilon;
use crate::cpu::steps::{Backward, Forward, Gradient, Known, Observed, Step, WholeBatch};
use crate::cpu::{Planner, Value};
use crate::engine::Flat;
use crate::float::Float;
use crate::gpu;
use crate::kernels::simd::{Job, with_best};
use crate::kernels::sum::Partial;
use crate::onnx::{self, Attribute, Graph, Samples};
use crate::portable::{OverRanks, Site, Var};
use crate::types::{Dims, Label, Layer, Message, Param, Problem, Reach, Role, Size, Spec};
use core::ops::Range;
use dfdx::prelude::{BroadcastTo, SumTo, TryAdd, TryDiv, TryMul, TrySub};
use dfdx::shapes::{Axes2, Const};
use dfdx::tensor::{PutTape, SplitTape, Tape, Tensor};
use dfdx::tensor_ops::Device;

/// Batch normalization of features or signals: `y = w (x - mean) / √(variance + ε) + b`, each channel over the whole batch,
/// with `ε = 1e-5`.
///
/// In training the statistics are those of the batch, whose variance is divided by the number `n` of numbers, and the running
/// ones follow: `running ← 0.9 running + 0.1 batch`, with the variance divided by `n - 1`. Outside of training the running
/// ones are used.
///
/// # Shapes
/// `[C]` or `[C, L]`, kept; `weight`, `bias`, and the buffers `running_mean` and `running_var` are `[C]`, as in PyTorch's
/// `nn.BatchNorm1d`.
///
/// # Examples
/// ```
/// use formwork::prelude::*;
///
/// #[network([8] => [4])]
/// type Deep = (NoBias<Linear<8, 16>>, BatchNorm1d<16>, Relu, Linear<16, 4>);
/// assert_eq!(Deep::buffers()[0].name, "1.running_mean");
/// ```
///
/// Ioffe and Szegedy, [Batch normalization](https://arxiv.org/abs/1502.03167), 2015. Course notes: batch normalization.
pub type BatchNorm1d<const C: usize> = generic::BatchNorm1d<Const<C>>;

/// Batch normalization of images: `y = w (x - mean) / √(variance + ε) + b`, each channel over all pixels of the batch.
///
/// As [`BatchNorm1d`]; the statistics are of the whole batch, whatever the number of threads.
///
/// # Shapes
/// `[C, H, W]`, kept; `weight`, `bias`, and the buffers `running_mean` and `running_var` are `[C]`, as in PyTorch's
/// `nn.BatchNorm2d`.
///
/// # Examples
/// ```
/// use formwork::prelude::*;
///
/// #[network([3, 32, 32] => [8, 32, 32])]
/// type Block = (NoBias<Conv2d<3, 8, 3, 1, 1>>, BatchNorm2d<8>, Relu);
/// ```
/// `generic::BatchNorm2d` takes another [`Eps`](super::normalization::Eps) and another [`Momentum`] as well:
/// ```
/// use formwork::prelude::*;
/// type Slow = generic::BatchNorm2d<Const<8>, Eps<1, 1000>, Momentum<1, 100>>;
/// formwork::check!(Net<Slow, Rank3<8, 4, 4>, Rank3<8, 4, 4>>);
/// ```
///
/// Ioffe and Szegedy, [Batch normalization](https://arxiv.org/abs/1502.03167), 2015. Course notes: batch normalization.
pub type BatchNorm2d<const C: usize> = generic::BatchNorm2d<Const<C>>;

/// How far running statistics move towards those of a batch: `N / DEN`, since types carry whole numbers.
#[derive(Clone, Copy, Debug, Default)]
pub struct Momentum<const N: usize, const DEN: usize>;

/// The momentum of running statistics, as a value.
#[diagnostic::on_unimplemented(message = "`{Self}` is not the momentum of a batch norm", label = "expected a fraction such as `Momentum<1, 10>`")]
pub trait Follow: 'static {
    /// The number.
    const MOMENTUM: f64;
}

impl<const N: usize, const DEN: usize> Follow for Momentum<N, DEN> {
    const MOMENTUM: f64 = N as f64 / DEN as f64;
}

impl<C: Size, E: Epsilon, M: Follow> Layer for generic::BatchNorm1d<C, E, M> {
    const SPEC: &'static Spec = &Spec::Leaf(Leaf::BatchNorm(BatchNormSpec::new(C::SIZE, Of::Signals, E::EPSILON, M::MOMENTUM)));
}

impl<C: Size, E: Epsilon, M: Follow> Layer for generic::BatchNorm2d<C, E, M> {
    const SPEC: &'static Spec = &Spec::Leaf(Leaf::BatchNorm(BatchNormSpec::new(C::SIZE, Of::Images, E::EPSILON, M::MOMENTUM)));
}

/// What a [`BatchNorm1d`] or a [`BatchNorm2d`] is.
#[derive(Clone, Copy, Debug)]
pub struct BatchNormSpec {
    /// `C`.
    pub num_features: usize,
    pub(super) of: Of,
    /// `ε`.
    pub epsilon: f64,
    /// How far running statistics move towards those of a batch.
    pub momentum: f64,
    /// Whether `w` and `b` are there.
    pub affine: bool,
}

#[derive(Clone, Copy, Debug)]
pub(super) enum Of {
    Signals,
    Images,
}

impl BatchNormSpec {
    const fn new(num_features: usize, of: Of, epsilon: f64, momentum: f64) -> Self {
        BatchNormSpec { num_features, of, epsilon, momentum, affine: true }
    }

    /// `BatchNorm2d<C>`
    pub const fn label(&self) -> Label {
        let name = if matches!(self.of, Of::Images) { "BatchNorm2d" } else { "BatchNorm1d" };
        let label = Label::new(name, &[self.num_features]);
        if self.affine { label } else { label.wrapped("NoAffine") }
    }

    /// Any shape with these channels stays as it is.
    pub const fn infer(&self, x: Dims) -> Result<Dims, Problem> {
        match (self.of, x.rank()) {
            (Of::Images, 3) | (Of::Signals, 1 | 2) => {}
            (Of::Images, _) => return Err(Problem::image(x)),
            (Of::Signals, 3) => {
                let help = Message::new("BatchNorm2d normalizes the channels of an image");
                return Err(Problem::rank("features [C] or signals [C, L]", x).help(help));
            }
            (Of::Signals, _) => return Err(Problem::rank("features [C] or signals [C, L]", x)),
        }
        if self.num_features == 0 {
            return Err(Problem::zero("number of channels"));
        }
        if !self.epsilon.is_finite() || !self.momentum.is_finite() {
            return Err(Problem::zero("denominator"));
        }
        if x.size(0) != self.num_features {
            let fitting = BatchNormSpec { num_features: x.size(0), ..*self };
            return Err(Problem::channels(self.num_features, x).fits(fitting.label()));
        }
        Ok(x)
    }

    /// `weight`, which begins as ones, `bias`, and the buffers.
    pub const fn param(&self, i: usize) -> Option<Param> {
        let channels = &[self.num_features];
        match if self.affine { i } else { i + 2 } {
            0 => Some(Param::ones("weight", channels)),
            1 => Some(Param::zeros("bias", channels)),
            2 => Some(Param::zeros("running_mean", channels).role(Role::Buffer)),
            3 => Some(Param::ones("running_var", channels).role(Role::Buffer)),
            4 => Some(Param::zeros("num_batches_tracked", &[]).role(Role::Counter)),
            _ => None,
        }
    }

    /// For each number one operation for the mean, three for the variance, two to normalize, and two for `w` and `b`.
    pub const fn flops(&self, _x: Dims, y: Dims) -> usize {
        y.numel() * if self.affine { 8 } else { 6 }
    }

    /// The number in the same place: what other places add is the same for all.
    pub const fn reach(&self) -> Reach {
        Reach::Point
    }

    pub(crate) fn portable<E: Float, D: Device<E>, T: Tape<E, D>>(
        &self,
        site: &Site<'_, E, D, T>,
        x: Var<E, D, T>,
        y: Dims,
    ) -> Result<Var<E, D, T>, D::Err> {
        let (samples, channels) = (x.samples(), self.num_features);
        let shape = (samples, channels, y.inner(0)); // [B, C, L]
        let x = x.view(&shape)?;
        let (mean, variance) = if site.is_training() {
            self.batch_statistics(site, &x, shape)?
        } else {
            (site.buffer(0).put_tape(T::default()), site.buffer(1).put_tape(T::default()))
        };
        let root = variance.try_add(E::of(self.epsilon))?.try_sqrt()?.try_broadcast_like::<_, Axes2<0, 2>>(&shape)?;
        let mut out = x.try_sub(mean.try_broadcast_like::<_, Axes2<0, 2>>(&shape)?)?.try_div(root)?;
        if self.affine {
            let weight = site.param(0, &(channels,))?.try_broadcast_like::<_, Axes2<0, 2>>(&shape)?;
            let bias = site.param(1, &(channels,))?.try_broadcast_like::<_, Axes2<0, 2>>(&shape)?;
            out = out.try_mul(weight)?.try_add(bias)?;
        }
        Var::new(out, samples, y)
    }

    /// Mean and variance of each channel, which the running ones follow.
    fn batch_statistics<E: Float, D: Device<E>, T: Tape<E, D>>(
        &self,
        site: &Site<'_, E, D, T>,
        x: &Tensor<(usize, usize, usize), E, D, T>,
        shape: (usize, usize, usize),
    ) -> Result<(Flat<E, D, T>, Flat<E, D, T>), D::Err> {
        let n = E::of((site.ranks.map_or(shape.0, OverRanks::samples) * shape.2) as f64);
        let over_all = |sum: Flat<E, D, T>| match site.ranks {
            Some(ranks) => ranks.sum(sum),
            None => Ok(sum),
        };
        let sum = over_all(x.retaped::<T>().try_sum::<(usize,), Axes2<0, 2>>()?)?;
        let (mean, tape) = sum.try_div(n)?.split_tape();
        let centred = x.retaped::<T>().try_sub(mean.retaped::<T>().try_broadcast_like::<_, Axes2<0, 2>>(&shape)?)?;
        let sum = over_all(centred.try_square()?.try_sum::<(usize,), Axes2<0, 2>>()?)?;
        let (variance, variance_tape) = sum.try_div(n)?.split_tape();
        let follow = |i: usize, batch: Flat<E, D>, share: E| -> Result<(), D::Err> {
            let moved = site.buffer(i).try_mul(E::of(1.0 - self.momentum))?.try_add(batch.try_mul(share)?)?;
            site.write_buffer(i, moved);
            Ok(())
        };
        let momentum = E::of(self.momentum);
        follow(0, mean.clone(), momentum)?;
        follow(1, variance.clone(), momentum * n / (n - E::one()).max(E::one()))?;
        site.write_buffer(2, site.buffer(2).try_add(E::one())?);
        Ok((mean.put_tape(tape), variance.put_tape(variance_tape)))
    }

    pub(crate) fn onnx(&self, graph: &mut Graph, x: Samples, _y: Dims) -> onnx::Tensor {
        let (channels, first) = (self.num_features, if self.affine { 2 } else { 0 });
        let [weight, bias] = match self.affine {
            true => [0, 1].map(|i| graph.param(i)),
            false => [1.0, 0.0].map(|number| graph.constant(&vec![number; channels], &[channels])),
        };
        let inputs = [x.tensor, weight, bias, graph.param(first), graph.param(first + 1)];
        graph.node("BatchNormalization", &inputs, &[("epsilon", Attribute::Float(self.epsilon))])
    }

    pub(crate) fn plan<E: Float>(&self, planner: &mut Planner<E>, x: Value, y: Dims) -> Value {
        planner.step(BatchNormStep { spec: *self, per_channel: y.inner(0) }, &[x], y)
    }

    pub(crate) fn fused(&self, planner: &mut gpu::Planner, x: gpu::Value, y: Dims) -> Option<gpu::Value> {
        let (c, count) = (self.num_features, planner.samples() * y.numel());
        let channels = gpu::Channels { outer: planner.samples(), channels: c, inner: y.inner(0) };
        let (out, x_at, mean, scale) = (planner.value(y), planner.at(x), planner.room(c), planner.room(c));
        let (y_at, affine) = (planner.at(out), self.affine.then(|| [0, 1].map(|i| planner.param(i))));
        let [weight, bias] = [0, 1].map(|i| affine.map(|parameters| parameters[i].at));
        self.fused_statistics(planner, x_at, [mean, scale], channels);
        let args = [x_at.into(), y_at.into(), mean.into(), scale.into(), weight.into(), bias.into(), c.into(), channels.inner.into()];
        planner.each("batch_norm", count, &args);
        planner.back(out, move |p, dy| {
            let sums = p.channel_sums(dy, gpu::Factor::OfChannel { x: x_at, mean, scale }, channels);
            if let Some([weight, bias]) = affine {
                p.accumulate(sums, bias.d, c);
                p.accumulate(sums.behind(c), weight.d, c);
            }
            let Some(dx) = p.d(x) else { return };
            // Statistics that are not of this batch do not depend on it.
            let sums = p.is_training().then_some(sums);
            let numbers: [gpu::Arg; 4] = [x_at.into(), dy.into(), dx.at.into(), dx.add.into()];
            let of_channels: [gpu::Arg; 4] = [mean.into(), scale.into(), weight.into(), sums.into()];
            let sizes: [gpu::Arg; 3] = [c.into(), channels.inner.into(), ((count / c) as f64).into()];
            p.each("batch_norm_back", count, &[&numbers[..], &of_channels, &sizes].concat());
        });
        Some(out)
    }

    /// Calls that write the mean of each channel, and the reciprocal of its deviation.
    fn fused_statistics(&self, planner: &mut gpu::Planner, x: gpu::Place, [mean, scale]: [gpu::Place; 2], of: gpu::Channels) {
        let (c, running) = (self.num_features, planner.buffer(0));
        if !planner.is_training() {
            return planner.each("running_statistics", c, &[running.into(), mean.into(), scale.into(), self.epsilon.into()]);
        }
        let (slots, outer, inner): (_, gpu::Arg, gpu::Arg) = (of.slots(), of.outer.into(), of.inner.into());
        let parts = planner.room(slots * 2 * c);
        planner.blocks("batch_moments", c * slots, &[x.into(), parts.into(), outer, c.into(), inner, slots.into()]);
        let places: [gpu::Arg; 4] = [parts.into(), mean.into(), scale.into(), running.into()];
        let numbers: [gpu::Arg; 5] = [outer, inner, slots.into(), self.epsilon.into(), self.momentum.into()];
        planner.each("batch_statistics", c, &[&places[..], &numbers].concat());
    }
}

/// What is known of the whole batch: `C` means, `C` sums of squared differences from them; and from the way back, `C` sums of
/// `dy` and `C` sums of `dy` times the normalized `x`.
struct BatchNormStep {
    spec: BatchNormSpec,
    /// How many numbers of a sample each channel has.
    per_channel: usize,
}

/// The statistics that a channel is normalized by.
#[derive(Clone, Copy)]
struct Statistics<E> {
    mean: E,
    reciprocal: E,
}

impl BatchNormStep {
    fn channels(&self) -> usize {
        self.spec.num_features
    }

    /// How many numbers of a batch a channel has.
    fn count<E: Float>(&self, samples: usize) -> E {
        E::of((samples * self.per_channel) as f64)
    }

    #[inline(always)]
    fn statistics<E: Float>(&self, channel: usize, batch: Option<Known<'_, E>>, buffers: &[E]) -> Statistics<E> {
        let c = self.channels();
        let (mean, variance) = match batch {
            Some(Known { samples, numbers, .. }) => (numbers[channel], numbers[c + channel] / self.count(samples)),
            None => (buffers[channel], buffers[c + channel]),
        };
        Statistics { mean, reciprocal: (variance + E::of(self.spec.epsilon)).sqrt().recip() }
    }

    /// Where the numbers of a channel lie, sample by sample.
    #[inline(always)]
    fn runs(&self, channel: usize, numel: usize) -> impl Iterator<Item = Range<usize>> {
        let (run, sample) = (self.per_channel, self.channels() * self.per_channel);
        (0..numel / sample).map(move |i| i * sample + channel * run..i * sample + (channel + 1) * run)
    }

    #[inline(always)]
    fn weight<E: Float>(&self, channel: usize, params: &[E]) -> E {
        if self.spec.affine { params[channel] } else { E::one() }
    }
}

/// Writes the mean of each channel, and the sums of squared differences from it.
struct Observe<'a, E> {
    step: &'a BatchNormStep,
    x: &'a [E],
    means: &'a mut [E],
    squares: &'a mut [E],
}

impl<E: Float> Job for Observe<'_, E> {
    #[inline(always)]
    fn run(self) {
        let Observe { step, x, means, squares } = self;
        let count = E::of((x.len() / step.channels()) as f64);
        for (channel, (mean, squares)) in means.iter_mut().zip(squares).enumerate() {
            // Differences from any of the numbers have small sums, which keep their digits.
            let one = x[channel * step.per_channel];
            let mut sum = Partial::new();
            for run in step.runs(channel, x.len()) {
                sum = sum.add(&x[run], |x| x - one);
            }
            let centre = one + sum.total() / count;
            let mut sum = Partial::new();
            for run in step.runs(channel, x.len()) {
                sum = sum.add(&x[run], |x| (x - centre) * (x - centre));
            }
            (*mean, *squares) = (centre, sum.total());
        }
    }
}

/// Adds, for each channel, `Σ dy` to `shift` and `Σ dy x` to `slope`, with the normalized `x`.
struct ObserveBack<'a, E> {
    step: &'a BatchNormStep,
    x: &'a [E],
    dy: &'a [E],
    batch: Option<Known<'a, E>>,
    buffers: &'a [E],
    shift: &'a mut [E],
    slope: &'a mut [E],
}

impl<E: Float> Job for ObserveBack<'_, E> {
    #[inline(always)]
    fn run(self) {
        let ObserveBack { step, x, dy, .. } = self;
        for (channel, (shift, slope)) in self.shift.iter_mut().zip(self.slope).enumerate() {
            let Statistics { mean, reciprocal } = step.statistics(channel, self.batch, self.buffers);
            let (mut sum, mut products) = (Partial::new(), Partial::new());
            for run in step.runs(channel, x.len()) {
                sum = sum.add(&dy[run.clone()], |dy| dy);
                products = products.add_products(&x[run.clone()], &dy[run], |x| x - mean);
            }
            *shift += sum.total();
            *slope += products.total() * reciprocal;
        }
    }
}

struct Normalize<'a, E> {
    step: &'a BatchNormStep,
    at: Forward<'a, E>,
}

impl<E: Float> Job for Normalize<'_, E> {
    #[inline(always)]
    fn run(self) {
        let Normalize { step, at } = self;
        let (c, x, y) = (step.channels(), at.inputs[0], at.output);
        for channel in 0..c {
            let Statistics { mean, reciprocal } = step.statistics(channel, at.batch, at.buffers);
            let factor = reciprocal * step.weight(channel, at.params);
            let bias = if step.spec.affine { at.params[c + channel] } else { E::zero() };
            for run in step.runs(channel, x.len()) {
                y[run.clone()].iter_mut().zip(&x[run]).for_each(|(y, &x)| *y = (x - mean) * factor + bias);
            }
        }
    }
}

struct NormalizeBack<'a, E> {
    step: &'a BatchNormStep,
    at: Backward<'a, E>,
    dx: Gradient<'a, E>,
}

impl<E: Float> Job for NormalizeBack<'_, E> {
    #[inline(always)]
    fn run(self) {
        let NormalizeBack { step, at, dx: Gradient { to: dx, add } } = self;
        let (c, x, dy) = (step.channels(), at.input, at.d_output);
        for channel in 0..c {
            let Statistics { mean, reciprocal } = step.statistics(channel, at.batch, at.buffers);
            let factor = reciprocal * step.weight(channel, at.params);
            let [shift, slope] = match at.batch {
                Some(Known { samples, numbers, .. }) => [2 * c, 3 * c].map(|sums| numbers[sums + channel] / step.count(samples)),
                None => [E::zero(); 2], // the statistics do not depend on the batch
            };
            let slope = slope * reciprocal;
            for run in step.runs(channel, x.len()) {
                let numbers = dx[run.clone()].iter_mut().zip(&x[run.clone()]).zip(&dy[run]);
                for ((dx, &x), &dy) in numbers {
                    let before = if add { *dx } else { E::zero() };
                    *dx = before + (dy - shift - (x - mean) * slope) * factor;
                }
            }
        }
    }
}

impl<E: Float> Step<E> for BatchNormStep {
    fn forward(&self, at: Forward<'_, E>) {
        with_best(Normalize { step: self, at });
    }

    fn backward(&self, mut at: Backward<'_, E>) {
        let c = self.channels();
        if self.spec.affine {
            let (slope, shift) = at.d_params.split_at_mut(c);
            match at.batch {
                // The sums over the whole batch are known; its first chunk adds them for all.
                Some(known) if known.is_first => {
                    shift.iter_mut().zip(&known.numbers[2 * c..]).for_each(|(to, &sum)| *to += sum);
                    slope.iter_mut().zip(&known.numbers[3 * c..]).for_each(|(to, &sum)| *to += sum);
                }
                Some(_) => {}
                None => with_best(ObserveBack { step: self, x: at.input, dy: at.d_output, batch: None, buffers: at.buffers, shift, slope }),
            }
        }
        if let Some(dx) = at.d_input() {
            with_best(NormalizeBack { step: self, at, dx });
        }
    }

    fn whole_batch(&self) -> Option<&dyn WholeBatch<E>> {
        Some(self)
    }
}

/// Means and sums of squares of parts of the batch are merged pairwise: Chan, Golub and LeVeque, "Algorithms for computing the
/// sample variance", 1983. Sums of `x²` would lose the variance beside a large mean.
impl<E: Float> WholeBatch<E> for BatchNormStep {
    fn numbers(&self) -> usize {
        4 * self.channels()
    }

    fn observe(&self, _samples: usize, input: &[E], share: &mut [E]) {
        let (means, rest) = share.split_at_mut(self.channels());
        with_best(Observe { step: self, x: input, means, squares: &mut rest[..self.channels()] });
    }

    fn merge(&self, before: usize, samples: usize, share: &[E], known: &mut [E]) {
        let c = self.channels();
        if before == 0 {
            return known[..2 * c].copy_from_slice(&share[..2 * c]);
        }
        let (a, b): (E, E) = (self.count(before), self.count(samples));
        for channel in 0..c {
            let difference = share[channel] - known[channel];
            known[channel] += difference * b / (a + b);
            known[c + channel] += share[c + channel] + difference * difference * a * b / (a + b);
        }
    }

    fn remember(&self, samples: usize, known: &[E], buffers: &mut [E]) {
        let (c, n, momentum) = (self.channels(), self.count::<E>(samples), E::of(self.spec.momentum));
        let kept = E::of(1.0 - self.spec.momentum);
        for channel in 0..c {
            let variance = known[c + channel] / (n - E::one()).max(E::one());
            buffers[channel] = buffers[channel] * kept + known[channel] * momentum;
            buffers[c + channel] = buffers[c + channel] * kept + variance * momentum;
        }
        buffers[2 * c] += E::one();
    }

    fn observe_back(&self, at: Observed<'_, E>, share: &mut [E]) {
        let share = &mut share[2 * self.channels()..];
        share.fill(E::zero());
        let (shift, slope) = share.split_at_mut(self.channels());
        with_best(ObserveBack { step: self, x: at.input, dy: at.d_output, batch: Some(at.batch), buffers: &[], shift, slope });
    }

    fn merge_back(&self, first: bool, share: &[E], known: &mut [E]) {
        let sums = 2 * self.channels()..4 * self.channels();
        if first {
            return known[sums.clone()].copy_from_slice(&share[sums]);
        }
        known[sums.clone()].iter_mut().zip(&share[sums]).for_each(|(known, &share)| *known += share);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What is known of some samples, eight at a time.
    fn known<E: Float>(step: &BatchNormStep, x: &[E]) -> Vec<E> {
        let (c, sample) = (step.channels(), step.channels() * step.per_channel);
        let mut known = vec![E::zero(); 4 * c];
        for (i, x) in x.chunks(8 * sample).enumerate() {
            let mut share = vec![E::zero(); 4 * c];
            step.observe(x.len() / sample, x, &mut share);
            step.merge(8 * i, x.len() / sample, &share, &mut known);
        }
        known
    }

    /// `f32` beside `f64`, with mean 1e4 and variance 1: between its numbers are there a thousandth.
    #[test]
    fn statistics_survive_a_large_mean() {
        for (channels, per_channel) in [(1, 10), (3, 169), (2, 4096)] {
            let step = BatchNormStep { spec: BatchNormSpec::new(channels, Of::Signals, 1e-5, 0.1), per_channel };
            let noise = crate::noise::Noise::new(1);
            let x: Vec<f32> = (0..43 * channels * per_channel).map(|i| (1e4 + 12f64.sqrt() * (noise.uniform(i as u64) - 0.5)) as f32).collect();
            let exact: Vec<f64> = x.iter().map(|&x| x.into()).collect();
            let (given, exact) = (known(&step, &x), known(&step, &exact));
            let n = (43 * per_channel) as f64;
            for channel in 0..channels {
                let [mean, variance] = [0, channels].map(|at| (f64::from(given[at + channel]), exact[at + channel]));
                assert!((mean.0 - mean.1).abs() < 2e-3, "{mean:?}");
                assert!((variance.0 - variance.1).abs() / n < 1e-4, "{variance:?}");
                assert!((variance.1 / n - 1.0).abs() < 0.2);
            }
        }
    }
}
