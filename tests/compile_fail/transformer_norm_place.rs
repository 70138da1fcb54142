use formwork::prelude::*;

#[network([16, 8] => [16, 8])]
type Encoder = TransformerEncoderLayer<8, 2, 16, Gelu>;

fn main() {}
