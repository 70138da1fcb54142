use formwork::prelude::*;

#[network([8, 28, 28] => [8, 16, 16])]
type Padded = (Relu, MaxPool2d<2, 2, 2>);

fn main() {}
