use formwork::prelude::*;

#[network([1, 2, 3, 4, 5, 6] => [720])]
type Flat = Flatten;

fn main() {}
