//! Normalizations without parameters.

use super::Leaf;
use super::batch_norm::BatchNormSpec;
use super::group_norm::GroupNormSpec;
use super::layer_norm::LayerNormSpec;
use crate::types::{Layer, Spec};
use core::marker::PhantomData;

/// A normalization without `weight` and `bias`: `NoAffine<LayerNorm<D>>`, `NoAffine<GroupNorm<G, C>>`, `NoAffine<BatchNorm2d<C>>`.
///
/// # Shapes
/// Those of the layer.
///
/// # Examples
/// ```
/// use formwork::prelude::*;
///
/// #[network([8] => [8])]
/// type Standard = NoAffine<LayerNorm<8>>;
/// assert_eq!(Standard::SCALARS, 0);
/// ```
///
/// PyTorch's `elementwise_affine=False` and `affine=False`.
pub struct NoAffine<L>(PhantomData<fn() -> L>);

impl<L: Layer> Layer for NoAffine<L> {
    const SPEC: &'static Spec = &without_affine(L::SPEC);
}

const fn without_affine(spec: &Spec) -> Spec {
    match *spec.unnamed() {
        Spec::Leaf(Leaf::LayerNorm(norm)) => Spec::Leaf(Leaf::LayerNorm(LayerNormSpec { affine: false, ..norm })),
        Spec::Leaf(Leaf::GroupNorm(norm)) => Spec::Leaf(Leaf::GroupNorm(GroupNormSpec { affine: false, ..norm })),
        Spec::Leaf(Leaf::BatchNorm(norm)) => Spec::Leaf(Leaf::BatchNorm(BatchNormSpec { affine: false, ..norm })),
        _ => Spec::Misfit { wrapper: "NoAffine", problem: "takes weight and bias off a normalization, and this is none" },
    }
}
