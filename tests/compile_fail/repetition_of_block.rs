use formwork::prelude::*;

#[block]
type Shrink<const C: usize> = (Conv2d<C, C, 3>, Relu, MaxPool2d<2>);

#[network([4, 32, 32] => [4, 1, 1])]
type Pyramid = (
    Relu,
    Repeat<Shrink<4>, 4>,
);

fn main() {}
