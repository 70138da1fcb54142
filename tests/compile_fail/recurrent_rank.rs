use formwork::prelude::*;

#[network([20, 3] => [5])]
type Classifier = (Last<Rnn<3, 8>>, Lstm<8, 10>, Linear<10, 5>);

fn main() {}
