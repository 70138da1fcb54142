//! Gradients against central differences.

use crate::cpu::Static;
use crate::engine::{Engine, Flat, Gradients, Objective, TapedScalar};
use crate::error::Error;
use crate::noise::Noise;
use crate::portable::Portable;
use crate::types::{Dims, NamedParam, Network, Sample, Spec, check, parameters, scalars};
use core::ops::Range;
use dfdx::prelude::{SumTo, TryMul};
use dfdx::tensor::{Cpu, OwnedTape};
use dfdx::tensor_ops::Device;

/// Checks the gradients of a network, in `f64`: those of both lowerings, for every parameter and every input number,
/// against central differences of a random weighted sum of the outputs.
///
/// For layers of one's own, and for networks put together of unusual parts. Inputs and parameters are random, so that a
/// kink (a ReLU's at zero) is hit with probability zero.
///
/// # Errors
/// [`Error::Gradient`] with the first number that is off by more than `1e-6` of the largest gradient.
///
/// # Examples
/// ```
/// use formwork::prelude::*;
///
/// #[network([2, 6, 6] => [3])]
/// type Small = (Conv2d<2, 3, 3>, Tanh, GlobalAvgPool2d);
/// formwork::gradient_check::<Small>(0).unwrap();
/// ```
pub fn gradient_check<N: Network>(seed: u64) -> Result<(), Error> {
    const { check::<N>() };
    Subject { name: N::NAME, spec: N::SPEC, input: N::Input::DIMS, output: N::Output::DIMS, noise: Noise::new(seed) }.check()
}

/// The network that is checked, as values.
struct Subject {
    name: &'static str,
    spec: &'static Spec,
    input: Dims,
    output: Dims,
    /// Dropout drops the same numbers each time.
    noise: Noise,
}

impl Subject {
    fn check(&self) -> Result<(), Error> {
        let device = Cpu::default();
        let random = |stream: u64, numel: usize| (0..numel as u64).map(|i| 2.0 * self.noise.split(stream).uniform(i) - 1.0).collect::<Vec<f64>>();
        let inputs = random(1, SAMPLES * self.input.numel());
        let parameters = random(2, scalars(self.spec));
        let weights = WeightedSum { weights: random(3, SAMPLES * self.output.numel()) };
        let portable = Portable::new(&device, self.spec, self.input, parameters.clone())?;
        Check { subject: self, lowering: "portable", engine: portable, weights: &weights }.run(&inputs, &parameters)?;
        let fixed = Static::new(&device, self.spec, self.input, parameters.clone())?;
        Check { subject: self, lowering: "static", engine: fixed, weights: &weights }.run(&inputs, &parameters)
    }

    /// The name and index of each number of the flat buffer.
    fn parameter_names(&self) -> Vec<String> {
        let numbers = |param: NamedParam| (0..param.dims.numel()).map(move |i| format!("{}[{i}]", param.name));
        parameters(self.spec).into_iter().flat_map(numbers).collect()
    }
}

/// More than a chunk, and not a whole number of them.
const SAMPLES: usize = 11;
const STEP: f64 = 1e-5;
const TOLERANCE: f64 = 1e-6;

/// `Σ w y`, whose gradient with respect to the outputs is `w`.
struct WeightedSum {
    weights: Vec<f64>,
}

impl<D: Device<f64>> Objective<f64, D> for WeightedSum {
    fn is_fused(&self) -> bool {
        true
    }

    fn part(&self, samples: Range<usize>, outputs: &[f64], d_outputs: &mut [f64]) -> f64 {
        let width = self.weights.len() / SAMPLES;
        let weights = &self.weights[samples.start * width..samples.end * width];
        d_outputs.copy_from_slice(weights);
        outputs.iter().zip(weights).map(|(y, w)| y * w).sum()
    }

    fn taped(&self, outputs: Flat<f64, D, OwnedTape<f64, D>>) -> Result<TapedScalar<f64, D>, D::Err> {
        let weights = outputs.device().try_tensor_from_vec(self.weights.clone(), (self.weights.len(),))?;
        outputs.try_mul(weights)?.try_sum()
    }
}

/// One lowering of a network, to be checked.
struct Check<'a, G> {
    subject: &'a Subject,
    lowering: &'static str,
    engine: G,
    weights: &'a WeightedSum,
}

impl<G: Engine<f64, Cpu>> Check<'_, G> {
    fn run(mut self, inputs: &[f64], parameters: &[f64]) -> Result<(), Error> {
        let gradients = self.gradients(inputs)?;
        let numeric = self.slopes(inputs, |check, moved| Ok(check.gradients(moved)?.loss))?;
        self.compare(&gradients.inputs, &numeric, |i| format!("input[{i}]"))?;
        let numeric = self.slopes(parameters, |check, moved| {
            check.engine.set_parameters(moved)?;
            Ok(check.gradients(inputs)?.loss)
        })?;
        let names = self.subject.parameter_names();
        self.compare(&gradients.parameters, &numeric, |i| names[i].clone())
    }

    fn gradients(&mut self, inputs: &[f64]) -> Result<Gradients<f64>, Error> {
        self.engine.gradients(inputs, SAMPLES, Some(self.subject.noise), self.weights)
    }

    /// Central differences of the loss with respect to each number.
    fn slopes(&mut self, numbers: &[f64], mut loss: impl FnMut(&mut Self, &[f64]) -> Result<f64, Error>) -> Result<Vec<f64>, Error> {
        let mut moved = numbers.to_vec();
        let mut slopes = Vec::with_capacity(numbers.len());
        for (i, &x) in numbers.iter().enumerate() {
            let mut loss_at = |check: &mut Self, x| {
                moved[i] = x;
                loss(check, &moved)
            };
            let [above, below] = [loss_at(self, x + STEP)?, loss_at(self, x - STEP)?];
            slopes.push((above - below) / (2.0 * STEP));
            moved[i] = x;
        }
        Ok(slopes)
    }

    fn compare(&self, analytic: &[f64], numeric: &[f64], name: impl Fn(usize) -> String) -> Result<(), Error> {
        let largest = numeric.iter().fold(1.0, |max: f64, g| max.max(g.abs()));
        let agrees = |i: usize| (analytic[i] - numeric[i]).abs() <= TOLERANCE * largest; // which a NaN does not
        let Some(i) = (0..numeric.len()).find(|&i| !agrees(i)) else { return Ok(()) };
        Err(Error::Gradient { network: self.subject.name, lowering: self.lowering, of: name(i), expected: numeric[i], given: analytic[i] })
    }
}
