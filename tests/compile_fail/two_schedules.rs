use formwork::prelude::*;

fn main() {
    let optimizer = Sgd::<f32>::new(0.1).scheduled(StepLr::new(0.1, 10, 0.5)).scheduled(ExponentialLr::new(0.1, 0.9));
    drop(optimizer);
}
