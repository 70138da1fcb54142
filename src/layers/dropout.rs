//! Dropout.

use super::Leaf;
use crate::cpu::steps::{Backward, Forward, Gradient, Step, number_by_number};
use crate::cpu::{Planner, Value};
use crate::float::Float;
use crate::gpu;
use crate::kernels::simd::{Job, with_best};
use crate::noise::Noise;
use crate::onnx::{Graph, Samples, Tensor};
use crate::portable::{Site, Var};
use crate::types::{Dims, Label, Layer, Message, Param, Problem, Reach, Spec};
use dfdx::prelude::TryMul;
use dfdx::tensor::Tape;
use dfdx::tensor_ops::Device;

/// Zeros at random in training: `y = m x / (1 - p)`, where `m` is 0 with probability `p = N / DEN` and else 1. Outside of
/// training `y = x`.
///
/// Types carry whole numbers, so the probability is a fraction, of a hundred unless said otherwise: `Dropout<25>` drops a
/// quarter, `Dropout<1, 3>` a third.
///
/// # Shapes
/// Any, kept.
///
/// # Examples
/// ```
/// use formwork::prelude::*;
///
/// #[network([512] => [10])]
/// type Head = (Dropout<25>, Linear<512, 10>);
/// ```
///
/// Srivastava et al., [Dropout](https://jmlr.org/papers/v15/srivastava14a.html), 2014.
#[derive(Clone, Copy, Debug, Default)]
pub struct Dropout<const N: usize, const DEN: usize = 100>;

impl<const N: usize, const DEN: usize> Layer for Dropout<N, DEN> {
    const SPEC: &'static Spec = &Spec::Leaf(Leaf::Dropout(DropoutSpec { numerator: N, denominator: DEN }));
}

/// What a [`Dropout`] is.
#[derive(Clone, Copy, Debug)]
pub struct DropoutSpec {
    numerator: usize,
    denominator: usize,
}

impl DropoutSpec {
    /// `Dropout<N>`, with the denominator where it is not 100.
    pub const fn label(&self) -> Label {
        Label::new("Dropout", &[self.numerator, self.denominator]).without_defaults(&[100])
    }

    /// Any shape stays as it is; something must be left.
    pub const fn infer(&self, x: Dims) -> Result<Dims, Problem> {
        if self.numerator < self.denominator {
            return Ok(x);
        }
        let message = Message::new("drops ").num(self.numerator).str(" of ").num(self.denominator).str(", which leaves nothing");
        Err(Problem::new(message))
    }

    /// None.
    pub const fn param(&self, _i: usize) -> Option<Param> {
        None
    }

    /// A multiplication for each number.
    pub const fn flops(&self, _x: Dims, y: Dims) -> usize {
        y.numel()
    }

    /// The number in the same place.
    pub const fn reach(&self) -> Reach {
        Reach::Point
    }

    /// The factors come from the host, so that every machine drops the same numbers.
    pub(crate) fn portable<E: Float, D: Device<E>, T: Tape<E, D>>(
        &self,
        site: &Site<'_, E, D, T>,
        x: Var<E, D, T>,
        y: Dims,
    ) -> Result<Var<E, D, T>, D::Err> {
        if site.noise().is_none() {
            return Ok(x);
        }
        let numel = x.samples() * y.numel();
        let factors = self.factors(site.noise(), y.numel());
        let factors = site.constant((0..numel).map(|i| factors.at(i)).collect(), (numel,))?;
        x.map(|x| x.try_mul(factors))
    }

    /// Nothing.
    pub(crate) fn onnx(&self, _graph: &mut Graph, x: Samples, _y: Dims) -> Tensor {
        x.tensor
    }

    pub(crate) fn plan<E: Float>(&self, planner: &mut Planner<E>, x: Value, y: Dims) -> Value {
        planner.step(*self, &[x], y)
    }

    pub(crate) fn fused(&self, planner: &mut gpu::Planner, x: gpu::Value, y: Dims) -> Option<gpu::Value> {
        if !planner.is_training() {
            return Some(x);
        }
        let factors = self.factors::<f64>(None, y.numel());
        let halves = |word: u64| [word & 0xffff_ffff, word >> 32].map(|half| half as usize);
        let layer = planner.table([halves(planner.stream()), halves(factors.limit.unsigned_abs())].concat());
        let (out, count) = (planner.value(y), planner.samples() * y.numel());
        let args = move |from: gpu::Place, to: gpu::Place, add: bool| -> [gpu::Arg; 7] {
            [from.into(), to.into(), add.into(), gpu::Arg::Table(0), layer, y.numel().into(), factors.kept.into()]
        };
        planner.each("dropout", count, &args(planner.at(x), planner.at(out), false));
        planner.back(out, move |p, dy| {
            if let Some(dx) = p.d(x) {
                p.each("dropout", count, &args(dy, dx.at, dx.add));
            }
        });
        Some(out)
    }

    /// The factors of samples of a batch that begin with number `first`.
    fn factors<E: Float>(&self, noise: Option<(Noise, usize)>, numel: usize) -> Factors<E> {
        let p = self.numerator as f64 / self.denominator as f64;
        let random = noise.map(|(noise, first)| (noise, (first * numel) as u64));
        Factors { random, limit: Noise::limit(p), kept: E::of(1.0 / (1.0 - p)) }
    }
}

/// What each number is multiplied with: 0 or `1 / (1 - p)`; without noise 1.
#[derive(Clone, Copy)]
struct Factors<E> {
    /// The noise, and the index of the first number.
    random: Option<(Noise, u64)>,
    limit: i64,
    kept: E,
}

impl<E: Float> Factors<E> {
    /// Those behind so many.
    fn behind(self, numbers: usize) -> Self {
        Factors { random: self.random.map(|(noise, begin)| (noise, begin + numbers as u64)), ..self }
    }

    #[inline(always)]
    fn at(&self, i: usize) -> E {
        match self.random {
            Some((noise, begin)) if noise.is_below(self.limit, begin + i as u64) => E::zero(),
            Some(_) => self.kept,
            None => E::one(),
        }
    }
}

/// `y = m x`, or added to `y`.
struct Multiply<'a, E> {
    factors: Factors<E>,
    x: &'a [E],
    y: Gradient<'a, E>,
}

impl<E: Float> Job for Multiply<'_, E> {
    #[inline(always)]
    fn run(self) {
        let Gradient { to, add } = self.y;
        for (i, (y, &x)) in to.iter_mut().zip(self.x).enumerate() {
            let product = x * self.factors.at(i);
            *y = if add { *y + product } else { product };
        }
    }
}

/// `y = m x` on several threads.
fn multiply<E: Float>(threads: Option<usize>, factors: Factors<E>, x: &[E], Gradient { to, add }: Gradient<'_, E>) {
    number_by_number(threads, to, &|first, to| {
        with_best(Multiply { factors: factors.behind(first), x: &x[first..], y: Gradient { to, add } });
    });
}

impl<E: Float> Step<E> for DropoutSpec {
    fn is_shared_out(&self) -> bool {
        true
    }

    fn forward(&self, at: Forward<'_, E>) {
        let factors = self.factors(at.noise, at.output.len() / at.samples);
        multiply(at.threads, factors, at.inputs[0], Gradient { to: at.output, add: false });
    }

    fn backward(&self, mut at: Backward<'_, E>) {
        let factors = self.factors(at.noise, at.output.len() / at.samples);
        if let Some(dx) = at.d_input() {
            multiply(at.threads, factors, at.d_output, dx);
        }
    }
}
