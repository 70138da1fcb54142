use formwork::layers::filter::{Mean, Nearest};
use formwork::prelude::*;

#[network([1, 8, 8] => [1, 8, 8])]
type Lopsided = Filter<Nearest, Mean<4>>;

fn main() {}
