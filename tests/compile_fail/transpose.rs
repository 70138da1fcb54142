use formwork::prelude::*;

#[network([3, 8, 8] => [3, 8, 8])]
type Turned = Transpose;

fn main() {}
