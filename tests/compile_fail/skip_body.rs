use formwork::prelude::*;

#[network([4, 16, 16] => [12, 16, 16])]
type Dense = Repeat<SkipConcat<(Conv2d<4, 4, 3, 1, 1>, Relu)>, 2>;

fn main() {}
