use formwork::prelude::*;

#[network([ids < 65; 16] => [16, 65])]
type Writer = Tied<Embedding<65, 32>, (Linear<64, 32>, Tanh), NoBias<Linear<32, 65>>>;

fn main() {}
