//! Cross-entropy.

use super::{Loss, LossKernel};
use crate::data::{Labels, Values};
use crate::engine::Flat;
use crate::float::Float;
use crate::kernels::exp::exp;
use crate::kernels::simd::{Job, with_best};
use crate::kernels::sum::{largest, sum};
use core::ops::Range;
use dfdx::prelude::{ReshapeTo, SumTo, TryMul};
use dfdx::shapes::{Axis, ConstDim, ConstShape, Rank0};
use dfdx::tensor::{Tape, Tensor};
use dfdx::tensor_ops::Device;

/// Cross-entropy of logits: `-Σ_c t_c log softmax(y)_c`, the mean over samples and, for images, over places.
///
/// With label smoothing `e` the targets are `(1 - e) t + e / C` for `C` classes.
///
/// # Shapes
/// Outputs `[C, ..]`, before any softmax; targets [`Labels<C, [..]>`](Labels), or [`Values`] of the same shape that say
/// how probable each class is.
///
/// # Examples
/// ```
/// use formwork::prelude::*;
///
/// #[network([2] => [3])]
/// type Classifier = Linear<2, 3>;
///
/// let data = Dataset::<Rank1<2>, Class<3>>::new(vec![0.0, 1.0, 2.0, 0.0], vec![0, 2]).unwrap();
/// let mut model = Model::<Classifier>::new(0);
/// let loss = CrossEntropy::default().label_smoothing(0.1);
/// model.train(&data.all(), &loss, &mut Sgd::new(0.5)).unwrap();
/// ```
///
/// PyTorch's `nn.CrossEntropyLoss`; Szegedy et al., [Rethinking the Inception
/// architecture](https://arxiv.org/abs/1512.00567), 2015, for the smoothing. Course notes: softmax regression.
#[derive(Clone, Copy, Debug, Default)]
pub struct CrossEntropy {
    label_smoothing: f64,
}

impl CrossEntropy {
    /// The same with this share of every target spread over all classes.
    pub fn label_smoothing(mut self, share: f64) -> Self {
        self.label_smoothing = share;
        self
    }

    /// The loss of logits `[samples, classes, places]` with targets that `target(sample, class, place)` gives; their sum
    /// over classes need not be one.
    fn sum<E: Float>(
        &self,
        outputs: &[E],
        [classes, places]: [usize; 2],
        target: impl Fn(usize, usize, usize) -> E,
        scale: E,
        d_outputs: &mut [E],
    ) -> E {
        let (keep, spread) = self.shares::<E>(classes);
        let mut sums = [E::zero(); LANES];
        let target = |sample, class, place| keep * target(sample, class, place) + spread;
        with_best(Summing { y: outputs, classes, places, target, scale, d: d_outputs, sums: &mut sums });
        sum(&sums) * scale
    }

    /// The kernel for logits `[samples, classes, places]`. Classes are numbers there, of which each type has so many whole ones.
    fn lines(&self, lines: [usize; 2], labels: bool) -> Option<LossKernel> {
        let kernel = LossKernel { name: "cross_entropy", coefficient: self.label_smoothing, lines: Some(lines), labels };
        (lines[0] <= 1 << f32::MANTISSA_DIGITS).then_some(kernel)
    }

    /// What is left of a target, and what every class gets.
    fn shares<E: Float>(&self, classes: usize) -> (E, E) {
        (E::of(1.0 - self.label_smoothing), E::of(self.label_smoothing / classes as f64))
    }

    fn sum_taped<E: Float, D: Device<E>, Tp: Tape<E, D>>(
        &self,
        outputs: Flat<E, D, Tp>,
        [samples, classes, places]: [usize; 3],
        targets: impl Fn(usize, usize, usize) -> E,
    ) -> Result<Tensor<Rank0, E, D, Tp>, D::Err> {
        let (keep, spread) = self.shares::<E>(classes);
        let targets = targets_of(samples, classes, places, |s, c, p| -(keep * targets(s, c, p) + spread));
        let shape = (samples, classes, places);
        let targets = outputs.device().try_tensor_from_vec(targets, shape)?;
        outputs.try_reshape_like(&shape)?.try_log_softmax::<Axis<1>>()?.try_mul(targets)?.try_sum()
    }
}

/// How many places are looked at together.
const LANES: usize = 16;

/// Loss and gradient of all samples: places lie in the lanes or, where there is but one, classes. The loss is left in partial
/// sums.
struct Summing<'a, E, F> {
    y: &'a [E],
    classes: usize,
    places: usize,
    target: F,
    scale: E,
    d: &'a mut [E],
    sums: &'a mut [E; LANES],
}

