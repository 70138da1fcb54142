use formwork::prelude::*;

#[network([784] => [10])]
type Perceptron = Linear<784, 100>;

fn main() {}
