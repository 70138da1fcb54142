use formwork::prelude::*;

#[network([16] => [16])]
type Wrong = GlobalAvgPool2d;

fn main() {}
