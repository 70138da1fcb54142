use formwork::prelude::*;

#[network([784] => [10])]
type Classifier = (
    Conv2d<1, 6, 5>,
    Flatten,
    Linear<3456, 10>,
);

fn main() {}
