use formwork::prelude::*;

#[network([3, 32, 32] => [16, 32, 32])]
type Block = (NoBias<Conv2d<3, 16, 3, 1, 1>>, BatchNorm2d<8>, Relu);

fn main() {}
