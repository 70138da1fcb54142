use formwork::prelude::*;

#[network([5, 8] => [5, 8])]
type Wrong = CausalScaledDotProductAttention;

fn main() {}
