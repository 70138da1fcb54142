use formwork::prelude::*;

#[network([20, 3] => [5])]
type Classifier = (Bidirectional<Gru<3, 8, 2>>, Last<Lstm<8, 10>>, Linear<10, 5>);

fn main() {}
