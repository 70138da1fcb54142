use formwork::prelude::*;

#[network([16, 8, 8] => [8, 16, 16])]
type Decoder = (Relu, ConvTranspose2d<16, 8, 2, 2, 0, 0, 3>);

fn main() {}
