//! What a sample is, as a type: numbers of a shape, token ids, and what is beside them.

use super::{Dims, Parts, Slot};
use crate::data::{checked_ids, finite};
use crate::engine::Flat;
use crate::error::Error;
use crate::float::Float;
use crate::portable::Var;
use core::marker::PhantomData;
use dfdx::prelude::ReshapeTo;
use dfdx::shapes::{ConstDim, ConstShape, Dim, HasShape, Shape};
use dfdx::tensor::Tensor;
use dfdx::tensor_ops::Device;

/// What one sample is: any dfdx shape of up to five constant dimensions, such as `Rank3<1, 28, 28>`, for numbers; [`Ids`]
/// for token ids; [`With`] for either with something beside it.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not the shape of a sample",
    label = "expected a dfdx shape of constant dimensions, such as `Rank3<1, 28, 28>`, without the batch; `Ids<V, Shape>`; or `With<Shape, (..)>`"
)]
pub trait Sample: 'static {
    /// The shapes as values.
    const PARTS: Parts<Dims>;
    /// How many numbers a sample has.
    const WIDTH: usize = Self::PARTS.numel();
    /// What some samples are in memory, one behind the other: a vector, or a tuple of one for each part.
    type Numbers<E: Float>;
    /// What a batch of `B` samples is on a device: a dfdx tensor, or a tuple of one for each part.
    type Tensors<B: Dim, E: Float, D: Device<E>>;

    /// The numbers sample by sample: what engines read. Token ids are numbers there too.
    ///
    /// # Errors
    /// [`Error::Count`] if they are not those of so many samples; [`Error::NotFinite`] and [`Error::Id`] for numbers that are none.
    fn rows<E: Float>(numbers: Self::Numbers<E>, samples: usize) -> Result<Vec<E>, Error>;

    /// The same for tensors; returns the size of the batch too.
    ///
    /// # Errors
    /// Those of the device, and as for [`Sample::rows`].
    fn flat<B: Dim, E: Float, D: Device<E>>(tensors: Self::Tensors<B, E, D>, device: &D) -> Result<(Flat<E, D>, B), Error>;

    /// Tensors of what engines write.
    ///
    /// # Errors
    /// Those of the device.
    fn tensors<B: Dim, E: Float, D: Device<E>>(flat: Flat<E, D>, batch: B) -> Result<Self::Tensors<B, E, D>, Error>;
}

/// A sample of numbers of one shape, and nothing beside them.
pub trait Plain: Sample + ConstShape {
    /// The shape of a batch of `B` such samples.
    type Batch<B: Dim>: Shape;
    /// The shape of a batch of this many samples.
    fn batch<B: Dim>(samples: B) -> Self::Batch<B>;
}

/// The shape of a batch of `B` samples of shape `S`: `Batch<usize, Rank1<10>>` is `(usize, Const<10>)`.
pub type Batch<B, S> = <S as Plain>::Batch<B>;

/// The size of a batch, which is the first dimension of its tensor.
fn batch_size<B: Dim>(shape: &impl Shape) -> B {
    let samples = shape.concrete().into_iter().next().unwrap_or(0);
    B::from_size(samples).unwrap_or_else(|| unreachable!("the size of a batch is its first dimension"))
}

fn counted<T>(what: &'static str, numbers: &[T], expected: usize) -> Result<(), Error> {
    if numbers.len() == expected { Ok(()) } else { Err(Error::Count { what, expected, given: numbers.len() }) }
}

macro_rules! sample {
    ($($D:ident)*) => {
        impl<$($D: ConstDim),*> Sample for ($($D,)*) {
            const PARTS: Parts<Dims> = Parts::alone(Dims::new(&[$($D::SIZE),*]));
            type Numbers<Num: Float> = Vec<Num>;
            type Tensors<Samples: Dim, Num: Float, Dev: Device<Num>> = Tensor<(Samples, $($D,)*), Num, Dev>;

            fn rows<Num: Float>(numbers: Vec<Num>, samples: usize) -> Result<Vec<Num>, Error> {
                counted("input numbers", &numbers, samples * Self::WIDTH)?;
                finite("sample", &numbers, Self::WIDTH)?;
                Ok(numbers)
            }

            fn flat<Samples: Dim, Num: Float, Dev: Device<Num>>(tensor: Tensor<(Samples, $($D,)*), Num, Dev>, _: &Dev) -> Result<(Flat<Num, Dev>, Samples), Error> {
                let batch: Samples = batch_size(tensor.shape());
                let flat = tensor.try_reshape_like(&(batch.size() * Self::WIDTH,)).map_err(Error::device("reading the inputs"))?;
                Ok((flat, batch))
            }

            fn tensors<Samples: Dim, Num: Float, Dev: Device<Num>>(flat: Flat<Num, Dev>, batch: Samples) -> Result<Tensor<(Samples, $($D,)*), Num, Dev>, Error> {
                flat.try_reshape_like(&<Self as Plain>::batch(batch)).map_err(Error::device("shaping the outputs"))
            }
        }

        impl<$($D: ConstDim),*> Plain for ($($D,)*) {
            type Batch<Samples: Dim> = (Samples, $($D,)*);
            fn batch<Samples: Dim>(samples: Samples) -> Self::Batch<Samples> {
                (samples, $($D::default(),)*)
            }
        }
    };
}
sample!();
sample!(A);
sample!(A B);
sample!(A B C);
sample!(A B C D);
sample!(A B C D E);

