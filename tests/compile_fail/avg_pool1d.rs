use formwork::prelude::*;

#[network([2, 3] => [2, 1])]
type Wrong = AvgPool1d<4>;

fn main() {}
