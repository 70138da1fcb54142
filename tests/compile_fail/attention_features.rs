use formwork::prelude::*;

#[network([16, 128] => [16, 128])]
type Block = (
    LayerNorm<128>,
    SelfAttention<64, 4>,
);

fn main() {}
