use formwork::prelude::*;

#[network([1, 28, 28] => [10])]
pub type LeNet = (
    Conv2d<1, 6, 5>,
    Relu,
    MaxPool2d<2>,
    Flatten,
    Linear<400, 120>,
    Relu,
    Linear<120, 10>,
);

fn main() {}
