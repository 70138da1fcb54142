//! Kinds of targets.

use crate::error::Error;
use crate::float::Float;
use crate::types::{Dims, Plain};
use core::marker::PhantomData;
use dfdx::shapes::{ConstDim, Rank0};

/// What a sample is to become, as a kind: a class, or numbers of a shape.
#[diagnostic::on_unimplemented(message = "`{Self}` is not a kind of target", label = "expected `Class<C>`, `Labels<C, Shape>` or `Values<Shape>`")]
pub trait Target: 'static {
    /// What one target is stored as.
    type Number<E: Float>: Copy + Default + Send + Sync + 'static;
    /// The shape of the targets of a sample; of ids below the number of classes if they are classes.
    const DIMS: Dims;
    /// How many there are for each sample.
    const PER_SAMPLE: usize = Self::DIMS.numel();

    /// The target that a number in a file stands for; none if it is no class.
    fn of<E: Float>(number: f64) -> Option<Self::Number<E>>;

    /// The target as a number: of a class which one it is.
    fn number<E: Float>(target: Self::Number<E>) -> E;

    /// Checks that targets are what they should be.
    ///
    /// # Errors
    /// [`Error::Class`] or [`Error::NotFinite`] with the first that is not.
    fn check<E: Float>(targets: &[Self::Number<E>]) -> Result<(), Error>;
}

/// A class for each place of a sample of shape `S`, of `C` classes: the segments of an image.
pub struct Labels<C, S>(PhantomData<fn() -> (C, S)>);

/// One of `C` classes: `Class<10>`.
pub type Class<const C: usize> = Labels<dfdx::shapes::Const<C>, Rank0>;

/// Numbers of shape `S`: what a regression aims at, or how probable each class is.
pub struct Values<S>(PhantomData<fn() -> S>);

impl<C: ConstDim, S: Plain> Target for Labels<C, S> {
    type Number<E: Float> = usize;
    const DIMS: Dims = S::PARTS.x.of_ids(C::SIZE);

    fn of<E: Float>(number: f64) -> Option<usize> {
        let is_class = number.fract() == 0.0 && (0.0..C::SIZE as f64).contains(&number);
        is_class.then_some(number as usize)
    }

    fn number<E: Float>(target: usize) -> E {
        E::of(target as f64)
    }

    fn check<E: Float>(targets: &[usize]) -> Result<(), Error> {
        match targets.iter().position(|&class| class >= C::SIZE) {
            Some(index) => Err(Error::Class { index, classes: C::SIZE, class: targets[index] }),
            None => Ok(()),
        }
    }
}

impl<S: Plain> Target for Values<S> {
    type Number<E: Float> = E;
    const DIMS: Dims = S::PARTS.x;

    fn of<E: Float>(number: f64) -> Option<E> {
        Some(E::of(number))
    }

    fn number<E: Float>(target: E) -> E {
        target
    }

    fn check<E: Float>(targets: &[E]) -> Result<(), Error> {
        finite("target", targets, S::NUMEL)
    }
}

/// Classes as probabilities: for each class `C` numbers, one of them 1 and the others 0.
///
/// # Errors
/// [`Error::Class`] with the first that is none.
///
/// # Examples
/// ```
/// use formwork::data::one_hot;
/// use formwork::prelude::*;
///
/// let data = Dataset::<Rank1<1>, Values<Rank1<3>>>::new(vec![0.5, 0.25], one_hot::<3, f32>(&[2, 0]).unwrap()).unwrap();
/// assert_eq!(data.target(0), [0.0, 0.0, 1.0]);
/// ```
pub fn one_hot<const C: usize, E: Float>(classes: &[usize]) -> Result<Vec<E>, Error> {
    Class::<C>::check::<E>(classes)?;
    let mut numbers = vec![E::zero(); classes.len() * C];
    for (i, class) in classes.iter().enumerate() {
        numbers[i * C + class] = E::one();
    }
    Ok(numbers)
}

/// Checks that numbers are finite; `per_sample` of them belong together.
pub(crate) fn finite<E: Float>(what: &'static str, numbers: &[E], per_sample: usize) -> Result<(), Error> {
    match numbers.iter().position(|x| !x.is_finite()) {
        Some(i) => Err(Error::NotFinite { what, index: i / per_sample.max(1), value: numbers[i].f64() }),
        None => Ok(()),
    }
}

/// Checks that token ids are below `vocabulary`; `per_sample` of them belong together.
pub(crate) fn checked_ids(ids: &[usize], vocabulary: usize, per_sample: usize) -> Result<(), Error> {
    match ids.iter().position(|&id| id >= vocabulary) {
        Some(i) => Err(Error::Id { index: i / per_sample.max(1), vocabulary, id: ids[i] }),
        None => Ok(()),
    }
}
