//! Layers without their bias.

use super::Leaf;
use super::attention::AttentionSpec;
use super::conv::ConvSpec;
use super::conv_transpose::ConvTransposeSpec;
use super::linear::LinearSpec;
use crate::types::{Layer, Spec};
use core::marker::PhantomData;

/// A layer without its `bias`: `NoBias<Conv2d<I, O, K>>`, `NoBias<Linear<I, O>>`, `NoBias<Lstm<I, H>>`,
/// `NoBias<SelfAttention<D, H>>`.
///
/// # Shapes
/// Those of the layer.
///
/// # Examples
/// ```
/// use formwork::prelude::*;
///
/// #[network([3] => [2])]
/// type Rotation = NoBias<Linear<3, 2>>;
/// assert_eq!(Rotation::SCALARS, 3 * 2);
/// ```
///
/// PyTorch's `bias=False`.
pub struct NoBias<L>(PhantomData<fn() -> L>);

impl<L: Layer> Layer for NoBias<L> {
    const SPEC: &'static Spec = &without_bias(L::SPEC);
}

const fn without_bias(spec: &Spec) -> Spec {
    match *spec.unnamed() {
        Spec::Leaf(Leaf::Linear(linear)) => Spec::Leaf(Leaf::Linear(LinearSpec { bias: false, ..linear })),
        Spec::Leaf(Leaf::Conv(conv)) => Spec::Leaf(Leaf::Conv(ConvSpec { bias: false, ..conv })),
        Spec::Leaf(Leaf::ConvTranspose(conv)) => Spec::Leaf(Leaf::ConvTranspose(ConvTransposeSpec { bias: false, ..conv })),
        Spec::Leaf(Leaf::Recurrent(layer)) => Spec::Leaf(Leaf::Recurrent(layer.without_bias())),
        Spec::Leaf(Leaf::Attention(attention)) => Spec::Leaf(Leaf::Attention(AttentionSpec { bias: false, ..attention })),
        _ => Spec::Misfit {
            wrapper: "NoBias",
            problem: "takes the bias off a linear, convolutional or recurrent layer or attention, and this is none of them",
        },
    }
}
