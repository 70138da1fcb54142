//! A skip that is added.

use crate::types::{Branch, Dims, Field, Join, Layer, Message, Prefix, Problem, Spec};
use core::marker::PhantomData;

/// Layers with a skip around them that is added: `y = F(x) + x`, or `y = F(x) + Shortcut(x)`.
///
/// # Shapes
/// `[..] -> [..]`, where `F` keeps the shape, or the shortcut makes the same one. Parameters are named as in `F`; those
/// of the shortcut begin with `downsample`, as in torchvision's residual networks.
///
/// # Examples
/// ```
/// use formwork::prelude::*;
///
/// #[network([8, 16, 16] => [16, 8, 8])]
/// type Blocks = (
///     Residual<(Conv2d<8, 8, 3, 1, 1>, Relu)>,
///     Residual<Conv2d<8, 16, 3, 2, 1>, NoBias<Conv2d<8, 16, 1, 2>>>,
/// );
/// assert_eq!(Blocks::parameters()[4].name, "1.downsample.weight");
/// ```
///
/// He et al., [Deep residual learning](https://arxiv.org/abs/1512.03385), 2015.
pub struct Residual<F, Shortcut = ()>(PhantomData<fn() -> (F, Shortcut)>);

impl<F: Layer, S: Layer> Layer for Residual<F, S> {
    const SPEC: &'static Spec = &Spec::Branch(Branch {
        name: "Residual",
        fields: &[Field::named("body", F::SPEC).prefixed(Prefix::Flat), Field::named("shortcut", S::SPEC).prefixed(Prefix::Renamed("downsample"))],
        join: Join::Add,
    });
}

/// The problem of a sum whose parts, each with its name, have other shapes.
pub(crate) const fn differ(a: (&'static str, Dims), b: (&'static str, Dims)) -> Problem {
    Problem::new(Message::new("adds ").output(b).str(" to ").output(a).str(", but these shapes differ"))
}
