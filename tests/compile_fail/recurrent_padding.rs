use formwork::prelude::*;

#[network({ x: [20, 3], padding: [19] } => [20, 8])]
type Padded = (Linear<3, 3>, NoBias<Gru<3, 8>>);

fn main() {}
