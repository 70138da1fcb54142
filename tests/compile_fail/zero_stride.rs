use formwork::prelude::*;

#[network([3, 32, 32] => [8, 30, 30])]
type Standing = (Conv2d<3, 8, 3, 0>, Relu);

fn main() {}
