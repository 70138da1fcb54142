use formwork::prelude::*;

#[network([8] => [4])]
type Ensemble = Parallel<(Linear<8, 4>, (Linear<8, 16>, Relu, Linear<16, 5>)), Sum>;

fn main() {}
