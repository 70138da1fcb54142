use formwork::prelude::*;

#[network([4, 8, 8] => [4, 16, 16])]
type Smooth = Upsample2d<2, Relu>;

fn main() {}
