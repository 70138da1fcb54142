//! The layers with their sizes as types: `generic::Linear<D, Prod<D, U4>>`.
//!
//! A layer with numbers, such as [`Linear<784, 128>`](super::linear::Linear), is an alias of the one here with `Const`s.
//! The page of each layer is with its alias.

use super::normalization::Eps;
use crate::types::Resize;
use core::marker::PhantomData;
use dfdx::shapes::Const;

/// Declares a layer type that carries its arguments and no data.
macro_rules! carrier {
    ($($(#[$doc:meta])* $Layer:ident<$($A:ident $(= $Default:ty)?),*>;)*) => { $(
        $(#[$doc])*
        pub struct $Layer<$($A $(= $Default)?),*>(PhantomData<fn() -> ($($A,)*)>);
    )* };
}

carrier! {
    /// [`Linear`](super::linear::Linear) with sizes as types.
    Linear<I, O>;
    /// [`Conv2d`](super::conv::Conv2d) with sizes as types; kernel size, stride, padding and dilation may be pairs.
    Conv2d<I, O, K, S = Const<1>, P = Const<0>, D = Const<1>, G = Const<1>>;
    /// [`Conv1d`](super::conv::Conv1d) with sizes as types.
    Conv1d<I, O, K, S = Const<1>, P = Const<0>, D = Const<1>, G = Const<1>>;
    /// [`ConvTranspose2d`](super::conv_transpose::ConvTranspose2d) with sizes as types; kernel size, stride, paddings and dilation
    /// may be pairs.
    ConvTranspose2d<I, O, K, S = Const<1>, P = Const<0>, OP = Const<0>, G = Const<1>, D = Const<1>>;
    /// [`ConvTranspose1d`](super::conv_transpose::ConvTranspose1d) with sizes as types.
    ConvTranspose1d<I, O, K, S = Const<1>, P = Const<0>, OP = Const<0>, G = Const<1>, D = Const<1>>;
    /// [`MaxPool2d`](super::pool::MaxPool2d) with sizes as types, which may be pairs.
    MaxPool2d<K, S = K, P = Const<0>>;
    /// [`AvgPool2d`](super::pool::AvgPool2d) with sizes as types, which may be pairs.
    AvgPool2d<K, S = K, P = Const<0>, Count = super::pool::CountPadding>;
    /// [`MaxPool1d`](super::pool::MaxPool1d) with sizes as types.
    MaxPool1d<K, S = K, P = Const<0>>;
    /// [`AvgPool1d`](super::pool::AvgPool1d) with sizes as types.
    AvgPool1d<K, S = K, P = Const<0>, Count = super::pool::CountPadding>;
    /// [`AdaptiveAvgPool2d`](super::pool::AdaptiveAvgPool2d) with sizes as types.
    AdaptiveAvgPool2d<H, W = H>;
    /// [`Upsample2d`](super::upsample::Upsample2d) with its factor as a type, which may be a pair.
    Upsample2d<F, Mode = super::upsample::Nearest>;
    /// [`ZeroPad2d`](super::pad::ZeroPad2d) with sizes as types.
    ZeroPad2d<L, R = L, T = L, B = L>;
    /// [`ReflectionPad2d`](super::pad::ReflectionPad2d) with sizes as types.
    ReflectionPad2d<L, R = L, T = L, B = L>;
    /// [`Crop2d`](super::pad::Crop2d) with sizes as types.
    Crop2d<L, R = L, T = L, B = L>;
    /// [`ZeroPad1d`](super::pad::ZeroPad1d) with sizes as types.
    ZeroPad1d<L, R = L>;
    /// [`ReflectionPad1d`](super::pad::ReflectionPad1d) with sizes as types.
    ReflectionPad1d<L, R = L>;
    /// [`Crop1d`](super::pad::Crop1d) with sizes as types.
    Crop1d<L, R = L>;
    /// [`PixelShuffle`](super::pixel_shuffle::PixelShuffle) with its factor as a type.
    PixelShuffle<R>;
    /// [`PixelUnshuffle`](super::pixel_shuffle::PixelUnshuffle) with its factor as a type.
    PixelUnshuffle<R>;
    /// [`LayerNorm`](super::layer_norm::LayerNorm) with its size as a type, which may be a tuple, and with `ε`.
    LayerNorm<S, E = Eps<1, 100_000>>;
    /// [`GroupNorm`](super::group_norm::GroupNorm) with sizes as types, and with `ε`.
    GroupNorm<G, C, E = Eps<1, 100_000>>;
    /// [`BatchNorm1d`](super::batch_norm::BatchNorm1d) with its size as a type.
    BatchNorm1d<C, Epsilon = super::normalization::Eps<1, 100_000>, Momentum = super::batch_norm::Momentum<1, 10>>;
    /// [`BatchNorm2d`](super::batch_norm::BatchNorm2d) with its size as a type.
    BatchNorm2d<C, Epsilon = super::normalization::Eps<1, 100_000>, Momentum = super::batch_norm::Momentum<1, 10>>;
    /// [`Repeat`](super::repeat::Repeat) with the number as a type.
    Repeat<F, N>;
    /// [`RepeatShared`](super::repeat::RepeatShared) with the number as a type.
    RepeatShared<F, N>;
    /// [`SelfAttention`](super::attention::SelfAttention) with sizes as types.
    SelfAttention<D, H>;
    /// [`CausalSelfAttention`](super::attention::CausalSelfAttention) with sizes as types.
    CausalSelfAttention<D, H>;
    /// [`CrossAttention`](super::attention::CrossAttention) with sizes as types: `K` numbers in each place of the memory, of
    /// which both keys and values are made; or `K` for keys and beside them `V` for values.
    CrossAttention<D, H, K = D, V = super::attention::SameAsKeys>;
    /// [`TransformerEncoderLayer`](super::transformer::TransformerEncoderLayer) with sizes as types.
    TransformerEncoderLayer<D, H, F, N = super::transformer::PostNorm, A = super::relu::Relu, S = super::transformer::Full, P = ()>;
    /// [`TransformerDecoderLayer`](super::transformer::TransformerDecoderLayer) with sizes as types.
    TransformerDecoderLayer<D, H, F, N = super::transformer::PostNorm, A = super::relu::Relu, S = super::transformer::Causal, P = ()>;
    /// [`LearnedPositions`](super::positions::LearnedPositions) with sizes as types.
    LearnedPositions<T, D>;
    /// [`PatchEmbedding`](super::patches::PatchEmbedding) with sizes as types.
    PatchEmbedding<C, P, D>;
    /// [`Embedding`](super::embedding::Embedding) with sizes as types.
    Embedding<V, D, PaddingIdx = Const<{ usize::MAX }>>;
    /// [`Rnn`](super::recurrent::Rnn) with sizes as types.
    Rnn<I, H, Layers = Const<1>>;
    /// [`Lstm`](super::recurrent::Lstm) with sizes as types.
    Lstm<I, H, Layers = Const<1>>;
    /// [`Gru`](super::recurrent::Gru) with sizes as types.
    Gru<I, H, Layers = Const<1>>;
}

/// The same layers with other sizes: one impl for each number of arguments, the rest being the defaults.
macro_rules! resize {
    ($($Layer:ident $Old:tt: $($New:tt),*;)*) => { $($( resize!(@one $Layer $Old $New); )*)* };
    (@one $Layer:ident ($($Old:ident),*) ($($New:ident),*)) => {
        impl<$($Old,)* $($New),*> Resize<($($New,)*)> for $Layer<$($Old),*> {
            type Layer = $Layer<$($New),*>;
        }
    };
}

resize! {
    Linear(I, O): (A, B);
    Conv2d(I, O, K, S, P, D, G): (A, B, C), (A, B, C, T), (A, B, C, T, U), (A, B, C, T, U, V), (A, B, C, T, U, V, W);
    Conv1d(I, O, K, S, P, D, G): (A, B, C), (A, B, C, T), (A, B, C, T, U), (A, B, C, T, U, V), (A, B, C, T, U, V, W);
    ConvTranspose2d(I, O, K, S, P, OP, G, D):
        (A, B, C), (A, B, C, T), (A, B, C, T, U), (A, B, C, T, U, V), (A, B, C, T, U, V, W), (A, B, C, T, U, V, W, X);
    ConvTranspose1d(I, O, K, S, P, OP, G, D):
        (A, B, C), (A, B, C, T), (A, B, C, T, U), (A, B, C, T, U, V), (A, B, C, T, U, V, W), (A, B, C, T, U, V, W, X);
    MaxPool2d(K, S, P): (A), (A, B), (A, B, C);
    AvgPool2d(K, S, P, Count): (A), (A, B), (A, B, C);
    MaxPool1d(K, S, P): (A), (A, B), (A, B, C);
    AvgPool1d(K, S, P, Count): (A), (A, B), (A, B, C);
    AdaptiveAvgPool2d(H, W): (A), (A, B);
    Upsample2d(F, Mode): (A), (A, U);
    ZeroPad2d(L, R, T, B): (A), (A, C), (A, C, U), (A, C, U, V);
    ReflectionPad2d(L, R, T, B): (A), (A, C), (A, C, U), (A, C, U, V);
    Crop2d(L, R, T, B): (A), (A, C), (A, C, U), (A, C, U, V);
    ZeroPad1d(L, R): (A), (A, B);
    ReflectionPad1d(L, R): (A), (A, B);
    Crop1d(L, R): (A), (A, B);
    PixelShuffle(R): (A);
    PixelUnshuffle(R): (A);
    LayerNorm(S, E): (A), (A, B);
    GroupNorm(G, C, E): (A, B), (A, B, F);
    BatchNorm1d(C, Epsilon, Momentum): (A), (A, B), (A, B, T);
    BatchNorm2d(C, Epsilon, Momentum): (A), (A, B), (A, B, T);
    Repeat(F, N): (A, B);
    RepeatShared(F, N): (A, B);
    SelfAttention(D, H): (A, B);
    CausalSelfAttention(D, H): (A, B);
    CrossAttention(D, H, K, V): (A, B), (A, B, C), (A, B, C, T);
    TransformerEncoderLayer(D, H, F, N, A, S, P): (B, C, E), (B, C, E, G), (B, C, E, G, I), (B, C, E, G, I, J), (B, C, E, G, I, J, K);
    TransformerDecoderLayer(D, H, F, N, A, S, P): (B, C, E), (B, C, E, G), (B, C, E, G, I), (B, C, E, G, I, J), (B, C, E, G, I, J, K);
    LearnedPositions(T, D): (A, B);
    PatchEmbedding(C, P, D): (A, B, E);
    Embedding(V, D, PaddingIdx): (A, B), (A, B, C);
    Rnn(I, H, Layers): (A, B), (A, B, C);
    Lstm(I, H, Layers): (A, B), (A, B, C);
    Gru(I, H, Layers): (A, B), (A, B, C);
}
