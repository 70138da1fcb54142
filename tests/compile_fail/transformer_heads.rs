use formwork::prelude::*;

#[network([ids < 65; 64] => [64, 65])]
type Gpt = (
    Embedding<65, 128>,
    LearnedPositions<64, 128>,
    Repeat<TransformerEncoderLayer<128, 6, 512, PreNorm, Gelu, Causal>, 4>,
    LayerNorm<128>,
    Linear<128, 65>,
);

fn main() {}
