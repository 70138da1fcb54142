use formwork::prelude::*;

#[network([3, 15, 32] => [12, 8, 16])]
type Halve = (Relu, PixelUnshuffle<2>);

fn main() {}
