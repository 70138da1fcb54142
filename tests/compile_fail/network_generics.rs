use formwork::prelude::*;

#[network([784] => [10])]
type Mlp<const HIDDEN: usize> = (Linear<784, HIDDEN>, Relu, Linear<HIDDEN, 10>);

fn main() {}
