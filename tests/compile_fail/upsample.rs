use formwork::prelude::*;

#[network([64] => [4, 16, 16])]
type Decoder = (Linear<64, 256>, Upsample2d<2>);

fn main() {}
