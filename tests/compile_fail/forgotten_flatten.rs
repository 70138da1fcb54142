use formwork::prelude::*;

#[network([1, 28, 28] => [10])]
type Classifier = (
    Conv2d<1, 6, 5>,
    Relu,
    MaxPool2d<2>,
    Linear<864, 10>,
);

fn main() {}
