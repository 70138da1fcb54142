//! Changes of gradients on their way to an optimizer.

use super::memory::Memory;
use super::optimizer::{LearningRate, Optimizer, state};
use super::rule::Pass;
use crate::error::Error;
use crate::float::Float;
use core::ops::Range;

/// What is done to the gradients before an optimizer sees them.
///
/// # Examples
/// ```
/// use formwork::learn::{Adjustment, Optimizer};
/// use formwork::prelude::{Error, Float, Sgd};
///
/// /// Gradients without the numbers that are none.
/// struct Skip;
///
/// impl Adjustment for Skip {
///     fn adjust<E: Float>(&self, _parameters: &[E], gradients: &mut [E]) -> Result<(), Error> {
///         gradients.iter_mut().filter(|g| g.is_nan()).for_each(|g| *g = E::zero());
///         Ok(())
///     }
/// }
///
/// let mut optimizer = Sgd::new(0.5).adjusted(Skip);
/// let mut parameters = [1.0, 2.0];
/// optimizer.update(&mut parameters, &[f32::NAN, 1.0]).unwrap();
/// assert_eq!(parameters, [1.0, 1.5]);
/// ```
pub trait Adjustment {
    /// Changes the gradients of these parameters, which are as many.
    ///
    /// # Errors
    /// If it is for other parameters.
    fn adjust<E: Float>(&self, parameters: &[E], gradients: &mut [E]) -> Result<(), Error>;

    /// Its kernel on GPUs, for so many parameters. For one without the gradients are copied to the CPU and back.
    ///
    /// # Errors
    /// As for [`Adjustment::adjust`].
    fn kernel(&self, parameters: usize) -> Result<Option<AdjustmentKernel>, Error> {
        let _ = parameters;
        Ok(None)
    }
}

/// How an adjustment of this crate is made on GPUs, by [`gpu::Fused`](crate::gpu::Fused).
#[derive(Clone, Debug, PartialEq)]
pub struct AdjustmentKernel {
    pub(crate) name: &'static str,
    pub(crate) coefficient: f64,
    /// Whether it is given the norm of all gradients.
    pub(crate) is_of_norm: bool,
    /// The parameters that count.
    pub(crate) ranges: Vec<Range<usize>>,
}

/// An [`Adjustment`] of numbers of one type.
trait Change<E> {
    fn make(&self, parameters: &[E], gradients: &mut [E]) -> Result<(), Error>;
    fn kernel(&self, parameters: usize) -> Result<Option<AdjustmentKernel>, Error>;
}

impl<E: Float, A: Adjustment> Change<E> for A {
    fn make(&self, parameters: &[E], gradients: &mut [E]) -> Result<(), Error> {
        self.adjust(parameters, gradients)
    }

    fn kernel(&self, parameters: usize) -> Result<Option<AdjustmentKernel>, Error> {
        Adjustment::kernel(self, parameters)
    }
}

/// How many adjustments an engine makes by itself; the optimizer makes more.
const CHANGES: usize = 8;

/// What is done to all gradients before the parameters are moved, in this order: adjustments, outermost first.
pub struct Changes<'a, E> {
    list: [Option<&'a (dyn Change<E> + 'a)>; CHANGES],
}

impl<E> Default for Changes<'_, E> {
    fn default() -> Self {
        Changes { list: [None; CHANGES] }
    }
}

impl<'a, E: Float> Changes<'a, E> {
    /// The same and then another one; none where there is no room for it.
    fn and(mut self, adjustment: &'a impl Adjustment) -> Option<Self> {
        *self.list.iter_mut().find(|change| change.is_none())? = Some(adjustment);
        Some(self)
    }

    /// Whether gradients stay as they are.
    pub(crate) fn is_empty(&self) -> bool {
        self.list[0].is_none()
    }

    /// Makes all of them.
    pub(crate) fn make(&self, parameters: &[E], gradients: &mut [E]) -> Result<(), Error> {
        self.list.iter().flatten().try_for_each(|change| change.make(parameters, gradients))
    }

    /// The kernels of all of them for so many parameters; none if one has none.
    pub(crate) fn kernels(&self, parameters: usize) -> Result<Option<Vec<AdjustmentKernel>>, Error> {
        self.list.iter().flatten().map(|change| change.kernel(parameters)).collect()
    }
}

/// An optimizer behind a change of the gradients; the methods of [`Optimizer`] make it.
#[derive(Clone, Debug)]
pub struct Adjusted<E, A, O> {
    adjustment: A,
    optimizer: O,
    gradients: Vec<E>,
}

impl<E, A, O> Adjusted<E, A, O> {
    pub(crate) fn new(adjustment: A, optimizer: O) -> Self {
        Adjusted { adjustment, optimizer, gradients: Vec::new() }
    }
}

