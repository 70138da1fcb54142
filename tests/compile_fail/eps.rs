use formwork::prelude::*;

#[network([3] => [3])]
type Plain = generic::LayerNorm<Const<3>, Eps<1, 0>>;

fn main() {}
