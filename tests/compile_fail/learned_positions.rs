use formwork::prelude::*;

#[network([ids < 65; 64] => [64, 8])]
type Tokens = (
    Embedding<65, 8>,
    LearnedPositions<32, 8>,
);

fn main() {}
