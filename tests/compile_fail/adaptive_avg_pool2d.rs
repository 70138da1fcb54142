use formwork::prelude::*;

#[network([16] => [3])]
type Wrong = AdaptiveAvgPool2d<3>;

fn main() {}
