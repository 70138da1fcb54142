//! Samples of one scale.

use super::scaler::StandardScaler;
use super::source::{Number, Source};
use super::target::Target;
use crate::error::Error;
use crate::float::Float;
use crate::noise::Noise;
use crate::types::Plain;

/// A source whose samples are scaled when they are read: see [`Source::scaled`].
#[derive(Clone, Debug)]
pub struct Scaled<S> {
    source: S,
    scaler: StandardScaler,
}

impl<S> Scaled<S> {
    pub(super) fn new(source: S, scaler: StandardScaler) -> Self {
        Scaled { source, scaler }
    }
}

impl<S: Source<E, Input: Plain>, E: Float> Source<E> for Scaled<S> {
    type Input = S::Input;
    type Target = S::Target;

    fn len(&self) -> usize {
        self.source.len()
    }

    fn read(&self, index: usize, noise: Noise, input: &mut [E], target: &mut [Number<S, E>]) -> Result<(), Error> {
        self.source.read(index, noise, input, target)?;
        self.scaler.transform(input)
    }

    fn read_target(&self, index: usize, target: &mut [<S::Target as Target>::Number<E>]) -> Result<(), Error> {
        self.source.read_target(index, target)
    }
}
