use formwork::prelude::*;

#[network([2, 3] => [2, 11])]
type Padded = (Relu, ReflectionPad1d<4>);

fn main() {}
