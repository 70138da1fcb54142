use formwork::prelude::*;

#[network({ x: [2, 5, 4], memory: [3, 6, 8] } => [2, 5, 4])]
type Lookup = ScaledDotProductAttention;

fn main() {}
