//! A part of each image.

use super::source::{Number, Source};
use super::target::Target;
use crate::error::Error;
use crate::float::Float;
use crate::noise::Noise;
use dfdx::shapes::{Const, ConstDim, Rank3};

/// A source of images of which only `H x W` pixels are seen: see [`Source::cropped`] and [`Source::cropped_at_random`].
#[derive(Clone, Debug)]
pub struct Cropped<S, const H: usize, const W: usize> {
    source: S,
    at_random: bool,
}

impl<S, const H: usize, const W: usize> Cropped<S, H, W> {
    pub(super) fn new(source: S, at_random: bool) -> Self {
        Cropped { source, at_random }
    }
}

impl<S, E, const C: usize, A, B, const H: usize, const W: usize> Source<E> for Cropped<S, H, W>
where
    S: Source<E, Input = (Const<C>, A, B)>,
    E: Float,
    A: ConstDim,
    B: ConstDim,
{
    type Input = Rank3<C, H, W>;
    type Target = S::Target;

    fn len(&self) -> usize {
        self.source.len()
    }

    fn read(&self, index: usize, noise: Noise, input: &mut [E], target: &mut [Number<S, E>]) -> Result<(), Error> {
        const { assert!(0 < H && H <= A::SIZE && 0 < W && W <= B::SIZE, "a part of an image is no larger than the image") };
        let mut whole = vec![E::zero(); C * A::SIZE * B::SIZE];
        self.source.read(index, noise.split(0), &mut whole, target)?;
        let begin = |free: usize, axis: u64| if self.at_random { (noise.split(1).uniform(axis) * (free + 1) as f64) as usize } else { free / 2 };
        let (top, left) = (begin(A::SIZE - H, 0), begin(B::SIZE - W, 1));
        for (row, numbers) in input.chunks_exact_mut(W).enumerate() {
            let (channel, row) = (row / H, row % H);
            numbers.copy_from_slice(&whole[(channel * A::SIZE + top + row) * B::SIZE + left..][..W]);
        }
        Ok(())
    }

    fn read_target(&self, index: usize, target: &mut [<S::Target as Target>::Number<E>]) -> Result<(), Error> {
        self.source.read_target(index, target)
    }
}
