use formwork::prelude::*;

fn main() {
    let model = Model::<(Linear<4, 3>, Relu)>::new(0);
}