/// Token ids below `V`, one for each place of the shape `S`: `[ids < 65; 64]` in `#[network]` is `Ids<65, Rank1<64>>`.
///
/// # Examples
/// ```
/// use formwork::prelude::*;
/// use formwork::types::Ids;
///
/// let text = Dataset::<Ids<27, Rank1<3>>, Class<27>>::new(vec![0, 5, 26, 1, 1, 2], vec![1, 2]).unwrap();
/// assert_eq!(text.input(1), [1.0, 1.0, 2.0]);
/// let error = Dataset::<Ids<27, Rank1<3>>, Class<27>>::new(vec![0, 27, 1], vec![1]).unwrap_err();
/// assert_eq!(error.to_string(), "sample 0: expected an id below 27, given 27");
/// ```
pub struct Ids<const V: usize, S>(PhantomData<fn() -> S>);

impl<const V: usize, S: Plain> Sample for Ids<V, S> {
    const PARTS: Parts<Dims> = Parts::alone(S::PARTS.x.of_ids(V));
    type Numbers<E: Float> = Vec<usize>;
    type Tensors<B: Dim, E: Float, D: Device<E>> = Tensor<S::Batch<B>, usize, D>;

    fn rows<E: Float>(ids: Vec<usize>, samples: usize) -> Result<Vec<E>, Error> {
        counted("input ids", &ids, samples * Self::WIDTH)?;
        checked_ids(&ids, V, Self::WIDTH)?;
        Ok(ids.into_iter().map(|id| E::of(id as f64)).collect())
    }

    fn flat<B: Dim, E: Float, D: Device<E>>(ids: Tensor<S::Batch<B>, usize, D>, device: &D) -> Result<(Flat<E, D>, B), Error> {
        let batch: B = batch_size(ids.shape());
        let rows = Self::rows::<E>(ids.as_vec(), batch.size())?;
        let shape = (rows.len(),);
        Ok((device.try_tensor_from_vec(rows, shape).map_err(Error::device("copying ids to it"))?, batch))
    }

    /// No network returns ids.
    fn tensors<B: Dim, E: Float, D: Device<E>>(flat: Flat<E, D>, batch: B) -> Result<Tensor<S::Batch<B>, usize, D>, Error> {
        let ids = flat.as_vec().into_iter().map(|id| id.f64() as usize).collect();
        flat.device().try_tensor_from_vec(ids, S::batch(batch)).map_err(Error::device("copying ids to it"))
    }
}

/// Something beside the value that layers work on.
pub trait Side: 'static {
    /// Where it is.
    const SLOT: Slot;
    /// What it is.
    type Sample: Sample;
}

