//! The same layers several times.

use super::generic;
use crate::types::{Layer, Size, Spec};
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

impl<F: Layer, N: Size> Layer for generic::Repeat<F, N> {
    const SPEC: &'static Spec = &Spec::Repeat { body: F::SPEC, times: N::SIZE };
}
