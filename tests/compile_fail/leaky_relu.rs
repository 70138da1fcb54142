use formwork::prelude::*;

#[network([4] => [4])]
type Slope = (
    Linear<4, 4>,
    LeakyRelu<1, 0>,
);

fn main() {}
