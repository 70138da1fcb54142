use formwork::prelude::*;

#[network([10] => [8, 4, 4])]
type Decoder = (
    Linear<10, 64>,
    Relu,
    Reshape<Rank3<8, 4, 4>>,
);

fn main() {}
