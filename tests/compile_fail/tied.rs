use formwork::prelude::*;

#[network([ids < 65; 16] => [16, 65])]
type Writer = Tied<Embedding<65, 32>, (Linear<32, 48>, Tanh), NoBias<Linear<48, 65>>>;

fn main() {}
