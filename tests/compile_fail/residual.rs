use formwork::prelude::*;

#[network([64, 8, 8] => [64, 8, 8])]
type Tower = (
    Conv2d<64, 64, 1>,
    Residual<(Conv2d<64, 64, 3, 1, 1>, Relu, Conv2d<64, 64, 3>)>,
    Relu,
);

fn main() {}