impl<E: Float, A: Adjustment, O: Optimizer<E>> Optimizer<E> for Adjusted<E, A, O> {
    fn update(&mut self, parameters: &mut [E], gradients: &[E]) -> Result<(), Error> {
        let adjusted = state(&mut self.gradients, parameters.len())?;
        if gradients.len() != adjusted.len() {
            return Err(Error::Count { what: "gradients", expected: adjusted.len(), given: gradients.len() });
        }
        adjusted.copy_from_slice(gradients);
        self.adjustment.adjust(parameters, adjusted)?;
        self.optimizer.update(parameters, adjusted)
    }

    fn begin<'a>(&'a mut self, parameters: usize, changes: Changes<'a, E>) -> Result<Option<Pass<'a, E>>, Error> {
        match changes.and(&self.adjustment) {
            Some(changes) => self.optimizer.begin(parameters, changes),
            None => Ok(None),
        }
    }

    fn remember(&mut self, memory: &mut dyn Memory<E>) {
        self.optimizer.remember(memory);
    }

    fn rate(&self) -> Option<f64> {
        self.optimizer.rate()
    }
}

impl<E, A, O: LearningRate> LearningRate for Adjusted<E, A, O> {
    fn learning_rate(&self) -> f64 {
        self.optimizer.learning_rate()
    }

    fn set_learning_rate(&mut self, learning_rate: f64) {
        self.optimizer.set_learning_rate(learning_rate);
    }
}

#[cfg(test)]
mod tests {
    use crate::learn::Penalty;
    use crate::prelude::*;

    /// What is written last comes first to the gradients: 8 is clipped to 1, and the penalty is added to that.
    #[test]
    fn the_last_adjustment_is_made_first() {
        let mut parameters = [1.0];
        Sgd::new(1.0).penalty_l1(0.5).clip_value(1.0).update(&mut parameters, &[8.0]).unwrap();
        assert_eq!(parameters, [-0.5]);
        let mut parameters = [1.0];
        Sgd::new(1.0).clip_value(1.0).penalty_l1(0.5).update(&mut parameters, &[8.0]).unwrap();
        assert_eq!(parameters, [0.0]);
    }

    /// A penalty is the derivative of its value.
    #[test]
    fn penalties_have_the_slope_of_their_value() {
        #[network([2] => [2])]
        type Small = (Linear<2, 1>, Linear<1, 2>);
        let parameters = [0.5, -2.0, 0.25, 3.0, -0.125, 1.0, 2.0];
        let weights = |penalty: Penalty| penalty.only::<Small>(|param| param.name.ends_with("weight"));
        for penalty in [Penalty::l1(0.3), Penalty::l2(0.3), weights(Penalty::l1(0.3)), weights(Penalty::l2(0.3))] {
            let mut moved = parameters;
            Sgd::new(1.0).adjusted(penalty.clone()).update(&mut moved, &[0.0; 7]).unwrap();
            for i in 0..parameters.len() {
                let at = |step: f64| {
                    let mut there = parameters;
                    there[i] += step;
                    penalty.value(&there).unwrap()
                };
                let slope = (at(1e-6) - at(-1e-6)) / 2e-6;
                assert!((parameters[i] - moved[i] - slope).abs() < 1e-8, "parameter {i} of {penalty:?}");
            }
        }
    }

    #[test]
    fn a_penalty_of_0_does_nothing_to_0() {
        let mut parameters = [0.0, -0.0];
        Sgd::new(1.0).penalty_l1(1.0).update(&mut parameters, &[0.0, 0.0]).unwrap();
        assert_eq!(parameters, [0.0, 0.0]);
    }

    #[test]
    fn wrong_numbers_of_parameters_are_errors() {
        #[network([1] => [1])]
        type Line = Linear<1, 1>;
        let message = |result: Result<(), Error>| result.unwrap_err().to_string();
        let mut optimizer = Sgd::new(1.0).adjusted(Penalty::l1(1.0).only::<Line>(|_| true));
        assert_eq!(message(optimizer.update(&mut [0.0; 3], &[0.0; 3])), "parameters of the penalty: expected 2, given 3");
        let mut optimizer = RmsProp::new(1.0).clip_norm(1.0);
        assert_eq!(message(optimizer.update(&mut [0.0; 3], &[0.0; 2])), "gradients: expected 3, given 2");
        optimizer.update(&mut [0.0; 3], &[0.0; 3]).unwrap();
        assert!(message(optimizer.update(&mut [0.0; 2], &[0.0; 2])).starts_with("the optimizer keeps state for 3 parameters, but is given 2"));
    }

    /// PyTorch's infinite gradients become NaN too; what is no number stays none.
    #[test]
    fn what_is_no_number_is_not_hidden() {
        let mut parameters = [0.0];
        Sgd::new(1.0).clip_value(1.0).update(&mut parameters, &[f64::NAN]).unwrap();
        assert!(parameters[0].is_nan());
    }
}
