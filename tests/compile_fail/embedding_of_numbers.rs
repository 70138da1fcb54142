use formwork::prelude::*;

#[network([16] => [16, 8])]
type Letters = Embedding<65, 8>;

fn main() {}
