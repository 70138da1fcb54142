use formwork::prelude::*;

#[network([8, 16, 16] => [16, 8, 8])]
type Down = (
    Relu,
    Residual<(Conv2d<8, 16, 3, 2, 1>, Relu), Conv2d<8, 16, 1>>,
);

fn main() {}
