use formwork::prelude::*;

#[network([8, 16, 16] => [12, 16, 16])]
type Inception = (
    Relu,
    Parallel<(
        Conv2d<8, 4, 1>,
        (Conv2d<8, 4, 1>, Relu, Conv2d<8, 4, 3, 1, 1>),
        Conv2d<8, 4, 5, 1, 2>,
    )>,
);

fn main() {}
