use formwork::prelude::*;

#[network([16, 32] => [16, 64])]
type Block = (
    LayerNorm<32>,
    Linear<32, 64>,
    LayerNorm<32>,
);

fn main() {}
