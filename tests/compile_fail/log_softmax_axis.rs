use formwork::prelude::*;

#[network([3, 4] => [3, 4])]
type Wrong = LogSoftmax<2>;

fn main() {}
