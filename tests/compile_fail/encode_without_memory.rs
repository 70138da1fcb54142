use formwork::prelude::*;

#[network([16, 8] => [16, 8])]
type Decoder = (Encode<Linear<8, 8>>, Linear<8, 8>);

fn main() {}
