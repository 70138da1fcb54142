use formwork::prelude::*;

#[network([ids < 65; 16] => [16, 8])]
type Letters = (Linear<16, 8>, Relu);

fn main() {}
