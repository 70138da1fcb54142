use formwork::prelude::*;

#[network([ids < 65; 64] => [64, 8])]
type Tokens = (Embedding<65, 8>, SqrtScale<16>);

fn main() {}
