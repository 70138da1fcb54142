use formwork::prelude::*;

#[network([ids < 30; 20] => [20, 8])]
type Tokens = Lstm<1, 8>;

fn main() {}
