use formwork::prelude::*;

#[network([3] => [2])]
type Plain = (LayerNorm<3>, NoAffine<Linear<3, 2>>);

fn main() {}
