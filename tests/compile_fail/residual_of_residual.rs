use formwork::prelude::*;

#[block]
type Twice<const D: usize> = Residual<Residual<(Linear<D, D>, Relu, Linear<D, { 2 * D }>)>>;

#[network([16] => [16])]
type Nested = (Linear<16, 16>, Twice<16>);

fn main() {}
