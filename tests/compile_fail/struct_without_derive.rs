use formwork::prelude::*;

struct Body {
    conv1: Conv2d<8, 8, 3, 1, 1>,
    relu: Relu,
}

#[network([8, 16, 16] => [8, 16, 16])]
type Tower = (Residual<Body>, Relu);

fn main() {}
