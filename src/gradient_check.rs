//! Gradients against central differences.

use crate::cpu::Static;
use crate::engine::{Architecture, ByParts, Engine, Gradients, Objective, State};
use crate::error::Error;
use crate::noise::Noise;
use crate::portable::Portable;
use crate::types::{Dims, NamedParam, Network, Parts, Slot, buffers, check, parameters};
use core::ops::Range;
use dfdx::tensor::Cpu;

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
    Subject { name: N::NAME, network: Architecture::of::<N>(), noise: Noise::new(seed) }.check()
}

/// The network that is checked, as values.
struct Subject {
    name: &'static str,
    network: Architecture,
    /// Dropout drops the same numbers each time.
    noise: Noise,
}

impl Subject {
    /// `inline`, so that the portable engine is compiled for those alone who check gradients.
    #[inline]
    fn check(&self) -> Result<(), Error> {
        let (device, spec) = (Cpu::default(), self.network.spec);
        let inputs = self.inputs();
        let numel = |tensors: Vec<NamedParam>| tensors.last().map_or(0, |last| last.range().end);
        let state = State { parameters: self.random(2, numel(parameters(spec))), buffers: vec![1.0; numel(buffers(spec))] };
        let weights = WeightedSum { weights: self.random(3, SAMPLES * self.network.output.numel()) };
        let portable = Portable::new(&device, self.network, state.clone())?;
        Check { subject: self, lowering: "portable", engine: portable, weights: &weights }.run(&inputs, &state.parameters)?;
        let fixed = Static::new(&device, self.network, state.clone())?;
        Check { subject: self, lowering: "static", engine: fixed, weights: &weights }.run(&inputs, &state.parameters)
    }

    fn random(&self, stream: u64, numel: usize) -> Vec<f64> {
        (0..numel as u64).map(|i| 2.0 * self.noise.split(stream).uniform(i) - 1.0).collect()
    }

    /// Samples that are what the network is declared to take: numbers, ids, and marks of padding.
    fn inputs(&self) -> Vec<f64> {
        let (input, numbers) = (self.network.input, self.random(1, SAMPLES * self.network.input.numel()));
        let kinds = (0..SAMPLES).flat_map(|_| kinds(input));
        numbers.into_iter().zip(kinds).map(|(x, kind)| kind.number(x)).collect()
    }

    /// The name and index of each number of the flat buffer.
    fn parameter_names(&self) -> Vec<String> {
        let numbers = |param: NamedParam| (0..param.dims.numel()).map(move |i| format!("{}[{i}]", param.name));
        parameters(self.network.spec).into_iter().flat_map(numbers).collect()
    }
}

/// What a number of a sample stands for.
#[derive(Clone, Copy, PartialEq)]
enum Kind {
    Number,
    Id {
        vocabulary: usize,
    },
    /// 1 where there is padding: at the end of a sequence, which is never all padding.
    Padding {
        is_first: bool,
    },
}

impl Kind {
    /// A number of this kind, of one between -1 and 1.
    fn number(self, x: f64) -> f64 {
        match self {
            Kind::Number => x,
            Kind::Id { vocabulary } => ((x + 1.0) / 2.0 * vocabulary as f64).floor(),
            Kind::Padding { is_first } => f64::from(u8::from(x > 0.3 && !is_first)),
        }
    }
}

/// The kinds of the numbers of a sample.
fn kinds(input: Parts<Dims>) -> impl Iterator<Item = Kind> {
    let of = |slot: Option<Slot>, dims: Dims, i: usize| match (slot, dims.vocabulary()) {
        (_, Some(vocabulary)) => Kind::Id { vocabulary },
        (Some(Slot::Padding | Slot::MemoryPadding), _) => Kind::Padding { is_first: i == 0 },
        _ => Kind::Number,
    };
    let slots = Slot::ALL.into_iter().filter_map(move |slot| Some((Some(slot), *input.beside(slot)?)));
    core::iter::once((None, input.x)).chain(slots).flat_map(move |(slot, dims)| (0..dims.numel()).map(move |i| of(slot, dims, i)))
}

/// More than a chunk, and not a whole number of them.
const SAMPLES: usize = 11;
const STEP: f64 = 1e-5;
const TOLERANCE: f64 = 1e-6;

/// `Σ w y`, whose gradient with respect to the outputs is `w`.
struct WeightedSum {
    weights: Vec<f64>,
}

impl ByParts<f64> for WeightedSum {
    fn part(&self, samples: Range<usize>, outputs: &[f64], d_outputs: &mut [f64]) -> f64 {
        let width = self.weights.len() / SAMPLES;
        let weights = &self.weights[samples.start * width..samples.end * width];
        d_outputs.copy_from_slice(weights);
        outputs.iter().zip(weights).map(|(y, w)| y * w).sum()
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
        let kinds: Vec<Kind> = kinds(self.subject.network.input).collect();
        let moves = |i: usize| kinds[i % kinds.len()] == Kind::Number;
        let numeric = self.slopes(inputs, moves, |check, moved| Ok(check.gradients(moved)?.loss))?;
        self.compare(&gradients.inputs, &numeric, |i| format!("input[{i}]"))?;
        let numeric = self.slopes(
            parameters,
            |_| true,
            |check, moved| {
                check.engine.set_parameters(moved)?;
                Ok(check.gradients(inputs)?.loss)
            },
        )?;
        let names = self.subject.parameter_names();
        self.compare(&gradients.parameters, &numeric, |i| names[i].clone())
    }

    fn gradients(&mut self, inputs: &[f64]) -> Result<Gradients<f64>, Error> {
        self.engine.gradients(inputs, SAMPLES, Some(self.subject.noise), Objective::ByParts(self.weights))
    }

    /// Central differences of the loss with respect to each number that can be moved; with respect to others it is 0.
    fn slopes(
        &mut self,
        numbers: &[f64],
        moves: impl Fn(usize) -> bool,
        mut loss: impl FnMut(&mut Self, &[f64]) -> Result<f64, Error>,
    ) -> Result<Vec<f64>, Error> {
        let mut moved = numbers.to_vec();
        let mut slopes = Vec::with_capacity(numbers.len());
        for (i, &x) in numbers.iter().enumerate() {
            if !moves(i) {
                slopes.push(0.0);
                continue;
            }
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
