use formwork::prelude::*;

#[network([3, 8] => [2, 16])]
type Wrong = ConvTranspose1d<4, 2, 2, 2>;

fn main() {}
