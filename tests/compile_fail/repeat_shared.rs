use formwork::prelude::*;

#[network([16] => [16])]
type Iterated = RepeatShared<(Linear<16, 16>, Tanh, Linear<16, 8>), 3>;

fn main() {}
