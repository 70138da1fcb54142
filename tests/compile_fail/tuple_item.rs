use formwork::prelude::*;

#[network([8] => [8])]
struct Tower {
    first: Linear<8, 8>,
    rest: (Relu, Linear<8, 8>, u32),
}

fn main() {}
