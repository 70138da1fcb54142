use formwork::layers::filter::{Gaussian, Nearest};
use formwork::prelude::*;

#[network([1, 8, 8] => [1, 8, 8])]
type Sharp = Filter<Nearest, Gaussian<0>>;

#[network([1, 8, 8] => [1, 8, 8])]
type Undefined = Filter<Nearest, Gaussian<1, 0>>;

fn main() {}
