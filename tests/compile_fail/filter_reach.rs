use formwork::layers::filter::{Gaussian, Reflect};
use formwork::prelude::*;

#[network([1, 8, 6] => [1, 8, 6])]
type Blur = (Relu, Filter<Reflect, Gaussian<2>>);

fn main() {}