impl<E: Float, F: Fn(usize, usize, usize) -> E> Job for Summing<'_, E, F> {
    #[inline(always)]
    fn run(self) {
        let Summing { y, classes, places, target, scale, d, sums } = self;
        let samples = y.chunks_exact(classes * places).zip(d.chunks_exact_mut(classes * places));
        for (sample, (y, d)) in samples.enumerate() {
            if places == 1 {
                sums[sample % LANES] += one_place(y, |class| target(sample, class, 0), scale, d);
                continue;
            }
            let whole = places / LANES;
            for first in (0..whole).map(|block| block * LANES) {
                some_places(y, first..first + LANES, places, |class, place| target(sample, class, place), scale, d, sums);
            }
            some_places(y, whole * LANES..places, places, |class, place| target(sample, class, place), scale, d, sums);
        }
    }
}

/// The loss of a place with logits `y`, whose gradient is written to `d`.
#[inline(always)]
fn one_place<E: Float>(y: &[E], target: impl Fn(usize) -> E, scale: E, d: &mut [E]) -> E {
    let max = largest(y);
    for (d, &y) in d.iter_mut().zip(y) {
        *d = exp(y - max);
    }
    let norm = sum(d);
    let (log_norm, share) = (norm.ln(), (0..y.len()).fold(E::zero(), |total, class| total + target(class)) / norm);
    let mut loss = E::zero();
    for (class, (d, &y)) in d.iter_mut().zip(y).enumerate() {
        let t = target(class);
        loss += term(t, log_norm, y - max);
        *d = (*d * share - t) * scale;
    }
    loss
}

/// The same for at most [`LANES`] places that follow one another, whose losses are added to the sums.
#[inline(always)]
fn some_places<E: Float>(y: &[E], at: Range<usize>, places: usize, target: impl Fn(usize, usize) -> E, scale: E, d: &mut [E], sums: &mut [E; LANES]) {
    let (first, lanes) = (at.start, at.len());
    let rows = || y.chunks_exact(places).map(|y| &y[first..first + lanes]);
    let mut max = [E::neg_infinity(); LANES];
    for y in rows() {
        for (max, &y) in max.iter_mut().zip(y) {
            *max = if y > *max { y } else { *max };
        }
    }
    let (mut norm, mut share) = ([E::zero(); LANES], [E::zero(); LANES]);
    for (class, (y, d)) in rows().zip(d.chunks_exact_mut(places)).enumerate() {
        let d = &mut d[first..first + lanes];
        for i in 0..lanes {
            d[i] = exp(y[i] - max[i]);
            norm[i] += d[i];
            share[i] += target(class, first + i);
        }
    }
    let mut log_norm = [E::zero(); LANES];
    for i in 0..lanes {
        log_norm[i] = norm[i].ln();
        share[i] /= norm[i];
    }
    for (class, (y, d)) in rows().zip(d.chunks_exact_mut(places)).enumerate() {
        let d = &mut d[first..first + lanes];
        for i in 0..lanes {
            let t = target(class, first + i);
            sums[i] += term(t, log_norm[i], y[i] - max[i]);
            d[i] = (d[i] * share[i] - t) * scale;
        }
    }
}

/// `-t log softmax`; where the target is zero it is zero, whatever the logit.
#[inline(always)]
fn term<E: Float>(t: E, log_norm: E, above: E) -> E {
    if t == E::zero() { E::zero() } else { t * (log_norm - above) }
}

/// All targets, `[samples, classes, places]`.
fn targets_of<E>(samples: usize, classes: usize, places: usize, target: impl Fn(usize, usize, usize) -> E) -> Vec<E> {
    (0..samples * classes * places).map(|i| target(i / (classes * places), i / places % classes, i % places)).collect()
}

#[inline(always)]
fn one_if<E: Float>(condition: bool) -> E {
    if condition { E::one() } else { E::zero() }
}

