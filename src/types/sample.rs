//! The shapes of samples and of batches, as dfdx types.

use super::Dims;
use dfdx::shapes::{ConstDim, ConstShape, Dim, Shape};

/// The compile-time shape of one sample: any dfdx shape of up to five constant dimensions, such as `Rank3<1, 28, 28>`.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not the shape of a sample",
    label = "expected a dfdx shape of constant dimensions, such as `Rank3<1, 28, 28>`, without the batch"
)]
pub trait Sample: ConstShape {
    /// The same shape as a value.
    const DIMS: Dims;
    /// The shape of a batch of `B` such samples.
    type Batch<B: Dim>: Shape;
    /// The shape of a batch of this many samples.
    fn batch<B: Dim>(samples: B) -> Self::Batch<B>;
}

/// The shape of a batch of `B` samples of shape `S`: `Batch<usize, Rank1<10>>` is `(usize, Const<10>)`.
pub type Batch<B, S> = <S as Sample>::Batch<B>;

macro_rules! sample {
    ($($D:ident)*) => {
        impl<$($D: ConstDim),*> Sample for ($($D,)*) {
            const DIMS: Dims = Dims::new(&[$($D::SIZE),*]);
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
