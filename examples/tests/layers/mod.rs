//! Networks that are not among the examples, each with a twin in PyTorch: layers by themselves, and layouts that differ.

use crate::networks::Visitor;
use formwork::prelude::*;

#[network([7, 5] => [7, 16])]
type BothWaysLstm = Bidirectional<Lstm<5, 8, 2>>;

#[network({ x: [7, 5], padding: [7] } => [16])]
type BothWaysGru = Last<Bidirectional<Gru<5, 8, 3>>>;

#[network({ x: [6, 16], padding: [6] } => [6, 16])]
type OfItself = SelfAttention<16, 4>;

/// Keys and values have widths of their own: PyTorch's `kdim` and `vdim`.
#[network({ x: [6, 16], memory: [9, 22], memory_padding: [9] } => [6, 16])]
type OfAnother = generic::CrossAttention<Const<16>, Const<4>, Const<12>, Const<10>>;

#[network({ x: [6, 16], padding: [6] } => [6, 16])]
type PostNormEncoder = TransformerEncoderLayer<16, 4, 32>;

#[network({ x: [6, 16], padding: [6] } => [6, 16])]
type PreNormEncoder = TransformerEncoderLayer<16, 4, 32, PreNorm, Gelu>;

#[network({ x: [5, 16], memory: [7, 16], memory_padding: [7] } => [5, 16])]
type PostNormDecoder = TransformerDecoderLayer<16, 4, 32>;

#[network({ x: [5, 16], memory: [7, 16], memory_padding: [7] } => [5, 16])]
type PreNormDecoder = TransformerDecoderLayer<16, 4, 32, PreNorm, Gelu>;

/// An encoder and a decoder, as in `nn.Transformer`, with waves for positions.
#[network({ x: [ids < 11; 5], memory: [ids < 13; 7], memory_padding: [7] } => [5, 11])]
struct Translator {
    encoder: Encode<(Embedding<13, 16>, SqrtScale<16>, SinusoidalPositions, Repeat<TransformerEncoderLayer<16, 4, 32>, 2>, LayerNorm<16>)>,
    embedding: Embedding<11, 16>,
    scale: SqrtScale<16>,
    positions: SinusoidalPositions,
    decoder: Repeat<TransformerDecoderLayer<16, 4, 32>, 2>,
    norm: LayerNorm<16>,
    fc: Linear<16, 11>,
}

#[network([3, 8, 8] => [2, 16, 16])]
#[rustfmt::skip]
type Images = (
    NoBias<Conv2d<3, 8, 3, 1, 1>>, BatchNorm2d<8>, Relu,
    generic::Conv2d<Const<8>, Const<8>, Const<3>, Const<1>, Const<1>, Const<1>, Const<4>>, GroupNorm<2, 8>, Silu,
    ConvTranspose2d<8, 4, 4, 2, 1>, NoAffine<BatchNorm2d<4>>, LeakyRelu,
    Conv2d<4, 2, 1>,
);

#[network([4, 20] => [3, 20])]
#[rustfmt::skip]
type Signals = (
    Conv1d<4, 6, 4, 2, 1>, BatchNorm1d<6>, Tanh,
    ConvTranspose1d<6, 3, 4, 2, 1>, LayerNorm<20>,
);

/// AlexNet of torchvision, small.
#[network([3, 16, 16] => [5])]
#[rustfmt::skip]
type AlexNet = (
    Conv2d<3, 8, 3, 1, 1>, Relu, MaxPool2d<2>, Conv2d<8, 12, 3, 1, 1>, Relu, MaxPool2d<2>,
    AdaptiveAvgPool2d<2, 2>, Flatten, Dropout<50>,
    Linear<48, 16>, Relu, Dropout<50>, Linear<16, 16>, Relu, Linear<16, 5>,
);

/// ResNet of torchvision, small.
#[network([3, 16, 16] => [5])]
struct ResNet {
    conv1: NoBias<Conv2d<3, 8, 7, 2, 3>>,
    bn1: BatchNorm2d<8>,
    relu: Relu,
    layer1: (BasicBlock<8, 8, 1, ()>,),
    layer2: (BasicBlock<8, 16, 2, (NoBias<Conv2d<8, 16, 1, 2>>, BatchNorm2d<16>)>,),
    avgpool: GlobalAvgPool2d,
    fc: Linear<16, 5>,
}

#[derive(Layer)]
struct BasicBlock<const I: usize, const O: usize, const S: usize, Shortcut> {
    #[layer(flatten)]
    body: Residual<Body<I, O, S>, Shortcut>,
    relu2: Relu,
}

#[derive(Layer)]
struct Body<const I: usize, const O: usize, const S: usize> {
    conv1: NoBias<Conv2d<I, O, 3, S, 1>>,
    bn1: BatchNorm2d<O>,
    relu: Relu,
    conv2: NoBias<Conv2d<O, O, 3, 1, 1>>,
    bn2: BatchNorm2d<O>,
}

/// One weight with two names.
#[network([ids < 12; 4] => [4, 12])]
type TiedWriter = Tied<Embedding<12, 8>, (Linear<8, 8>, Tanh), NoBias<Linear<8, 12>>>;

/// A block that is applied three times.
#[network([8] => [8])]
type Shared = RepeatShared<(Linear<8, 8>, Tanh), 3>;

/// Blocks of GPT-2 as Hugging Face's transformers has them: matrices with rows as columns, and one for all projections.
#[network([ids < 12; 6] => [6, 16])]
#[rustfmt::skip]
type Gpt2 = (
    Embedding<12, 16>, LearnedPositions<6, 16>,
    Repeat<TransformerEncoderLayer<16, 4, 64, PreNorm, GeluTanh, Causal>, 2>, LayerNorm<16>,
);

/// Attention by hand, with a layer for each projection.
#[network([6, 16] => [6, 16])]
type ByHand = (Residual<(LayerNorm<16>, CausalSelfAttention<16, 4>)>, Linear<16, 16>);

/// Layers that have other numbers in a file, or numbers of half precision.
#[network([6] => [3])]
type Numbered = (Linear<6, 8>, Relu, Linear<8, 8>, Relu, Linear<8, 8>, BatchNorm1d<8>, Linear<8, 3>);

/// Shows these networks to a visitor.
pub fn visit(visitor: &mut impl Visitor) {
    visitor.visit::<BothWaysLstm>("both_ways_lstm");
    visitor.visit::<BothWaysGru>("both_ways_gru");
    visitor.visit::<OfItself>("attention_of_itself");
    visitor.visit::<OfAnother>("attention_of_another");
    visitor.visit::<PostNormEncoder>("post_norm_encoder");
    visitor.visit::<PreNormEncoder>("pre_norm_encoder");
    visitor.visit::<PostNormDecoder>("post_norm_decoder");
    visitor.visit::<PreNormDecoder>("pre_norm_decoder");
    visitor.visit::<Translator>("translator");
    visitor.visit::<Images>("images");
    visitor.visit::<Signals>("signals");
    visitor.visit::<AlexNet>("alexnet");
    visitor.visit::<ResNet>("resnet");
    visitor.visit::<TiedWriter>("tied");
    visitor.visit::<TiedWriter>("tied_listed_twice");
    visitor.visit::<Shared>("shared");
    visitor.visit::<Gpt2>("gpt2");
    visitor.visit::<ByHand>("by_hand");
    visitor.visit::<Numbered>("numbered");
    visitor.visit::<Numbered>("float16");
    visitor.visit::<Numbered>("bfloat16");
}
