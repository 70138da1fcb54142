//! Penalties on parameters.

use super::adjust::{Adjustment, AdjustmentKernel};
use crate::error::Error;
use crate::float::Float;
use crate::types::{NamedParam, Network};
use core::ops::Range;

/// A penalty on the size of parameters, whose gradient is added to that of the loss.
///
/// | | penalty | what is added to the gradient |
/// | --- | --- | --- |
/// | [`Penalty::l1`] | `λ Σ \|p\|` | `λ sign(p)`, 0 at 0 |
/// | [`Penalty::l2`] | `λ Σ p²` | `2 λ p` |
///
/// It counts all parameters, biases too, unless [`Penalty::only`] says otherwise. The loss that training reports is without
/// it; [`Penalty::value`] is the rest.
///
/// # Examples
/// ```
/// use formwork::learn::Penalty;
/// use formwork::prelude::*;
///
/// #[network([2] => [1])]
/// type Line = Linear<2, 1>;
///
/// let weights = Penalty::l2(0.1).only::<Line>(|param| param.name.ends_with("weight"));
/// let mut optimizer = Sgd::new(1.0).adjusted(weights);
/// let mut parameters = [1.0, -2.0, 5.0]; // two weights and a bias
/// optimizer.update(&mut parameters, &[0.0; 3]).unwrap();
/// assert_eq!(parameters, [0.8, -1.6, 5.0]);
/// ```
///
/// Course notes: regularisation.
#[derive(Clone, Debug)]
pub struct Penalty {
    norm: Norm,
    lambda: f64,
    /// The parameters that count; all if there are none.
    part: Option<Part>,
}

/// Some parameters of a network.
#[derive(Clone, Debug)]
struct Part {
    ranges: Vec<Range<usize>>,
    /// How many parameters the network has.
    of: usize,
}

#[derive(Clone, Copy, Debug)]
enum Norm {
    L1,
    L2,
}

impl Penalty {
    /// `λ Σ |p|`, which draws parameters to 0 at the same speed however small they are.
    pub const fn l1(lambda: f64) -> Self {
        Penalty { norm: Norm::L1, lambda, part: None }
    }

    /// `λ Σ p²`. For plain gradient descent this is weight decay of `2 λ`.
    pub const fn l2(lambda: f64) -> Self {
        Penalty { norm: Norm::L2, lambda, part: None }
    }

    /// The same on some parameters of a network.
    pub fn only<N: Network>(mut self, counts: impl Fn(&NamedParam) -> bool) -> Self {
        let ranges = N::parameters().iter().filter(|param| counts(param)).map(NamedParam::range).collect();
        self.part = Some(Part { ranges, of: N::SCALARS });
        self
    }

    /// The penalty of these parameters.
    ///
    /// # Errors
    /// [`Error::Count`] if they are not as many as the network of [`Penalty::only`] has.
    pub fn value<E: Float>(&self, parameters: &[E]) -> Result<f64, Error> {
        let mut sum = 0.0;
        self.for_each_range(parameters.len(), |counted| {
            sum += parameters[counted].iter().map(|p| self.norm.size(p.f64())).sum::<f64>();
        })?;
        Ok(self.lambda * sum)
    }

    /// Calls `visit` with each range of the parameters that count.
    fn for_each_range(&self, parameters: usize, mut visit: impl FnMut(Range<usize>)) -> Result<(), Error> {
        match &self.part {
            None => visit(0..parameters),
            Some(part) if part.of == parameters => part.ranges.iter().cloned().for_each(visit),
            Some(part) => return Err(Error::Count { what: "parameters of the penalty", expected: part.of, given: parameters }),
        }
        Ok(())
    }
}

impl Norm {
    /// What a parameter adds to the sum.
    fn size(self, p: f64) -> f64 {
        match self {
            Norm::L1 => p.abs(),
            Norm::L2 => p * p,
        }
    }

    /// The derivative of that.
    fn slope<E: Float>(self, p: E) -> E {
        match self {
            // The sign of 0 is 1 to `signum`.
            Norm::L1 if p == E::zero() => E::zero(),
            Norm::L1 => p.signum(),
            Norm::L2 => p + p,
        }
    }
}

impl Adjustment for Penalty {
    fn adjust<E: Float>(&self, parameters: &[E], gradients: &mut [E]) -> Result<(), Error> {
        let lambda = E::of(self.lambda);
        self.for_each_range(parameters.len(), |counted| {
            let pairs = gradients[counted.clone()].iter_mut().zip(&parameters[counted]);
            pairs.for_each(|(g, &p)| *g += lambda * self.norm.slope(p));
        })
    }

    fn kernel(&self, parameters: usize) -> Result<Option<AdjustmentKernel>, Error> {
        let mut ranges = Vec::new();
        self.for_each_range(parameters, |counted| ranges.push(counted))?;
        let name = match self.norm {
            Norm::L1 => "penalty_l1",
            Norm::L2 => "penalty_l2",
        };
        Ok(Some(AdjustmentKernel { name, coefficient: self.lambda, is_of_norm: false, ranges }))
    }
}
