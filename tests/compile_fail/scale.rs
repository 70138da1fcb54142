use formwork::prelude::*;

#[network([8] => [8])]
type Scaled = Scale<1, 0>;

fn main() {}
