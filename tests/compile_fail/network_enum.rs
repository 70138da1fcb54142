use formwork::prelude::*;

#[network([784] => [10])]
enum Mlp {
    First(Linear<784, 128>),
    Second(Linear<128, 10>),
}

fn main() {}
