use formwork::prelude::*;

#[network([3, 16, 16] => [10])]
type Deep = (
    Conv2d<3, 8, 3>, Relu, MaxPool2d<2>,
    Conv2d<8, 16, 3>, Relu, MaxPool2d<2>,
    Conv2d<16, 32, 3>, Relu, MaxPool2d<2>,
    Flatten,
    Linear<32, 10>,
);

fn main() {}
