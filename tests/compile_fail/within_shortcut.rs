use formwork::prelude::*;

#[network([8, 16, 16] => [16, 8, 8])]
type Down = (
    Relu,
    Residual<
        (Conv2d<8, 16, 3, 2, 1>, Relu, Conv2d<16, 16, 3, 1, 1>),
        (Relu, NoBias<Conv2d<4, 16, 1, 2>>),
    >,
);

fn main() {}
