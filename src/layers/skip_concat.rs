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

/// The shape of two values, each with its name, one behind the other along the first dimension.
pub(crate) const fn concatenated(a: (&'static str, Dims), b: (&'static str, Dims)) -> Result<Dims, Problem> {
    let message = Message::new("concatenates ").output(a).str(" with ").output(b);
    let ((_, input), (_, body)) = (a, b);
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
    let (h, w) = (input.size(1) != body.size(1), input.size(2) != body.size(2));
    let what = if !w {
        "heights"
    } else if !h {
        "widths"
    } else {
        "heights and widths"
    };
    let problem = Problem::new(message.str(", but their ").str(what).str(" differ"));
    let odd = is_halved_and_doubled(input.size(1), body.size(1)) || is_halved_and_doubled(input.size(2), body.size(2));
    let help = Message::new("an odd size does not survive pooling and upsampling by 2; pad or resize the input");
    Err(if odd { problem.help(help) } else { problem })
}

/// Whether a size is what halving with rounding, and doubling, makes of an odd one.
const fn is_halved_and_doubled(before: usize, after: usize) -> bool {
    before % 2 == 1 && after + 1 == before
}
