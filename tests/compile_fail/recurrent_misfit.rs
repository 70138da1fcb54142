use formwork::prelude::*;

#[network([20, 3] => [20, 16])]
type Tagger = (Linear<3, 8>, Bidirectional<Linear<8, 8>>);

fn main() {}
