use formwork::prelude::*;

#[network([8, 16, 16] => [8, 16, 16])]
type Inception = Parallel<(Conv2d<8, 4, 1>, Conv2d<8, 4, 3>)>;

fn main() {}
