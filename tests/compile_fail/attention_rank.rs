use formwork::prelude::*;

#[network([3, 8, 8] => [3, 8, 8])]
type OnImages = CausalSelfAttention<8, 2>;

fn main() {}
