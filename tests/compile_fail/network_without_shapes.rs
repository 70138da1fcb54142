use formwork::prelude::*;

#[network]
type Mlp = (Linear<784, 128>, Relu, Linear<128, 10>);

fn main() {}
