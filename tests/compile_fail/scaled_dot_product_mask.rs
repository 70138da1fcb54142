use formwork::prelude::*;

#[network({ x: [2, 5, 4], memory: [2, 6, 8], attention_mask: [5, 6] } => [2, 5, 4])]
type Lookup = ScaledDotProductAttention;

fn main() {}
