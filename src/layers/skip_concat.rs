//! A skip that is laid beside.

use crate::types::{Branch, Dims, Field, Join, Layer, Message, Prefix, Problem, Spec};
use core::marker::PhantomData;

/// Layers with a skip around them that is laid before their output, channel by channel: `y = [x, F(x)]`.
///
/// One inside another they are a U-Net.
///
/// # Shapes
/// `[C, ..] -> [C + C', ..]`, where `F` makes `[C', ..]` of it. Parameters are named as in `F`.
///
/// # Examples
/// ```
/// use formwork::prelude::*;
///
/// #[network([8, 16, 16] => [12, 16, 16])]
/// type Skip = SkipConcat<(Conv2d<8, 4, 3, 1, 1>, Relu)>;
/// ```
///
/// Ronneberger, Fischer and Brox, [U-Net](https://arxiv.org/abs/1505.04597), 2015. Course notes: U-Net.
pub struct SkipConcat<F>(PhantomData<fn() -> F>);

impl<F: Layer> Layer for SkipConcat<F> {
    const SPEC: &'static Spec = &Spec::Branch(Branch {
        name: "SkipConcat",
        fields: &[Field::item(Spec::IDENTITY).prefixed(Prefix::Flat), Field::named("body", F::SPEC).prefixed(Prefix::Flat)],
        join: Join::Concat,
    });
}

/// The shape of two values one behind the other along the first dimension.
pub(crate) const fn concatenated(input: Dims, body: Dims) -> Result<Dims, Problem> {
    let message = Message::new("concatenates its input ").dims(input).str(" with its body's ").dims(body);
    if input.rank() == 0 || input.rank() != body.rank() {
        return Err(Problem::new(message.str(", but their numbers of dimensions differ")));
    }
    let joined = input.with(0, input.size(0) + body.size(0));
    if joined.with(0, 1).same(&body.with(0, 1)) {
        return Ok(joined);
    }
    if input.rank() != 3 {
        return Err(Problem::new(message.str(", but only their first dimensions may differ")));
    }
    let problem = Problem::new(message.str(", but their heights and widths differ"));
    let odd = input.size(1) % 2 == 1 || input.size(2) % 2 == 1;
    let help = Message::new("an odd size does not survive pooling and upsampling by 2; pad or resize the input");
    Err(if odd { problem.help(help) } else { problem })
}
