use formwork::prelude::*;

#[network([2, 4, 4] => [2, 4, 6])]
type Wrong = ZeroPad1d<1>;

fn main() {}
