//! Transformer layers, put together of others.

use super::generic::{self, CrossAttention, LayerNorm, Linear};
use super::relu::Relu;
use super::residual::Residual;
use crate::types::{Chain, Field, Layer, Prefix, Size, Spec};
use core::marker::PhantomData;
use dfdx::shapes::Const;

/// A layer of a transformer's encoder: attention of a sequence to itself, then two linear layers on each of its places, each
/// with a skip around it and a norm behind it: `z = norm1(x + self_attn(x))`, `y = norm2(z + linear2(A(linear1(z))))`.
///
/// Arguments: features, heads, features between the linear layers; then, as types, where the norms stand ([`PostNorm`], or
/// [`PreNorm`] for `z = x + self_attn(norm1(x))` and so on), the activation `A` ([`Relu`]), what a place sees
/// ([`Full`], or [`Causal`]), and what drops numbers behind attention and behind each linear layer (`()`, which is
/// nothing, or such as `Dropout<10>`). PyTorch drops weights of attention as well; here they stay.
///
/// # Shapes
/// `[T, D] -> [T, D]`, with `padding` `[T]` where there is some; parameters are named as in PyTorch's
/// `nn.TransformerEncoderLayer`.
///
/// # Examples
/// ```
/// use formwork::prelude::*;
///
/// #[network([64, 128] => [64, 128])]
/// type Gpt = (Repeat<TransformerEncoderLayer<128, 4, 512, PreNorm, Gelu, Causal, Dropout<10>>, 4>, LayerNorm<128>);
/// assert_eq!(Gpt::parameters()[2].name, "0.0.self_attn.in_proj_weight");
/// ```
///
/// Vaswani et al., [Attention is all you need](https://arxiv.org/abs/1706.03762), 2017; norms before: Xiong et al., [On layer
/// normalization in the transformer architecture](https://arxiv.org/abs/2002.04745), 2020. Course notes: transformer.
pub type TransformerEncoderLayer<const D: usize, const H: usize, const F: usize, N = PostNorm, A = Relu, S = Full, P = ()> =
    generic::TransformerEncoderLayer<Const<D>, Const<H>, Const<F>, N, A, S, P>;

/// A layer of a transformer's decoder: a [`TransformerEncoderLayer`] with attention to the memory, `multihead_attn`, between its
/// two parts.
///
/// Arguments are those of [`TransformerEncoderLayer`], but a place sees only itself and those before it unless said otherwise.
///
/// # Shapes
/// `[T, D] -> [T, D]`, with `memory` `[S, D]`, and `padding` `[T]` and `memory_padding` `[S]` where there are some; parameters are
/// named as in PyTorch's `nn.TransformerDecoderLayer`.
///
/// # Examples
/// A network that reads one sequence and writes another.
/// ```
/// use formwork::prelude::*;
///
/// #[network({ x: [ids < 20; 6], memory: [ids < 30; 9] } => [6, 20])]
/// type Translator = (
///     Encode<(Embedding<30, 16>, SinusoidalPositions, TransformerEncoderLayer<16, 2, 32>)>,
///     Embedding<20, 16>,
///     SinusoidalPositions,
///     TransformerDecoderLayer<16, 2, 32>,
///     Linear<16, 20>,
/// );
/// ```
///
/// Vaswani et al., [Attention is all you need](https://arxiv.org/abs/1706.03762), 2017. Course notes: transformer.
pub type TransformerDecoderLayer<const D: usize, const H: usize, const F: usize, N = PostNorm, A = Relu, S = Causal, P = ()> =
    generic::TransformerDecoderLayer<Const<D>, Const<H>, Const<F>, N, A, S, P>;

/// Norms stand behind the skips: PyTorch's `norm_first=False`.
#[derive(Clone, Copy, Debug, Default)]
pub struct PostNorm;

/// Norms stand inside the skips, before what they are for: PyTorch's `norm_first=True`.
#[derive(Clone, Copy, Debug, Default)]
pub struct PreNorm;

/// Where norms stand: [`PostNorm`] or [`PreNorm`].
#[diagnostic::on_unimplemented(message = "`{Self}` is no place for norms", label = "expected `PostNorm` or `PreNorm`")]
pub trait NormPlace: 'static {
    /// Whether they stand inside the skips.
    const FIRST: bool;
}

impl NormPlace for PostNorm {
    const FIRST: bool = false;
}

impl NormPlace for PreNorm {
    const FIRST: bool = true;
}

/// Each place sees all places.
#[derive(Clone, Copy, Debug, Default)]
pub struct Full;

/// Each place sees itself and those before it.
#[derive(Clone, Copy, Debug, Default)]
pub struct Causal;

/// What a place of a sequence sees of it: [`Full`] or [`Causal`].
#[diagnostic::on_unimplemented(message = "`{Self}` is nothing that a place sees", label = "expected `Full` or `Causal`")]
pub trait Sight: 'static {
    /// Attention that sees this.
    type SelfAttention<D: Size, H: Size>: Layer;
}

impl Sight for Full {
    type SelfAttention<D: Size, H: Size> = generic::SelfAttention<D, H>;
}

impl Sight for Causal {
    type SelfAttention<D: Size, H: Size> = generic::CausalSelfAttention<D, H>;
}

