use formwork::prelude::*;

#[network([2, 16] => [2, 10])]
type Padded = (Relu, MaxPool1d<2, 2, 2>);

fn main() {}
