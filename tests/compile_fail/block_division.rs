use formwork::prelude::*;

#[block]
type Heads<const D: usize, const N: usize> = (Linear<D, { D / N }>, Relu, Linear<{ D / N }, { 2 * (D / N) }>);

#[network([16] => [4])]
struct Attention {
    heads: Repeat<(Relu, Heads<16, 0>), 2>,
    last: Linear<16, 4>,
}

fn main() {}
