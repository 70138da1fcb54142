//! A batch that any network takes, and a loss for it.

use core::ops::Range;
use dfdx::prelude::{SumTo, TryMul};
use dfdx::tensor::OwnedTape;
use dfdx::tensor_ops::Device;
use formwork::engine::{ByParts, Flat, Objective, OnTape, TapedScalar};
use formwork::prelude::*;
use formwork::types::{Dims, Parts, Slot};

/// `Σ w y / n`, with or without dfdx's tape.
pub struct WeightedMean<E> {
    pub samples: usize,
    pub weights: Vec<E>,
    pub on_tape: bool,
}

impl<E: Float> WeightedMean<E> {
    /// For the static lowering; the portable one has it on the tape.
    pub fn fixed<D: Device<E>>(&self) -> Objective<'_, E, D> {
        if self.on_tape { Objective::OnTape(self) } else { Objective::ByParts(self) }
    }
}

impl<E: Float> ByParts<E> for WeightedMean<E> {
    fn part(&self, samples: Range<usize>, outputs: &[E], d_outputs: &mut [E]) -> E {
        let (width, scale) = (self.weights.len() / self.samples, E::one() / E::of(self.weights.len() as f64));
        let weights = &self.weights[samples.start * width..samples.end * width];
        d_outputs.iter_mut().zip(weights).for_each(|(d, &w)| *d = w * scale);
        outputs.iter().zip(weights).fold(E::zero(), |sum, (&y, &w)| sum + y * w * scale)
    }
}

impl<E: Float, D: Device<E>> OnTape<E, D> for WeightedMean<E> {
    fn taped(&self, outputs: Flat<E, D, OwnedTape<E, D>>) -> Result<TapedScalar<E, D>, D::Err> {
        let weights = outputs.device().try_tensor_from_vec(self.weights.clone(), (self.weights.len(),))?;
        outputs.try_mul(weights)?.try_mul(E::one() / E::of(self.weights.len() as f64))?.try_sum()
    }
}

/// Numbers between -1/2 and 1/2, others for each stream.
pub fn random<E: Float>(stream: u64, numel: usize) -> Vec<E> {
    let noise = formwork::Noise::new(3).split(stream);
    (0..numel as u64).map(|i| E::of(noise.uniform(i) - 0.5)).collect()
}

/// Samples that are what a network is declared to take: numbers, ids, and marks of padding at the end of a sequence.
pub fn inputs<E: Float>(samples: usize, input: Parts<Dims>) -> Vec<E> {
    let slots = Slot::ALL.into_iter().filter_map(|slot| Some((Some(slot), *input.beside(slot)?)));
    let parts: Vec<(Option<Slot>, Dims)> = core::iter::once((None, input.x)).chain(slots).collect();
    let number = |slot: Option<Slot>, dims: Dims, i: usize, x: E| match (slot, dims.vocabulary()) {
        (_, Some(vocabulary)) => ((x + E::of(0.5)) * E::of(vocabulary as f64)).floor(),
        (Some(Slot::Padding | Slot::MemoryPadding), _) => {
            if i > 0 && x > E::of(0.1) {
                E::one()
            } else {
                E::zero()
            }
        }
        _ => x,
    };
    let mut numbers = random::<E>(1, samples * input.numel()).into_iter();
    let sample = || parts.iter().flat_map(|&(slot, dims)| (0..dims.numel()).map(move |i| (slot, dims, i))).collect::<Vec<_>>();
    (0..samples).flat_map(|_| sample()).zip(&mut numbers).map(|((slot, dims, i), x)| number(slot, dims, i, x)).collect()
}
