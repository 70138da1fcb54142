use formwork::prelude::*;

#[network([2, 5] => [4, 1])]
type Ecg = (Conv1d<2, 4, 3>, Relu, Conv1d<4, 4, 5, 1, 0>);

fn main() {}
