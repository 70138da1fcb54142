use formwork::prelude::*;

#[network([784] => [10])]
type Perceptron = Linear<768, 10>;

fn main() {}
