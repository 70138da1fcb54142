use formwork::prelude::*;

#[block]
type Narrow<const D: usize> = (Linear<D, { D - 8 }>, Relu);

#[network([4] => [10])]
type Funnel = (
    Narrow<4>,
    Linear<4, 10>,
);

fn main() {}