/// For outputs `[C, ..]` of each rank: classes first, then places.
macro_rules! cross_entropy {
    ($($P:ident)*) => {
        impl<C: ConstDim, $($P: ConstDim),*> Loss<(C, $($P,)*), Labels<C, ($($P,)*)>> for CrossEntropy {
            fn part<E: Float>(&self, outputs: &[E], targets: &[usize], scale: E, d_outputs: &mut [E]) -> E {
                let places = <($($P,)*)>::NUMEL;
                self.sum(outputs, [C::SIZE, places], |sample, class, place| one_if(targets[sample * places + place] == class), scale, d_outputs)
            }

            fn terms(&self) -> usize {
                <($($P,)*)>::NUMEL
            }

            fn kernel(&self) -> Option<LossKernel> {
                self.lines([C::SIZE, <($($P,)*)>::NUMEL], true)
            }

            fn taped<E: Float, D: Device<E>, Tp: Tape<E, D>>(&self, outputs: Flat<E, D, Tp>, samples: usize, targets: &[usize]) -> Result<Tensor<Rank0, E, D, Tp>, D::Err> {
                let places = <($($P,)*)>::NUMEL;
                self.sum_taped(outputs, [samples, C::SIZE, places], |sample, class, place| one_if(targets[sample * places + place] == class))
            }
        }

        impl<C: ConstDim, $($P: ConstDim),*> Loss<(C, $($P,)*), Values<(C, $($P,)*)>> for CrossEntropy {
            fn part<E: Float>(&self, outputs: &[E], targets: &[E], scale: E, d_outputs: &mut [E]) -> E {
                let places = <($($P,)*)>::NUMEL;
                self.sum(outputs, [C::SIZE, places], |sample, class, place| targets[(sample * C::SIZE + class) * places + place], scale, d_outputs)
            }

            fn terms(&self) -> usize {
                <($($P,)*)>::NUMEL
            }

            fn kernel(&self) -> Option<LossKernel> {
                self.lines([C::SIZE, <($($P,)*)>::NUMEL], false)
            }

            fn taped<E: Float, D: Device<E>, Tp: Tape<E, D>>(&self, outputs: Flat<E, D, Tp>, samples: usize, targets: &[E]) -> Result<Tensor<Rank0, E, D, Tp>, D::Err> {
                let places = <($($P,)*)>::NUMEL;
                self.sum_taped(outputs, [samples, C::SIZE, places], |sample, class, place| targets[(sample * C::SIZE + class) * places + place])
            }
        }
    };
}
cross_entropy!();
cross_entropy!(P);
cross_entropy!(P Q);
cross_entropy!(P Q R);

/// Cross-entropy of a sequence of logits, whose classes come last: of each token by itself, the mean over samples and tokens.
///
/// [`CrossEntropy`] with its options is what happens at each token.
///
/// # Shapes
/// Outputs `[T, C]`, before any softmax; targets [`Labels<C, [T]>`](Labels).
///
/// # Examples
/// ```
/// use formwork::prelude::*;
///
/// /// Says for each of 4 tokens which of 3 classes it is of.
/// #[network([4, 2] => [4, 3])]
/// type Tagger = Linear<2, 3>;
///
/// let data = Dataset::<Rank2<4, 2>, Labels<Const<3>, Rank1<4>>>::new(vec![0.5; 8], vec![0, 2, 1, 1]).unwrap();
/// let loss = TokenCrossEntropy::default().label_smoothing(0.1);
/// Model::<Tagger>::new(0).train(&data.all(), &loss, &mut Sgd::new(0.5)).unwrap();
/// ```
///
/// PyTorch's `nn.CrossEntropyLoss`, which wants the classes in front of the tokens. Course notes: transformers.
#[derive(Clone, Copy, Debug, Default)]
pub struct TokenCrossEntropy {
    token: CrossEntropy,
}

impl TokenCrossEntropy {
    /// The same with this share of every target spread over all classes.
    pub fn label_smoothing(mut self, share: f64) -> Self {
        self.token = self.token.label_smoothing(share);
        self
    }
}

/// A token is to the sum what a sample of one place is.
impl<Tokens: ConstDim, C: ConstDim> Loss<(Tokens, C), Labels<C, (Tokens,)>> for TokenCrossEntropy {
    fn part<E: Float>(&self, outputs: &[E], targets: &[usize], scale: E, d_outputs: &mut [E]) -> E {
        self.token.sum(outputs, [C::SIZE, 1], |token, class, _| one_if(targets[token] == class), scale, d_outputs)
    }

    fn terms(&self) -> usize {
        Tokens::SIZE
    }

    fn kernel(&self) -> Option<LossKernel> {
        self.token.lines([C::SIZE, 1], true)
    }

    fn taped<E: Float, D: Device<E>, Tp: Tape<E, D>>(
        &self,
        outputs: Flat<E, D, Tp>,
        samples: usize,
        targets: &[usize],
    ) -> Result<Tensor<Rank0, E, D, Tp>, D::Err> {
        self.token.sum_taped(outputs, [samples * Tokens::SIZE, C::SIZE, 1], |token, class, _| one_if(targets[token] == class))
    }
}
