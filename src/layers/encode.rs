//! Layers for the memory.

use crate::types::{Layer, Spec};
use core::marker::PhantomData;

/// Layers that work on the memory beside the input, and leave the input alone: the encoder of an encoder-decoder network.
///
/// The memory's own padding, `memory_padding`, is the padding that these layers see.
///
/// # Shapes
/// `[..] -> [..]`, and of the memory those of `F`.
///
/// # Examples
/// A network with two inputs: what is read, and what has been written so far.
/// ```
/// use formwork::prelude::*;
///
/// #[network({ x: [ids < 20; 6], memory: [ids < 30; 9] } => [6, 20])]
/// type Translator = (
///     Encode<(Embedding<30, 16>, Linear<16, 16>)>, // [9, 16]
///     Embedding<20, 16>,                           // [6, 16]
///     Residual<CrossAttention<16, 2>>,             // [6, 16]: looks at the memory
///     Linear<16, 20>,                              // [6, 20]
/// );
/// ```
///
/// Vaswani et al., [Attention is all you need](https://arxiv.org/abs/1706.03762), 2017. Course notes: transformer.
pub struct Encode<F>(PhantomData<fn() -> F>);

impl<F: Layer> Layer for Encode<F> {
    const SPEC: &'static Spec = &Spec::Encode { body: F::SPEC };
}
