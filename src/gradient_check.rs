//! Gradients against central differences.

use crate::engine::{Engine, Flat, Objective, TapedScalar};
use crate::error::Error;
use crate::noise::Noise;
use crate::portable::Portable;
use crate::types::{Network, Sample, check};
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
    let device = Cpu::default();
    let noise = Noise::new(seed);
    let random = |stream: u64, numel: usize| -> Vec<f64> { (0..numel as u64).map(|i| 2.0 * noise.split(stream).uniform(i) - 1.0).collect() };
    let inputs = random(1, SAMPLES * N::Input::DIMS.numel());
    let parameters = random(2, N::SCALARS);
    let weights = WeightedSum { weights: random(3, SAMPLES * N::Output::DIMS.numel()) };

    let portable = Portable::new(&device, N::SPEC, N::Input::DIMS, parameters.clone())?;
    let fixed = crate::cpu::Static::new(&device, N::SPEC, N::Input::DIMS, parameters.clone())?;
    Check::<N, _>::new("portable", portable, &weights, noise)?.run(&inputs, &parameters)?;
    Check::<N, _>::new("static", fixed, &weights, noise)?.run(&inputs, &parameters)
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
    const FUSED: bool = true;

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
struct Check<'a, N, G> {
    lowering: &'static str,
    engine: G,
    weights: &'a WeightedSum,
    /// Dropout drops the same numbers each time.
    noise: Noise,
    network: core::marker::PhantomData<fn() -> N>,
}

impl<'a, N: Network, G: Engine<f64, Cpu>> Check<'a, N, G> {
    fn new(lowering: &'static str, engine: G, weights: &'a WeightedSum, noise: Noise) -> Result<Self, Error> {
        Ok(Check { lowering, engine, weights, noise, network: core::marker::PhantomData })
    }

    fn run(mut self, inputs: &[f64], parameters: &[f64]) -> Result<(), Error> {
        let gradients = self.engine.gradients(inputs, SAMPLES, Some(self.noise), self.weights)?;
        let names = parameter_names::<N>();
        let mut moved = inputs.to_vec();
        let mut numeric = Vec::with_capacity(inputs.len());
        for i in 0..inputs.len() {
            numeric.push(self.slope(inputs[i], |check, x| {
                moved[i] = x;
                check.loss(&moved)
            })?);
            moved[i] = inputs[i];
        }
        self.compare(&gradients.inputs, &numeric, |i| format!("input[{i}]"))?;
        let mut moved = parameters.to_vec();
        let mut numeric = Vec::with_capacity(parameters.len());
        for i in 0..parameters.len() {
            numeric.push(self.slope(parameters[i], |check, x| {
                moved[i] = x;
                check.engine.set_parameters(&moved)?;
                check.loss(inputs)
            })?);
            moved[i] = parameters[i];
        }
        self.compare(&gradients.parameters, &numeric, |i| names[i].clone())
    }

    fn loss(&mut self, inputs: &[f64]) -> Result<f64, Error> {
        Ok(self.engine.gradients(inputs, SAMPLES, Some(self.noise), self.weights)?.loss)
    }

    fn slope(&mut self, x: f64, mut loss_at: impl FnMut(&mut Self, f64) -> Result<f64, Error>) -> Result<f64, Error> {
        Ok((loss_at(self, x + STEP)? - loss_at(self, x - STEP)?) / (2.0 * STEP))
    }

    fn compare(&self, analytic: &[f64], numeric: &[f64], name: impl Fn(usize) -> String) -> Result<(), Error> {
        let largest = numeric.iter().fold(1.0, |max: f64, g| max.max(g.abs()));
        for (i, (&given, &expected)) in analytic.iter().zip(numeric).enumerate() {
            // Written so that a NaN is no agreement.
            if (given - expected).abs() <= TOLERANCE * largest {
                continue;
            }
            return Err(Error::Gradient { network: N::NAME, lowering: self.lowering, of: name(i), expected, given });
        }
        Ok(())
    }
}

/// The name and index of each number of the flat buffer.
fn parameter_names<N: Network>() -> Vec<String> {
    N::parameters().iter().flat_map(|param| (0..param.dims.numel()).map(|i| format!("{}[{i}]", param.name))).collect()
}
