use formwork::prelude::*;

#[network([3] => [3])]
type Plain = generic::LayerNorm<Const<3>, Const<1>>;

fn main() {}
