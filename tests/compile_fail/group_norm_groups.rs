use formwork::prelude::*;

#[network([6, 32, 32] => [6, 32, 32])]
type Uneven = (
    Relu,
    GroupNorm<4, 6>,
);

fn main() {}
