//! Where samples come from.

use super::augment::{Augment, Augmented};
use super::crop::Cropped;
use super::dataset::{Dataset, MiniBatch};
use super::scaled::Scaled;
use super::scaler::StandardScaler;
use super::subset::{self, Subset};
use super::target::{Class, Target, finite};
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

    /// Writes the targets of sample `index` alone: a source whose samples take long to read knows a shorter way to them.
    ///
    /// # Errors
    /// Those of [`Source::read`].
    fn read_target(&self, index: usize, target: &mut [Number<Self, E>]) -> Result<(), Error> {
        self.read(index, Noise::new(0), &mut vec![E::zero(); Self::Input::WIDTH], target)
    }

    /// All samples, in memory; what the source leaves to chance is drawn once.
    ///
    /// # Errors
    /// Those of [`MiniBatch::read`].
    fn in_memory(&self) -> Result<Dataset<Self::Input, Self::Target, E>, Error> {
        let mut all = MiniBatch::default();
        all.read(self, &(0..self.len()).collect::<Vec<_>>(), Noise::new(0))?;
        Ok(all.into())
    }

    /// Splits off about this share of the samples, at random: the rest comes first. The same seed gives the same split.
    ///
    /// # Examples
    /// ```
    /// use formwork::data::{self, Source};
    ///
    /// let digits = data::digits::load::<f32>().unwrap();
    /// let (train, test) = digits.split(0.2, 0);
    /// assert_eq!((train.len(), test.len()), (1438, 359));
    /// ```
    fn split(&self, share: f64, seed: u64) -> (Subset<&Self>, Subset<&Self>)
    where
        Self: Sized,
    {
        let [kept, taken] = subset::split(self.len(), share, seed);
        (Subset::new(self, kept), Subset::new(self, taken))
    }

    /// Splits off about this share of each class: as [`Dataset::split_stratified`], for any source.
    ///
    /// # Errors
    /// Those of [`Source::read_target`].
    fn split_by_class<const C: usize>(&self, share: f64, seed: u64) -> Result<(Subset<&Self>, Subset<&Self>), Error>
    where
        Self: Sized + Source<E, Target = Class<C>>,
    {
        let [kept, taken] = subset::split_stratified(&subset::classes(self)?, C, share, seed);
        Ok((Subset::new(self, kept), Subset::new(self, taken)))
    }

    /// The samples in `k` parts, at random, each once beside all others: what to learn from, and what to test with.
    ///
    /// scikit-learn's `model_selection.KFold`, shuffled.
    ///
    /// # Examples
    /// ```
    /// use formwork::data::{self, Source};
    ///
    /// let digits = data::digits::load::<f32>().unwrap();
    /// for (train, test) in digits.folds(10, 0) {
    ///     assert!(train.len() == 1797 - test.len() && (179..=180).contains(&test.len()));
    /// }
    /// ```
    fn folds(&self, k: usize, seed: u64) -> Vec<(Subset<&Self>, Subset<&Self>)>
    where
        Self: Sized,
    {
        subset::folds(self.len(), k, seed).into_iter().map(|[train, test]| (Subset::new(self, train), Subset::new(self, test))).collect()
    }

    /// The same images, changed at random each time they are read; targets are as they were.
    ///
    /// # Examples
    /// ```
    /// use formwork::data::{self, FlipHorizontal, GaussianNoise, Shift, Source};
    ///
    /// let digits = data::digits::load::<f32>().unwrap();
    /// let more = digits.augmented((FlipHorizontal::half(), Shift::up_to(1), GaussianNoise::new(0.05)));
    /// assert_eq!(more.len(), 1797);
    /// ```
    fn augmented<A: Augment>(self, change: A) -> Augmented<Self, A>
    where
        Self: Sized,
    {
        Augmented::new(self, change)
    }

    /// The same samples, with numbers of mean 0 and deviation 1 in the part that `scaler` was fitted to: see [`StandardScaler::of`].
    fn scaled(self, scaler: &StandardScaler) -> Scaled<Self>
    where
        Self: Sized,
    {
        Scaled::new(self, scaler.clone())
    }

    /// The middle of the same images, `H x W` pixels.
    ///
    /// PyTorch's `transforms.CenterCrop`. A part that is larger than the image does not compile.
    ///
    /// # Examples
    /// ```
    /// use formwork::data::{self, Source};
    ///
    /// let digits = data::digits::load::<f32>().unwrap();
    /// let middle = digits.cropped::<6, 6>().in_memory().unwrap();
    /// assert_eq!(middle.input(0).len(), 36);
    /// ```
    fn cropped<const H: usize, const W: usize>(self) -> Cropped<Self, H, W>
    where
        Self: Sized,
    {
        Cropped::new(self, false)
    }

    /// A part of the same images, `H x W` pixels, at another place each time it is read.
    ///
    /// PyTorch's `transforms.RandomCrop`.
    fn cropped_at_random<const H: usize, const W: usize>(self) -> Cropped<Self, H, W>
    where
        Self: Sized,
    {
        Cropped::new(self, true)
    }
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

    fn read_target(&self, index: usize, target: &mut [T::Number<E>]) -> Result<(), Error> {
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

    fn read_target(&self, index: usize, target: &mut [Number<S, E>]) -> Result<(), Error> {
        (**self).read_target(index, target)
    }
}

/// Checks samples as engines read them: token ids are whole and below what they are to be below, all other numbers are finite.
pub(crate) fn check<I: Sample, E: Float>(rows: &[E]) -> Result<(), Error> {
    finite("sample", rows, I::WIDTH)?;
    let slots = Slot::ALL.into_iter().filter(|&slot| I::PARTS.beside(slot).is_some());
    for (begin, dims) in [None].into_iter().chain(slots.map(Some)).map(|slot| I::PARTS.place(slot)) {
        let Some(vocabulary) = dims.vocabulary() else { continue };
        for (index, row) in rows.chunks_exact(I::WIDTH).enumerate() {
            for id in row[begin..begin + dims.numel()].iter().map(|id| id.f64()) {
                if id as usize as f64 != id {
                    return Err(Error::Setting { what: "a token id", expected: "a whole number, not below zero", given: id });
                }
                if id as usize >= vocabulary {
                    return Err(Error::Id { index, vocabulary, id: id as usize });
                }
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
