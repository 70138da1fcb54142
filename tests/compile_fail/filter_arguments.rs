use formwork::layers::filter::{Reflect, Sobel, X};
use formwork::prelude::*;

#[network([1, 8, 8] => [1, 8, 8])]
type Swapped = Filter<Sobel<X>, Reflect>;

fn main() {}
