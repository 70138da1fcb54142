use formwork::prelude::*;

#[network([ids < 65; 16] => [16])]
type Wrong = Relu;

fn main() {}
