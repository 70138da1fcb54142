use formwork::prelude::*;

#[network([5, 16] => [10, 16])]
type Beside = SkipConcat<Linear<16, 32>>;

fn main() {}
