use formwork::prelude::*;

#[network([784] => [10])]
struct Mlp(Linear<784, 128>, Relu, Linear<128, 10>);

fn main() {}
