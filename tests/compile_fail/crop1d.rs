use formwork::prelude::*;

#[network([2, 4] => [2, 1])]
type Wrong = Crop1d<2>;

fn main() {}
