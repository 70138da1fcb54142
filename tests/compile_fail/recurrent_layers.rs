use formwork::prelude::*;

#[network([20, 3] => [20, 8])]
type Deep = Lstm<3, 8, 12>;

fn main() {}
