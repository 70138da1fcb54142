use formwork::prelude::*;

#[network([16, 8, 8] => [8, 16, 16])]
type Decoder = (Relu, NoBias<ConvTranspose2d<16, 8, 2, 0>>);

fn main() {}
