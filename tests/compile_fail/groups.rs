use formwork::prelude::*;

#[network([6, 32, 32] => [12, 30, 30])]
type Grouped = (
    Relu,
    Conv2d<6, 12, 3, 1, 0, 1, 4>,
);

fn main() {}
