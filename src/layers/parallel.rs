//! Layers side by side.

use crate::types::{Branch, Field, Join, Layer, Prefix, Spec};
use core::marker::PhantomData;

/// Layers side by side on the same input, whose outputs are laid one behind the other, channel by channel, or added.
///
/// `Parallel<(F, G)>` is `[F(x), G(x)]`, `Parallel<(F, G), Sum>` is `F(x) + G(x)`; up to eight branches.
///
/// # Shapes
/// `[C, ..] -> [C' + C'' .., ..]`, or with `Sum` the shape that all branches make. Parameters are numbered: `0.weight`,
/// `1.weight`.
///
/// # Examples
/// ```
/// use formwork::prelude::*;
///
/// #[network([8, 16, 16] => [12, 16, 16])]
/// type Inception = Parallel<(Conv2d<8, 4, 1>, Conv2d<8, 4, 3, 1, 1>, Conv2d<8, 4, 5, 1, 2>)>;
///
/// #[network([8] => [4])]
/// type Ensemble = Parallel<(Linear<8, 4>, (Linear<8, 16>, Relu, Linear<16, 4>)), Sum>;
/// assert_eq!(Ensemble::parameters()[2].name, "1.0.weight");
/// ```
///
/// Szegedy et al., [Going deeper with convolutions](https://arxiv.org/abs/1409.4842), 2014.
pub struct Parallel<Branches, How = Concat>(PhantomData<fn() -> (Branches, How)>);

/// Branches of a [`Parallel`] one behind the other along their first dimension.
#[derive(Clone, Copy, Debug, Default)]
pub struct Concat;

/// Branches of a [`Parallel`] added.
#[derive(Clone, Copy, Debug, Default)]
pub struct Sum;

/// How the outputs of a [`Parallel`] become one: [`Concat`] or [`Sum`].
pub trait Joined: 'static {
    /// The same as a value.
    const JOIN: Join;
}

impl Joined for Concat {
    const JOIN: Join = Join::Concat;
}

impl Joined for Sum {
    const JOIN: Join = Join::Add;
}

macro_rules! parallel {
    ($($L:ident $name:literal $number:literal),*) => {
        impl<$($L: Layer,)* How: Joined> Layer for Parallel<($($L,)*), How> {
            const SPEC: &'static Spec = &Spec::Branch(Branch {
                name: "Parallel",
                fields: &[$(Field::named($name, $L::SPEC).prefixed(Prefix::Renamed($number))),*],
                join: How::JOIN,
            });
        }
    };
}
parallel!(A "branch 0" "0");
parallel!(A "branch 0" "0", B "branch 1" "1");
parallel!(A "branch 0" "0", B "branch 1" "1", C "branch 2" "2");
parallel!(A "branch 0" "0", B "branch 1" "1", C "branch 2" "2", D "branch 3" "3");
parallel!(A "branch 0" "0", B "branch 1" "1", C "branch 2" "2", D "branch 3" "3", E "branch 4" "4");
parallel!(A "branch 0" "0", B "branch 1" "1", C "branch 2" "2", D "branch 3" "3", E "branch 4" "4", F "branch 5" "5");
parallel!(A "branch 0" "0", B "branch 1" "1", C "branch 2" "2", D "branch 3" "3", E "branch 4" "4", F "branch 5" "5", G "branch 6" "6");
parallel!(A "branch 0" "0", B "branch 1" "1", C "branch 2" "2", D "branch 3" "3", E "branch 4" "4", F "branch 5" "5", G "branch 6" "6", H "branch 7" "7");
