//! Two arrays as samples and targets.

use super::array::{self, Array};
use crate::data::mapped::Mapped;
use crate::data::{Dataset, Number, Source, Target};
use crate::error::Error;
use crate::float::Float;
use crate::noise::Noise;
use crate::types::Sample;
use core::marker::PhantomData;
use std::path::Path;

/// The samples of one array and the targets of another, as a source: the first dimension of both counts samples.
///
/// Dimensions of size 1 make no difference: `[60000, 28, 28]` is 60000 samples `[1, 28, 28]`. Numbers are as they are in the file:
/// a byte is 0 to 255.
///
/// # Examples
/// ```
/// use formwork::data::Source;
/// use formwork::data::npy::{self, Arrays};
/// use formwork::prelude::*;
///
/// let folder = std::env::temp_dir();
/// npy::save(folder.join("formwork-x.npy"), &[2, 3], &[1.0f32, 2.0, 3.0, 4.0, 5.0, 6.0])?;
/// npy::save(folder.join("formwork-y.npy"), &[2], &[0.0f64, 1.0])?;
/// let (x, y) = (npy::open(folder.join("formwork-x.npy"))?, npy::open(folder.join("formwork-y.npy"))?);
/// let data: Dataset<Rank1<3>, Class<2>> = Arrays::new(x.clone(), y.clone())?.in_memory()?;
/// assert_eq!((data.input(1), data.target(1)), (&[4.0, 5.0, 6.0][..], &[1][..]));
///
/// let error = <Arrays<Rank1<4>, Class<2>>>::new(x, y).err().unwrap().to_string();
/// assert!(error.ends_with("formwork-x.npy: expected an array of shape [samples, 4], given [2, 3]"));
/// # Ok::<(), Error>(())
/// ```
#[derive(Debug)]
pub struct Arrays<I, T, B = Vec<u8>, E = f32> {
    inputs: Array<B>,
    targets: Array<B>,
    len: usize,
    kinds: PhantomData<fn() -> (I, T, E)>,
}

/// The samples and the targets of two files, in memory.
///
/// # Errors
/// [`Error::File`] and [`Error::Format`], and [`Error::NotFinite`] and [`Error::Id`] for numbers that are none.
pub fn load<I: Sample, T: Target, E: Float>(inputs: impl AsRef<Path>, targets: impl AsRef<Path>) -> Result<Dataset<I, T, E>, Error> {
    Arrays::<I, T, _, E>::new(array::open(inputs)?, array::open(targets)?)?.in_memory()
}

/// The samples and the targets of two files that need not fit into memory, and are not to be changed meanwhile.
///
/// # Errors
/// [`Error::File`] and [`Error::Format`].
pub fn map_both<I: Sample, T: Target, E: Float>(inputs: impl AsRef<Path>, targets: impl AsRef<Path>) -> Result<Arrays<I, T, Mapped, E>, Error> {
    Arrays::new(array::map(inputs)?, array::map(targets)?)
}

impl<I: Sample, T: Target, B, E: Float> Arrays<I, T, B, E> {
    /// Checks the shapes.
    ///
    /// # Errors
    /// [`Error::Format`] for an array of another shape.
    pub fn new(inputs: Array<B>, targets: Array<B>) -> Result<Self, Error> {
        const { assert!(I::WIDTH == I::PARTS.x.numel(), "an array holds samples that have nothing beside them") };
        let (len, given) = (inputs.samples(I::PARTS.x)?, targets.samples(T::DIMS)?);
        if len != given {
            return Err(targets.error(format!("targets of {len} samples"), given));
        }
        Ok(Arrays { inputs, targets, len, kinds: PhantomData })
    }
}

impl<I: Sample, T: Target, B: AsRef<[u8]> + Sync, E: Float> Source<E> for Arrays<I, T, B, E> {
    type Input = I;
    type Target = T;

    fn len(&self) -> usize {
        self.len
    }

    fn read(&self, index: usize, _noise: Noise, input: &mut [E], target: &mut [Number<Self, E>]) -> Result<(), Error> {
        input.iter_mut().zip(index * I::WIDTH..).for_each(|(x, place)| *x = E::of(self.inputs.number(place)));
        <Self as Source<E>>::read_target(self, index, target)
    }

    fn read_target(&self, index: usize, target: &mut [Number<Self, E>]) -> Result<(), Error> {
        for (y, place) in target.iter_mut().zip(index * T::PER_SAMPLE..) {
            let number = self.targets.number(place);
            let expected = || format!("target {index} to be a class below {}", T::DIMS.vocabulary().unwrap_or(0));
            *y = T::of::<E>(number).ok_or_else(|| self.targets.error(expected(), number))?;
        }
        Ok(())
    }
}
