//! The same layers several times.

use super::generic;
use crate::types::{Layer, Repeat as RepeatSpec, Size, Spec};
use dfdx::shapes::Const;

/// The layers `F`, `N` times one behind the other, each time with parameters of their own.
///
/// # Shapes
/// Those of `F`, `N` times. Parameters are numbered: `0.weight`, `1.weight`, as in PyTorch's `nn.Sequential`.
///
/// # Examples
/// ```
/// use formwork::prelude::*;
///
/// #[network([16] => [16])]
/// type Tower = Repeat<(Linear<16, 16>, Relu), 3>;
/// assert_eq!(Tower::SCALARS, 3 * (16 * 16 + 16));
/// assert_eq!(Tower::parameters()[2].name, "1.0.weight");
/// ```
pub type Repeat<F, const N: usize> = generic::Repeat<F, Const<N>>;

/// The layers `F`, `N` times one behind the other, each time with the same parameters.
///
/// # Shapes
/// Those of `F`, `N` times. Parameters are named as in `F`.
///
/// # Examples
/// ```
/// use formwork::prelude::*;
///
/// #[network([16] => [16])]
/// type Iterated = RepeatShared<(Linear<16, 16>, Tanh), 3>;
/// assert_eq!(Iterated::SCALARS, 16 * 16 + 16);
/// ```
///
/// Lan et al., [ALBERT](https://arxiv.org/abs/1909.11942), 2019, shares the parameters of a transformer's layers.
pub type RepeatShared<F, const N: usize> = generic::RepeatShared<F, Const<N>>;

impl<F: Layer, N: Size> Layer for generic::Repeat<F, N> {
    const SPEC: &'static Spec = &Spec::Repeat(RepeatSpec { body: F::SPEC, times: N::SIZE, shared: false });
}

impl<F: Layer, N: Size> Layer for generic::RepeatShared<F, N> {
    const SPEC: &'static Spec = &Spec::Repeat(RepeatSpec { body: F::SPEC, times: N::SIZE, shared: true });
}
