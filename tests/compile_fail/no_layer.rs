use formwork::prelude::*;

#[network([3] => [4])]
type Odd = (Linear<3, 4>, u32);

fn main() {}
