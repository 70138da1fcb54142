use formwork::prelude::*;

#[network([3, 32, 32] => [3, 16, 16])]
type Pool = (Relu, MaxPool2d<0, 2>);

fn main() {}
