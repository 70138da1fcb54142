use formwork::prelude::*;

#[network([3, 8, 8] => [3])]
type Pooled = MeanOverTime;

fn main() {}
