use formwork::prelude::*;

#[derive(Layer)]
enum Body {
    First(Linear<784, 128>),
    Second(Linear<128, 10>),
}

fn main() {}
