use formwork::prelude::*;

#[network([16, 1, 1] => [8, 2, 2])]
type Decoder = (Relu, ConvTranspose2d<16, 8, 4, 2, 2>);

fn main() {}
