use formwork::prelude::*;

#[network([2, 3, 3] => [2, 1, 1])]
type Wrong = AvgPool2d<4>;

fn main() {}
