use formwork::prelude::*;

#[network([1, 15, 15] => [9, 15, 15])]
type Around = SkipConcat<(
    Conv2d<1, 8, 3, 1, 1>,
    MaxPool2d<2, 1>,
)>;

fn main() {}
