use formwork::prelude::*;

#[network({ x: [5, 8], memory: [7, 8], memory_padding: [5] } => [5, 8])]
type Decoder = Residual<CrossAttention<8, 2>>;

fn main() {}
