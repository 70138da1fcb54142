use formwork::prelude::*;

#[network([2, 16] => [2, 18])]
type Padded = (Relu, ZeroPad2d<1>);

fn main() {}
