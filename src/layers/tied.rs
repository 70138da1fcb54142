//! Two layers with one weight.

use crate::types::{Field, Layer, Prefix, Spec, Tied as TiedSpec};
use core::marker::PhantomData;

/// Layers one behind the other, the last of which has the first one's `weight`: `y = Last(Body(First(x)))`.
///
/// So a language model scores its vectors by the vectors it has read: `Tied<Embedding<V, D>, Body, NoBias<Linear<D, V>>>`.
///
/// # Shapes
/// Those of the layers; both weights have one shape, and the last layer has no other parameter. Parameters are numbered as in
/// a tuple; the last layer has none of its own.
///
/// # Examples
/// ```
/// use formwork::prelude::*;
///
/// #[network([ids < 65; 16] => [16, 65])]
/// type Writer = Tied<Embedding<65, 8>, (Linear<8, 8>, Tanh), NoBias<Linear<8, 65>>>;
/// assert_eq!(Writer::SCALARS, 65 * 8 + 8 * 8 + 8);
/// ```
///
/// Press and Wolf, [Using the output embedding to improve language models](https://arxiv.org/abs/1608.05859), 2016.
pub struct Tied<First, Body, Last>(PhantomData<fn() -> (First, Body, Last)>);

impl<First: Layer, Body: Layer, Last: Layer> Layer for Tied<First, Body, Last> {
    const SPEC: &'static Spec = &Spec::Tied(TiedSpec {
        fields: &[
            Field::named("first layer", First::SPEC).prefixed(Prefix::Renamed("0")),
            Field::named("body", Body::SPEC).prefixed(Prefix::Renamed("1")),
            Field::named("last layer", Last::SPEC).prefixed(Prefix::Renamed("2")),
        ],
    });
}
