use formwork::prelude::*;

#[network({ x: [5, 8], memory: [7, 6] } => [5, 8])]
type Decoder = (
    Residual<CausalSelfAttention<8, 2>>,
    Residual<CrossAttention<8, 2>>,
);

fn main() {}
