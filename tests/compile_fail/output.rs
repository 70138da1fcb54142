use formwork::prelude::*;

#[network([784] => [10])]
type Mlp = (
    Linear<784, 128>,
    Relu,
    Linear<128, 100>,
);

fn main() {}
