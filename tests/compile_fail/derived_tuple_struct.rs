use formwork::prelude::*;

#[derive(Layer)]
struct Body(Linear<784, 128>, Relu);

fn main() {}