/// Layers one behind the other, under PyTorch's names for them.
macro_rules! chain {
    ($($name:expr => $L:ty),*) => {
        &Spec::Chain(Chain { fields: &[$(Field::named($name, <$L as Layer>::SPEC)),*] })
    };
}

impl<D: Size, H: Size, F: Size, N: NormPlace, A: Layer, S: Sight, P: Layer> Layer for generic::TransformerEncoderLayer<D, H, F, N, A, S, P> {
    const SPEC: &'static Spec = &Spec::Named {
        name: "TransformerEncoderLayer",
        args: &[D::SIZE, H::SIZE, F::SIZE],
        body: &Spec::Chain(Chain {
            fields: if N::FIRST {
                &[Looking::<D, H, N, S, P>::FIELD, Thinking::<D, F, N, A, P, false>::FIELD]
            } else {
                &[Looking::<D, H, N, S, P>::FIELD, norm::<D>("norm1"), Thinking::<D, F, N, A, P, false>::FIELD, norm::<D>("norm2")]
            },
        }),
    };
}

impl<D: Size, H: Size, F: Size, N: NormPlace, A: Layer, S: Sight, P: Layer> Layer for generic::TransformerDecoderLayer<D, H, F, N, A, S, P> {
    const SPEC: &'static Spec = &Spec::Named {
        name: "TransformerDecoderLayer",
        args: &[D::SIZE, H::SIZE, F::SIZE],
        body: &Spec::Chain(Chain {
            fields: if N::FIRST {
                &[Looking::<D, H, N, S, P>::FIELD, Reading::<D, H, N, P>::FIELD, Thinking::<D, F, N, A, P, true>::FIELD]
            } else {
                &[
                    Looking::<D, H, N, S, P>::FIELD,
                    norm::<D>("norm1"),
                    Reading::<D, H, N, P>::FIELD,
                    norm::<D>("norm2"),
                    Thinking::<D, F, N, A, P, true>::FIELD,
                    norm::<D>("norm3"),
                ]
            },
        }),
    };
}

const fn norm<D: Size>(name: &'static str) -> Field {
    Field::named(name, LayerNorm::<D>::SPEC)
}

/// A part with a skip around it, which adds nothing to the names of its parameters.
trait Part: Layer + Sized {
    /// What a trace calls it.
    const NAME: &'static str;
    const FIELD: Field = Field::named(Self::NAME, Residual::<Self>::SPEC).prefixed(Prefix::Flat);
}

/// Attention of a sequence to itself.
struct Looking<D, H, N, S, P>(PhantomData<fn() -> (D, H, N, S, P)>);

impl<D: Size, H: Size, N: NormPlace, S: Sight, P: Layer> Part for Looking<D, H, N, S, P> {
    const NAME: &'static str = "self_attention";
}

impl<D: Size, H: Size, N: NormPlace, S: Sight, P: Layer> Layer for Looking<D, H, N, S, P> {
    const SPEC: &'static Spec = if N::FIRST {
        chain!["norm1" => LayerNorm<D>, "self_attn" => S::SelfAttention<D, H>, "dropout1" => P]
    } else {
        chain!["self_attn" => S::SelfAttention<D, H>, "dropout1" => P]
    };
}

/// Attention to the memory.
struct Reading<D, H, N, P>(PhantomData<fn() -> (D, H, N, P)>);

impl<D: Size, H: Size, N: NormPlace, P: Layer> Part for Reading<D, H, N, P> {
    const NAME: &'static str = "cross_attention";
}

impl<D: Size, H: Size, N: NormPlace, P: Layer> Layer for Reading<D, H, N, P> {
    const SPEC: &'static Spec = if N::FIRST {
        chain!["norm2" => LayerNorm<D>, "multihead_attn" => CrossAttention<D, H>, "dropout2" => P]
    } else {
        chain!["multihead_attn" => CrossAttention<D, H>, "dropout2" => P]
    };
}

/// Linear layers on each place.
struct Thinking<D, F, N, A, P, const OF_DECODER: bool>(PhantomData<fn() -> (D, F, N, A, P)>);

impl<D: Size, F: Size, N: NormPlace, A: Layer, P: Layer, const OF_DECODER: bool> Thinking<D, F, N, A, P, OF_DECODER> {
    /// PyTorch numbers norms and dropouts, and a decoder has more.
    const NUMBERED: [&'static str; 2] = if OF_DECODER { ["norm3", "dropout3"] } else { ["norm2", "dropout2"] };
}

impl<D: Size, F: Size, N: NormPlace, A: Layer, P: Layer, const OF_DECODER: bool> Part for Thinking<D, F, N, A, P, OF_DECODER> {
    const NAME: &'static str = "feed_forward";
}

impl<D: Size, F: Size, N: NormPlace, A: Layer, P: Layer, const OF_DECODER: bool> Layer for Thinking<D, F, N, A, P, OF_DECODER> {
    const SPEC: &'static Spec = if N::FIRST {
        chain![
            Self::NUMBERED[0] => LayerNorm<D>, "linear1" => Linear<D, F>, "activation" => A, "dropout" => P,
            "linear2" => Linear<F, D>, Self::NUMBERED[1] => P
        ]
    } else {
        chain!["linear1" => Linear<D, F>, "activation" => A, "dropout" => P, "linear2" => Linear<F, D>, Self::NUMBERED[1] => P]
    };
}
