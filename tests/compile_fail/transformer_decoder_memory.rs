use formwork::prelude::*;

#[network({ x: [5, 8], memory: [7, 6] } => [5, 8])]
type Wrong = TransformerDecoderLayer<8, 2, 16>;

fn main() {}
