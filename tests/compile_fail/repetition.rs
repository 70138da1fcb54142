use formwork::prelude::*;

#[network([4] => [8])]
type Widening = Repeat<Linear<4, 8>, 3>;

fn main() {}
