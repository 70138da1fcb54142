use formwork::layers::filter::{Laplace, Zeros};
use formwork::prelude::*;

#[network([1, 8, 8] => [64])]
type Late = (Flatten, Filter<Zeros, Laplace>);

fn main() {}
