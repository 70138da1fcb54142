use formwork::prelude::*;

#[network([512] => [10])]
type Head = (Dropout<100>, Linear<512, 10>);

fn main() {}
