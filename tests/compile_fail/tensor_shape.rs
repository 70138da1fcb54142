use formwork::prelude::*;

#[network([1, 8, 8] => [10])]
type Reader = (Flatten, Linear<64, 10>);

fn main() {
    let model = Model::<Reader>::new(0);
    let images: Tensor<Rank4<5, 1, 28, 28>, f32, _> = model.device().zeros();
    let logits = model.forward(images);
}
