use formwork::prelude::*;

#[network([1, 28, 28] => [8, 28, 28])]
type Images = (Relu, Conv1d<1, 8, 3, 1, 1>);

fn main() {}
