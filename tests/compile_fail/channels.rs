use formwork::prelude::*;

type DoubleConv<const I: usize, const O: usize> = (Conv2d<I, O, 3, 1, 1>, Relu, Conv2d<O, O, 3, 1, 1>, Relu);

#[network([3, 32, 32] => [64, 16, 16])]
type Encoder = (
    DoubleConv<3, 32>,
    MaxPool2d<2>,
    DoubleConv<16, 64>,
);

fn main() {}
