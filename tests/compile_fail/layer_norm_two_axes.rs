use formwork::prelude::*;

#[network([3, 4, 6] => [3, 4, 6])]
type Image = generic::LayerNorm<(Const<4>, Const<5>)>;

fn main() {}
