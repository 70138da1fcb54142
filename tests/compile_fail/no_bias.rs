use formwork::prelude::*;

#[network([3] => [2])]
type Plain = (Linear<3, 2>, NoBias<Relu>);

fn main() {}
