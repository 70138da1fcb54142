use formwork::prelude::*;

#[network([4, 8, 8] => [4, 16, 16])]
type Decoder = (Relu, Upsample2d<0>);

fn main() {}
