use formwork::prelude::*;

#[network([3, 32, 32] => [8, 32, 32])]
type Block = (Conv2d<3, 8, 3, 1, 1>, BatchNorm1d<8>, Relu);

fn main() {}
