use formwork::prelude::*;

#[network({ x: [16, 8], mask: [16] } => [16, 8])]
type Layer = Linear<8, 8>;

fn main() {}
