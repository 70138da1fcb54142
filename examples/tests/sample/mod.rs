//! Samples for any network, and a loss for any output.

use crate::python::Column;
use dfdx::prelude::{Device, SumTo};
use dfdx::tensor::Tape;
use formwork::Noise;
use formwork::data::{Source, Target};
use formwork::engine::Flat;
use formwork::prelude::*;
use formwork::types::{Dims, Slot};
use std::marker::PhantomData;

/// How many samples there are.
const SAMPLES: usize = 4;

/// The parts of a sample in a row: their names and shapes.
fn parts<I: Sample>() -> Vec<(&'static str, Dims)> {
    let beside = Slot::ALL.into_iter().filter_map(|slot| Some((slot.name(), *I::PARTS.beside(slot)?)));
    [("x", I::PARTS.x)].into_iter().chain(beside).collect()
}

/// Numbers from -1 to 1, ids, and sequences of which the last third is padding.
struct Random<I>(PhantomData<fn() -> I>);

impl<I: Sample> Source for Random<I> {
    type Input = I;
    type Target = Class<1>;

    fn len(&self) -> usize {
        SAMPLES
    }

    fn read(&self, _index: usize, noise: Noise, input: &mut [f32], _target: &mut [usize]) -> Result<(), Error> {
        let mut rest = input;
        for (part, (name, dims)) in parts::<I>().into_iter().enumerate() {
            let numbers;
            (numbers, rest) = rest.split_at_mut(dims.numel());
            let (noise, count) = (noise.split(part as u64), numbers.len());
            for (i, number) in numbers.iter_mut().enumerate() {
                let uniform = noise.uniform(i as u64);
                *number = match dims.vocabulary() {
                    Some(vocabulary) => (uniform * vocabulary as f64).floor() as f32,
                    None if name.ends_with("padding") => f32::from(u8::from(3 * i >= 2 * count)),
                    None => (2.0 * uniform - 1.0) as f32,
                };
            }
        }
        Ok(())
    }
}

/// The same samples each time.
pub fn batch<I: Sample>() -> MiniBatch<I, Class<1>> {
    let mut batch = MiniBatch::default();
    batch.read(&Random::<I>(PhantomData), &(0..SAMPLES).collect::<Vec<_>>(), Noise::new(0)).unwrap();
    batch
}

/// The parts of all samples, one behind the other.
pub fn columns<I: Sample>(batch: &MiniBatch<I, Class<1>>) -> Vec<Column> {
    let mut begin = 0;
    let column = |(name, dims): (&'static str, Dims)| {
        let place = begin..begin + dims.numel();
        begin = place.end;
        let numbers = batch.inputs().chunks_exact(I::WIDTH).flat_map(|row| row[place.clone()].to_vec()).collect();
        Column { name, shape: [&[SAMPLES], dims.sizes()].concat(), numbers, are_ids: dims.vocabulary().is_some() }
    };
    parts::<I>().into_iter().map(column).collect()
}

/// The mean square of all outputs, whatever they are to be.
pub struct Squares;

impl<O: Sample, T: Target> Loss<O, T> for Squares {
    fn part<E: Float>(&self, outputs: &[E], _targets: &[T::Number<E>], scale: E, d_outputs: &mut [E]) -> E {
        d_outputs.iter_mut().zip(outputs).for_each(|(d, &y)| *d = E::of(2.0) * y * scale);
        outputs.iter().fold(E::zero(), |sum, &y| sum + y * y) * scale
    }

    fn terms(&self) -> usize {
        O::WIDTH
    }

    fn taped<E: Float, D: Device<E>, Tp: Tape<E, D>>(
        &self,
        y: Flat<E, D, Tp>,
        _: usize,
        _: &[T::Number<E>],
    ) -> Result<Tensor<Rank0, E, D, Tp>, D::Err> {
        y.try_square()?.try_sum()
    }
}
