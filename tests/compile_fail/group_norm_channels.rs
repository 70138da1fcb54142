use formwork::prelude::*;

#[network([3, 32, 32] => [12, 32, 32])]
type Stem = (
    Conv2d<3, 12, 3, 1, 1>,
    GroupNorm<8, 16>,
);

fn main() {}
