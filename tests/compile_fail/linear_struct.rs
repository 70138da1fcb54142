use formwork::prelude::*;

#[network([1, 28, 28] => [10])]
struct LeNet {
    conv1: Conv2d<1, 6, 5>,
    relu1: Relu,
    pool1: MaxPool2d<2>,
    flatten: Flatten,
    fc1: Linear<400, 120>,
    relu2: Relu,
    fc2: Linear<120, 10>,
}

fn main() {}
