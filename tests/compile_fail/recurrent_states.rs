use formwork::prelude::*;

#[network({ x: [20, 3], hidden: [1, 8], cell: [1, 8] } => [20, 8])]
type Stacked = WithState<Lstm<3, 8, 2>>;

fn main() {}
