use formwork::prelude::*;

#[network([5, 10] => [5, 10])]
type Probabilities = (Linear<10, 10>, Softmax<2>);

fn main() {}
