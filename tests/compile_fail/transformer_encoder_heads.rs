use formwork::prelude::*;

#[network([16, 100] => [16, 100])]
type Wrong = (LayerNorm<100>, TransformerEncoderLayer<100, 8, 400, PreNorm, Gelu>);

fn main() {}
