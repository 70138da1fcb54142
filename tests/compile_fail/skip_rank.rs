use formwork::prelude::*;

#[network([4, 8, 8] => [8, 8, 8])]
type Gate = (
    Relu,
    SkipConcat<(GlobalAvgPool2d, Linear<4, 4>)>,
);

fn main() {}