macro_rules! sides {
    ($($(#[$doc:meta])* $Side:ident;)*) => { $(
        $(#[$doc])*
        pub struct $Side<S>(PhantomData<fn() -> S>);

        impl<S: Sample> Side for $Side<S> {
            const SLOT: Slot = Slot::$Side;
            type Sample = S;
        }
    )* };
}
sides! {
    /// Which places of a sequence are padding, beside it: see [`Slot::Padding`].
    Padding;
    /// Another sequence, beside the first: see [`Slot::Memory`].
    Memory;
    /// Which places of the memory are padding: see [`Slot::MemoryPadding`].
    MemoryPadding;
    /// Numbers that are added to the scores of attention: see [`Slot::AttentionMask`].
    AttentionMask;
    /// Hidden states of recurrent layers: see [`Slot::Hidden`].
    Hidden;
    /// Cell states of LSTMs: see [`Slot::Cell`].
    Cell;
}

/// A sample with others beside it: `{ x: [5, 8], padding: [5] }` in `#[network]` is `With<Rank2<5, 8>, (Padding<Rank1<5>>,)>`.
///
/// In memory it is a tuple: that of the sample, then those of the sides in their order.
///
/// # Examples
/// ```
/// use formwork::prelude::*;
/// use formwork::types::{Padding, With};
///
/// type Padded = With<Rank2<2, 3>, (Padding<Rank1<2>>,)>;
/// let data = Dataset::<Padded, Class<2>>::new((vec![0.5; 6], vec![0.0, 1.0]), vec![1]).unwrap();
/// assert_eq!(data.input(0).len(), 6 + 2);
/// ```
pub struct With<X, Sides>(PhantomData<fn() -> (X, Sides)>);

/// Some rows of `width` numbers.
struct Columns<E> {
    rows: Vec<E>,
    width: usize,
}

/// Several columns side by side.
fn interleaved<E: Float>(columns: &[Columns<E>], samples: usize) -> Vec<E> {
    let row = |sample: usize| columns.iter().flat_map(move |part| &part.rows[sample * part.width..(sample + 1) * part.width]).copied();
    (0..samples).flat_map(row).collect()
}

/// The same on a device.
fn concatenated<E: Float, D: Device<E>>(parts: Vec<Var<E, D>>) -> Result<Flat<E, D>, Error> {
    let mut parts = parts.into_iter();
    let Some(first) = parts.next() else { unreachable!("a sample has a part to work on") };
    let joined = parts.try_fold(first, |joined, part| joined.beside(part)).map_err(Error::device("reading the inputs"))?;
    Ok(joined.flat())
}

macro_rules! with {
    ($($Side:ident $side:ident)*) => {
        impl<X: Sample, $($Side: Side),*> Sample for With<X, ($($Side,)*)> {
            const PARTS: Parts<Dims> = X::PARTS$(.with($Side::SLOT, <$Side::Sample as Sample>::PARTS.x))*;
            type Numbers<Num: Float> = (X::Numbers<Num>, $(<$Side::Sample as Sample>::Numbers<Num>,)*);
            type Tensors<Samples: Dim, Num: Float, Dev: Device<Num>> = (X::Tensors<Samples, Num, Dev>, $(<$Side::Sample as Sample>::Tensors<Samples, Num, Dev>,)*);

            fn rows<Num: Float>(numbers: Self::Numbers<Num>, samples: usize) -> Result<Vec<Num>, Error> {
                let (x, $($side,)*) = numbers;
                let mut columns = vec![(usize::MAX, Columns { rows: X::rows(x, samples)?, width: X::WIDTH })];
                $( columns.push(($Side::SLOT as usize, Columns { rows: <$Side::Sample as Sample>::rows($side, samples)?, width: <$Side::Sample as Sample>::WIDTH })); )*
                // `x` first, then the slots in their own order, whatever the order in the source.
                columns.sort_by_key(|(slot, _)| slot.wrapping_add(1));
                Ok(interleaved(&columns.into_iter().map(|(_, columns)| columns).collect::<Vec<_>>(), samples))
            }

            fn flat<Samples: Dim, Num: Float, Dev: Device<Num>>(tensors: Self::Tensors<Samples, Num, Dev>, device: &Dev) -> Result<(Flat<Num, Dev>, Samples), Error> {
                let (x, $($side,)*) = tensors;
                let (x, batch) = X::flat::<Samples, Num, Dev>(x, device)?;
                let samples = batch.size();
                let var = |flat: Flat<Num, Dev>, dims: Dims| Var::new(flat, samples, dims).map_err(Error::device("reading the inputs"));
                let mut parts = vec![(usize::MAX, var(x, X::PARTS.x)?)];
                $(
                    let (side, given) = <$Side::Sample as Sample>::flat::<Samples, Num, Dev>($side, device)?;
                    if given.size() != samples {
                        return Err(Error::Count { what: "samples beside the first", expected: samples, given: given.size() });
                    }
                    parts.push(($Side::SLOT as usize, var(side, <$Side::Sample as Sample>::PARTS.x)?));
                )*
                parts.sort_by_key(|(slot, _)| slot.wrapping_add(1));
                Ok((concatenated(parts.into_iter().map(|(_, part)| part).collect())?, batch))
            }

            fn tensors<Samples: Dim, Num: Float, Dev: Device<Num>>(flat: Flat<Num, Dev>, batch: Samples) -> Result<Self::Tensors<Samples, Num, Dev>, Error> {
                let samples = batch.size();
                let all = Var::new(flat, samples, Dims::new(&[Self::WIDTH])).map_err(Error::device("shaping the outputs"))?;
                let part = |slot: Option<Slot>| {
                    let (begin, dims) = Self::PARTS.place(slot);
                    all.clone().columns(begin, dims).map(Var::flat).map_err(Error::device("shaping the outputs"))
                };
                Ok((X::tensors(part(None)?, batch)?, $(<$Side::Sample as Sample>::tensors(part(Some($Side::SLOT))?, batch)?,)*))
            }
        }
    };
}
with!(A a);
with!(A a B b);
with!(A a B b C c);
with!(A a B b C c F f);
with!(A a B b C c F f G g);
with!(A a B b C c F f G g H h);
