use formwork::prelude::*;

#[network([16, 8, 8] => [4, 32, 32])]
type Decoder = (
    ConvTranspose2d<16, 8, 2, 2>, Relu,
    ConvTranspose2d<16, 4, 2, 2>,
);

fn main() {}
