//! Batch normalization.

use super::Leaf;
use super::generic;
use super::normalization::Epsilon;
use crate::cpu::steps::{Backward, Forward, Known, Observed, Step, WholeBatch};
use crate::cpu::{Planner, Value};
use crate::engine::Flat;
use crate::float::Float;
use crate::kernels::sum::sum_of;
use crate::portable::{Site, Var};
use crate::types::{Dims, Label, Layer, Message, Param, Problem, Reach, Role, Size, Spec};
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
        let n = E::of((shape.0 * shape.2) as f64);
        let sum: Flat<E, D, T> = x.retaped::<T>().try_sum::<(usize,), Axes2<0, 2>>()?;
        let (mean, tape) = sum.try_div(n)?.split_tape();
        let centred = x.retaped::<T>().try_sub(mean.retaped::<T>().try_broadcast_like::<_, Axes2<0, 2>>(&shape)?)?;
        let sum: Flat<E, D, T> = centred.try_square()?.try_sum::<(usize,), Axes2<0, 2>>()?;
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

    pub(crate) fn plan<E: Float>(&self, planner: &mut Planner<E>, x: Value, y: Dims) -> Value {
        planner.step(BatchNormStep { spec: *self, per_channel: y.inner(0) }, &[x], y)
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

impl<E: Float> Statistics<E> {
    fn normal(self, x: E) -> E {
        (x - self.mean) * self.reciprocal
    }
}

impl BatchNormStep {
    fn channels(&self) -> usize {
        self.spec.num_features
    }

    /// How many numbers of a batch a channel has.
    fn count<E: Float>(&self, samples: usize) -> E {
        E::of((samples * self.per_channel) as f64)
    }

    fn statistics<E: Float>(&self, channel: usize, batch: Option<Known<'_, E>>, buffers: &[E]) -> Statistics<E> {
        let c = self.channels();
        let (mean, variance) = match batch {
            Some(Known { samples, numbers }) => (numbers[channel], numbers[c + channel] / self.count(samples)),
            None => (buffers[channel], buffers[c + channel]),
        };
        Statistics { mean, reciprocal: (variance + E::of(self.spec.epsilon)).sqrt().recip() }
    }

    /// The numbers of a channel, sample by sample.
    fn runs<'a, E>(&self, channel: usize, numbers: &'a [E]) -> impl Iterator<Item = &'a [E]> + Clone {
        numbers.chunks_exact(self.per_channel).skip(channel).step_by(self.channels())
    }

    fn weight<E: Float>(&self, channel: usize, params: &[E]) -> E {
        if self.spec.affine { params[channel] } else { E::one() }
    }

    /// `Σ dy` and `Σ dy x`, with the normalized `x`.
    fn sums<E: Float>(&self, channel: usize, by: Statistics<E>, x: &[E], dy: &[E]) -> [E; 2] {
        let mut sums = [E::zero(); 2];
        for (x, dy) in self.runs(channel, x).zip(self.runs(channel, dy)) {
            sums[0] += sum_of(dy, |dy| dy);
            sums[1] += x.iter().zip(dy).fold(E::zero(), |sum, (&x, &dy)| sum + by.normal(x) * dy);
        }
        sums
    }
}

impl<E: Float> Step<E> for BatchNormStep {
    fn forward(&self, at: Forward<'_, E>) {
        let c = self.channels();
        let x = at.inputs[0].chunks_exact(self.per_channel);
        for (i, (x, y)) in x.zip(at.output.chunks_exact_mut(self.per_channel)).enumerate() {
            let channel = i % c;
            let (by, weight) = (self.statistics(channel, at.batch, at.buffers), self.weight(channel, at.params));
            let bias = if self.spec.affine { at.params[c + channel] } else { E::zero() };
            y.iter_mut().zip(x).for_each(|(y, &x)| *y = by.normal(x) * weight + bias);
        }
    }

    fn backward(&self, mut at: Backward<'_, E>) {
        let c = self.channels();
        if self.spec.affine {
            for channel in 0..c {
                let by = self.statistics(channel, at.batch, at.buffers);
                let [shift, slope] = self.sums(channel, by, at.input, at.d_output);
                at.d_params[channel] += slope;
                at.d_params[c + channel] += shift;
            }
        }
        let Some(dx) = at.d_input() else { return };
        let (add, runs) = (dx.add, at.input.chunks_exact(self.per_channel).zip(at.d_output.chunks_exact(self.per_channel)));
        for (i, ((x, dy), dx)) in runs.zip(dx.to.chunks_exact_mut(self.per_channel)).enumerate() {
            let channel = i % c;
            let (by, weight) = (self.statistics(channel, at.batch, at.buffers), self.weight(channel, at.params));
            let [shift, slope] = match at.batch {
                Some(Known { samples, numbers }) => [2 * c, 3 * c].map(|sums| numbers[sums + channel] / self.count(samples)),
                None => [E::zero(); 2], // the statistics do not depend on the batch
            };
            for ((dx, &x), &dy) in dx.iter_mut().zip(x).zip(dy) {
                let d = (dy - shift - by.normal(x) * slope) * by.reciprocal * weight;
                *dx = if add { *dx + d } else { d };
            }
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

    fn observe(&self, samples: usize, input: &[E], share: &mut [E]) {
        let c = self.channels();
        for channel in 0..c {
            let runs = self.runs(channel, input);
            let mean = runs.clone().fold(E::zero(), |sum, run| sum + sum_of(run, |x| x)) / self.count(samples);
            share[channel] = mean;
            share[c + channel] = runs.fold(E::zero(), |sum, run| sum + sum_of(run, |x| (x - mean) * (x - mean)));
        }
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
        let c = self.channels();
        for channel in 0..c {
            let by = self.statistics(channel, Some(at.batch), &[]);
            [share[2 * c + channel], share[3 * c + channel]] = self.sums(channel, by, at.input, at.d_output);
        }
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

    #[test]
    fn statistics_survive_a_large_mean() {
        let step = BatchNormStep { spec: BatchNormSpec::new(1, Of::Signals, 1e-5, 0.1), per_channel: 10 };
        // Mean 1e4 and variance 1.25, exact in f32.
        let x: Vec<f32> = (0..400).map(|i| 1e4 + (i % 4) as f32).collect();
        let mut known = [0.0f32; 4];
        for (before, x) in (0..40).step_by(8).zip(x.chunks(80)) {
            let mut share = [0.0f32; 4];
            step.observe(8, x, &mut share);
            step.merge(before, 8, &share, &mut known);
        }
        assert!((known[0] - 10001.5).abs() < 2e-3, "{}", known[0]);
        assert!((known[1] / 400.0 - 1.25).abs() < 1e-5, "{}", known[1] / 400.0);
    }
}
