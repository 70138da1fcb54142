//! Optimizers that move each parameter by itself.

use super::adagrad::AdagradRule;
use super::adam::AdamRule;
use super::adjust::Changes;
use super::kept::Kept;
use super::rmsprop::RmsPropRule;
use super::sgd::{MomentumRule, SgdRule};
use crate::float::Float;
use crate::kernels::simd::{Job, with_best};

/// What an optimizer does to one number, with `N` numbers that it keeps for it. What is `#[inline(always)]` becomes vector
/// instructions.
pub(crate) trait Rule<E, const N: usize>: Copy {
    /// Its kernel on GPUs.
    const KERNEL: &'static str;

    /// What the kernel is given.
    fn coefficients(self) -> Vec<E>;

    /// The parameter `p` with gradient `g`, and what is kept, after a step.
    fn next(self, p: E, g: E, kept: [E; N]) -> (E, [E; N]);
}

/// One step of an optimizer that moves each parameter by itself: any part of the parameters can be moved at any time, when the gradients
/// were changed.
pub struct Pass<'a, E> {
    pub(crate) changes: Changes<'a, E>,
    pub(crate) rule: AnyRule<E>,
    /// What the optimizer keeps for each parameter; none where it keeps less.
    pub(crate) kept: [Option<&'a mut Kept<E>>; 3],
}

/// The rule of an optimizer of this crate, with its coefficients.
#[derive(Clone, Copy)]
pub(crate) enum AnyRule<E> {
    Sgd(SgdRule<E>),
    Momentum(MomentumRule<E>),
    Adagrad(AdagradRule<E>),
    RmsProp(RmsPropRule<E>),
    Adam(AdamRule<E>),
}

impl<'a, E: Float> Pass<'a, E> {
    /// A step against gradients as they are.
    pub(crate) fn new(rule: AnyRule<E>, kept: [Option<&'a mut Kept<E>>; 3]) -> Self {
        Pass { changes: Changes::default(), rule, kept }
    }

    /// Moves all parameters.
    pub(crate) fn apply(self, parameters: &mut [E], gradients: &[E]) {
        let rule = self.rule;
        rule.apply(parameters, gradients, self.lists());
    }

    /// What is kept, here; empty where it is less.
    pub(crate) fn lists(self) -> [&'a mut [E]; 3] {
        self.kept.map(|kept| kept.map_or(Default::default(), |kept| &mut kept.here()[..]))
    }
}

/// A matrix `column row`, which is written nowhere: the gradient of a weight that a single row of numbers was multiplied with.
#[derive(Clone, Copy)]
pub(crate) struct RankOne<'a, E> {
    pub column: &'a [E],
    pub row: &'a [E],
}

impl<E: Float> AnyRule<E> {
    /// How many numbers it keeps for each parameter.
    pub(crate) fn keeps(&self) -> usize {
        match self {
            AnyRule::Sgd(_) => 0,
            AnyRule::Momentum(_) | AnyRule::Adagrad(_) => 1,
            AnyRule::Adam(_) => 2,
            AnyRule::RmsProp(_) => 3,
        }
    }

    /// Its kernel on GPUs, and what that is given.
    pub(crate) fn kernel(&self) -> (&'static str, Vec<E>) {
        fn of<E, R: Rule<E, N>, const N: usize>(rule: R) -> (&'static str, Vec<E>) {
            (R::KERNEL, rule.coefficients())
        }
        match *self {
            AnyRule::Sgd(rule) => of(rule),
            AnyRule::Momentum(rule) => of(rule),
            AnyRule::Adagrad(rule) => of(rule),
            AnyRule::RmsProp(rule) => of(rule),
            AnyRule::Adam(rule) => of(rule),
        }
    }

    /// Moves some parameters, with what is kept for them.
    pub(crate) fn apply(&self, parameters: &mut [E], gradients: &[E], kept: [&mut [E]; 3]) {
        self.apply_rank_one(parameters, RankOne { column: &[E::one()], row: gradients }, kept);
    }

    /// The same where the gradients are a matrix of rank one, row by row.
    pub(crate) fn apply_rank_one(&self, parameters: &mut [E], gradients: RankOne<'_, E>, [a, b, c]: [&mut [E]; 3]) {
        match *self {
            AnyRule::Sgd(rule) => with_best(Moves { rule, parameters, gradients, kept: [] }),
            AnyRule::Momentum(rule) => with_best(Moves { rule, parameters, gradients, kept: [a] }),
            AnyRule::Adagrad(rule) => with_best(Moves { rule, parameters, gradients, kept: [a] }),
            AnyRule::Adam(rule) => with_best(Moves { rule, parameters, gradients, kept: [a, b] }),
            AnyRule::RmsProp(rule) => with_best(Moves { rule, parameters, gradients, kept: [a, b, c] }),
        }
    }
}

struct Moves<'a, E, R, const N: usize> {
    rule: R,
    parameters: &'a mut [E],
    gradients: RankOne<'a, E>,
    kept: [&'a mut [E]; N],
}

impl<E: Float, R: Rule<E, N>, const N: usize> Job for Moves<'_, E, R, N> {
    #[inline(always)]
    fn run(self) {
        let Moves { rule, parameters, gradients: RankOne { column, row }, kept: mut lists } = self;
        let n = row.len();
        for (parameters, &factor) in parameters.chunks_exact_mut(n.max(1)).zip(column) {
            let parameters = &mut parameters[..n];
            let mut of_row: [&mut [E]; N] = core::array::from_fn(|_| Default::default());
            for (of_row, list) in of_row.iter_mut().zip(&mut lists) {
                (*of_row, *list) = core::mem::take(list).split_at_mut(n);
            }
            for i in 0..n {
                let mut kept = [E::zero(); N];
                for j in 0..N {
                    kept[j] = of_row[j][i];
                }
                (parameters[i], kept) = rule.next(parameters[i], factor * row[i], kept);
                for j in 0..N {
                    of_row[j][i] = kept[j];
                }
            }
        }
    }
}

/// [`Optimizer`](super::Optimizer) for one that has a method `next`, which makes its [`Pass`], and remembers these fields.
macro_rules! by_number {
    ($Optimizer:ident, numbers: [$($numbers:ident),*], counts: [$($count:ident),*]) => {
        impl<E: $crate::float::Float> $crate::learn::Optimizer<E> for $Optimizer<E> {
            fn update(&mut self, parameters: &mut [E], gradients: &[E]) -> Result<(), $crate::error::Error> {
                self.next(parameters.len())?.apply(parameters, gradients);
                Ok(())
            }

            fn begin<'a>(
                &'a mut self,
                parameters: usize,
                changes: $crate::learn::Changes<'a, E>,
            ) -> Result<Option<$crate::learn::Pass<'a, E>>, $crate::error::Error> {
                let pass = self.next(parameters)?;
                Ok(Some($crate::learn::Pass { changes, ..pass }))
            }

            fn remember(&mut self, memory: &mut dyn $crate::learn::Memory<E>) {
                $( memory.numbers(stringify!($numbers), self.$numbers.here()); )*
                $( memory.count(stringify!($count), &mut self.$count); )*
            }

            fn rate(&self) -> Option<f64> {
                Some($crate::learn::LearningRate::learning_rate(self))
            }
        }
    };
}
pub(crate) use by_number;
