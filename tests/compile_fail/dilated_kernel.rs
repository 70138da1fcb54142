use formwork::prelude::*;

#[network([1, 10, 10] => [1, 2, 2])]
type Dilated = (Relu, Conv2d<1, 1, 3, 1, 1, 6>);

fn main() {}
