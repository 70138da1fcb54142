use formwork::prelude::*;

#[network([3, 4, 32] => [3, 12, 40])]
type Padded = (Relu, ReflectionPad2d<4>);

fn main() {}
