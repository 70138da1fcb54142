use formwork::prelude::*;

#[network([5, 8] => [5, 8])]
type Decoder = (
    Residual<CausalSelfAttention<8, 2>>,
    Residual<CrossAttention<8, 2>>,
);

fn main() {}
