use formwork::prelude::*;

#[derive(Layer)]
struct Body {
    conv1: Conv2d<8, 8, 3, 1, 1>,
    scale: f32,
}

fn main() {}
