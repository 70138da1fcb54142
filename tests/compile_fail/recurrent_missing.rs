use formwork::prelude::*;

#[network({ x: [20, 3], hidden: [1, 8] } => [20, 8])]
type Forgetful = WithState<Lstm<3, 8>>;

fn main() {}
