use formwork::prelude::*;

#[network([16, 8, 8] => [8, 16, 16])]
type Decoder = (Relu, ConvTranspose2d<16, 8, 3, 2, 1, 2>);

fn main() {}
