//! Where samples come from.

use super::dataset::{Dataset, MiniBatch};
use super::target::{Target, finite};
use crate::error::Error;
use crate::float::Float;
use crate::noise::Noise;
use crate::types::{Sample, Slot};

/// Where samples come from: memory, files, a function; typed by what a sample and its target are.
///
/// A [`Dataset`] is the source whose samples are all in memory. Any other says how many there are and writes the one that is
/// asked for; what a source leaves to chance, such as which way an image is turned, it draws from `noise` and from nothing else,
/// so that the same seed gives the same samples whichever thread asks.
///
/// # Examples
/// ```
/// use formwork::Noise;
/// use formwork::data::Source;
/// use formwork::prelude::*;
///
/// /// Angles, and their sines.
/// struct Sines;
///
/// impl Source for Sines {
///     type Input = Rank1<1>;
///     type Target = Values<Rank1<1>>;
///
///     fn len(&self) -> usize {
///         1000
///     }
///
///     fn read(&self, index: usize, _noise: Noise, input: &mut [f32], target: &mut [f32]) -> Result<(), Error> {
///         input[0] = index as f32 / 1000.0;
///         target[0] = input[0].sin();
///         Ok(())
///     }
/// }
///
/// let mut batch = MiniBatch::default();
/// batch.read(&Sines, &[0, 500], Noise::new(0)).unwrap();
/// assert_eq!(batch.inputs(), [0.0, 0.5]);
/// ```
///
/// PyTorch's `utils.data.Dataset`.
#[diagnostic::on_unimplemented(
    message = "no samples come from `{Self}`",
    label = "expected a `Dataset`, or a type of yours that implements `Source`",
    note = "`read` writes one sample and its target"
)]
pub trait Source<E: Float = f32>: Sync {
    /// What a sample is.
    type Input: Sample;
    /// What its target is.
    type Target: Target;

    /// How many samples there are.
    fn len(&self) -> usize;

    /// Whether there are none.
    fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Writes sample `index`, which is below [`Source::len`]: its [`Sample::WIDTH`] numbers and its [`Target::PER_SAMPLE`] targets.
    ///
    /// # Errors
    /// Those of where it comes from.
    fn read(&self, index: usize, noise: Noise, input: &mut [E], target: &mut [Number<Self, E>]) -> Result<(), Error>;
}

/// What a target of a source is stored as.
pub type Number<S, E> = <<S as Source<E>>::Target as Target>::Number<E>;

impl<I: Sample, T: Target, E: Float> Source<E> for Dataset<I, T, E> {
    type Input = I;
    type Target = T;

    fn len(&self) -> usize {
        self.len()
    }

    fn read(&self, index: usize, _noise: Noise, input: &mut [E], target: &mut [T::Number<E>]) -> Result<(), Error> {
        input.copy_from_slice(self.input(index));
        target.copy_from_slice(self.target(index));
        Ok(())
    }
}

impl<S: Source<E> + ?Sized, E: Float> Source<E> for &S {
    type Input = S::Input;
    type Target = S::Target;

    fn len(&self) -> usize {
        (**self).len()
    }

    fn read(&self, index: usize, noise: Noise, input: &mut [E], target: &mut [Number<S, E>]) -> Result<(), Error> {
        (**self).read(index, noise, input, target)
    }
}

/// Checks numbers as engines read them: finite, and ids below what they are to be below.
fn check<I: Sample, E: Float>(rows: &[E]) -> Result<(), Error> {
    finite("sample", rows, I::WIDTH)?;
    let slots = Slot::ALL.into_iter().filter(|&slot| I::PARTS.beside(slot).is_some());
    for (begin, dims) in [None].into_iter().chain(slots.map(Some)).map(|slot| I::PARTS.place(slot)) {
        let Some(vocabulary) = dims.vocabulary() else { continue };
        for (index, row) in rows.chunks_exact(I::WIDTH).enumerate() {
            let is_id = |id: &E| (0.0..vocabulary as f64).contains(&id.f64());
            if let Some(id) = row[begin..begin + dims.numel()].iter().find(|id| !is_id(id)) {
                return Err(Error::Id { index, vocabulary, id: id.f64() as usize });
            }
        }
    }
    Ok(())
}

/// The same error, with its place in the batch made one in the source.
fn in_source<T: Target>(error: Error, samples: &[usize]) -> Error {
    match error {
        Error::NotFinite { what, index, value } => Error::NotFinite { what, index: samples[index], value },
        Error::Id { index, vocabulary, id } => Error::Id { index: samples[index], vocabulary, id },
        Error::Class { index, classes, class } => {
            let (sample, place) = (index / T::PER_SAMPLE, index % T::PER_SAMPLE);
            Error::Class { index: samples[sample] * T::PER_SAMPLE + place, classes, class }
        }
        other => other,
    }
}

impl<I: Sample, T: Target, E: Float> MiniBatch<I, T, E> {
    /// Takes other samples, from any source; memory that is there is used again.
    ///
    /// # Errors
    /// Those of the source; [`Error::NotFinite`], [`Error::Id`] and [`Error::Class`] for numbers that are none, counted in the source.
    /// The batch is then empty.
    pub fn read<S: Source<E, Input = I, Target = T> + ?Sized>(&mut self, source: &S, samples: &[usize], noise: Noise) -> Result<(), Error> {
        self.read_all(source, samples, noise).inspect_err(|_| _ = self.resized(0))
    }

    fn read_all<S: Source<E, Input = I, Target = T> + ?Sized>(&mut self, source: &S, samples: &[usize], noise: Noise) -> Result<(), Error> {
        let (inputs, targets) = self.resized(samples.len());
        for (i, &index) in samples.iter().enumerate() {
            let input = &mut inputs[i * I::WIDTH..(i + 1) * I::WIDTH];
            let target = &mut targets[i * T::PER_SAMPLE..(i + 1) * T::PER_SAMPLE];
            source.read(index, noise.split(index as u64), input, target)?;
        }
        check::<I, E>(inputs).and_then(|()| T::check(targets)).map_err(|error| in_source::<T>(error, samples))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use dfdx::shapes::Rank1;

    struct Lone<I>(f32, core::marker::PhantomData<fn() -> I>);

    impl<I: Sample> Source for Lone<I> {
        type Input = I;
        type Target = crate::data::Class<3>;

        fn len(&self) -> usize {
            4
        }

        fn read(&self, index: usize, _: Noise, input: &mut [f32], target: &mut [usize]) -> Result<(), Error> {
            input.fill(if index == 2 { self.0 } else { 1.0 });
            target[0] = index;
            Ok(())
        }
    }

    fn read<I: Sample>(bad: f32, samples: &[usize]) -> String {
        let mut batch = MiniBatch::default();
        let error = batch.read(&Lone::<I>(bad, core::marker::PhantomData), samples, Noise::new(0)).unwrap_err();
        assert!(batch.is_empty() && batch.inputs().is_empty());
        error.to_string()
    }

    #[test]
    fn what_is_no_sample_is_named() {
        assert_eq!(read::<Rank1<2>>(f32::NAN, &[0, 1, 2]), "sample 2: expected a finite number, given NaN");
        assert_eq!(read::<Rank1<2>>(1.0, &[3]), "target 3: expected a class below 3, given 3");
        assert_eq!(read::<crate::types::Ids<7, Rank1<2>>>(7.0, &[1, 2]), "sample 2: expected an id below 7, given 7");
    }
}
