use formwork::prelude::*;

#[network([8] => [8])]
type Wrong = SinusoidalPositions;

fn main() {}
