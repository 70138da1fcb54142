//! Numbers that types carry.

use core::marker::PhantomData;
use dfdx::shapes::Const;
use typenum::{Bit, UInt, UTerm, Unsigned};

/// A number carried by a type: dfdx's `Const<N>`, a typenum integer, or arithmetic on them.
///
/// # Examples
/// ```
/// use formwork::types::{Plus, Size, Times};
/// use formwork::prelude::Const;
/// type FourD<D> = Times<Const<4>, D>;
/// assert_eq!(<FourD<Const<8>> as Size>::SIZE, 32);
/// assert_eq!(<Plus<typenum::U3, Const<4>> as Size>::SIZE, 7);
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a size",
    label = "expected a size: `Const<N>`, a typenum integer, or `Times`, `Plus`, `Minus`, `Over` of sizes"
)]
pub trait Size: 'static {
    /// The number.
    const SIZE: usize;
}

impl<const N: usize> Size for Const<N> {
    const SIZE: usize = N;
}

// One impl for each form of a typenum integer: `impl<U: Unsigned> Size for U` would overlap with `Const<N>`.
impl Size for UTerm {
    const SIZE: usize = 0;
}

impl<U: Unsigned + 'static, B: Bit + 'static> Size for UInt<U, B> {
    const SIZE: usize = <UInt<U, B> as Unsigned>::USIZE;
}

macro_rules! arithmetic {
    ($($(#[$doc:meta])* $Name:ident($a:ident, $b:ident) = $value:expr;)*) => { $(
        $(#[$doc])*
        pub struct $Name<A, B>(PhantomData<fn() -> (A, B)>);
        impl<A: Size, B: Size> Size for $Name<A, B> {
            const SIZE: usize = { let ($a, $b) = (A::SIZE, B::SIZE); $value };
        }
    )* };
}

arithmetic! {
    /// The size `A * B`.
    Times(a, b) = a * b;
    /// The size `A + B`.
    Plus(a, b) = a + b;
    /// The size `A - B`; it does not compile when `B` is the larger.
    Minus(a, b) = a - b;
    /// The size `A / B`, rounded down; it does not compile when `B` is zero.
    Over(a, b) = a / b;
}

/// A height and a width carried by a type: one [`Size`] for both, or a pair `(H, W)`.
///
/// # Examples
/// ```
/// use formwork::types::Extent;
/// use formwork::prelude::Const;
/// assert_eq!(<Const<3> as Extent>::HW, [3, 3]);
/// assert_eq!(<(Const<3>, Const<1>) as Extent>::HW, [3, 1]);
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` is neither a size nor a pair of sizes",
    label = "expected a size such as `Const<3>`, or a height and a width such as `(Const<3>, Const<1>)`"
)]
pub trait Extent: 'static {
    /// `[height, width]`.
    const HW: [usize; 2];
}

impl<S: Size> Extent for S {
    const HW: [usize; 2] = [S::SIZE, S::SIZE];
}

impl<H: Size, W: Size> Extent for (H, W) {
    const HW: [usize; 2] = [H::SIZE, W::SIZE];
}

/// The same layer with its sizes given as types: what `#[block]` makes of `Linear<D, { 4 * D }>`, because stable Rust has no
/// arithmetic in the arguments of a type.
pub trait Resize<Sizes> {
    /// The layer with these sizes.
    type Layer;
}
