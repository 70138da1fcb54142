use formwork::prelude::*;

#[network([ids < 65; 16] => [16, 8])]
type Letters = Embedding<27, 8>;

fn main() {}
