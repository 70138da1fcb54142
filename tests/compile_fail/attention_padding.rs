use formwork::prelude::*;

#[network({ x: [5, 8], padding: [4] } => [5, 8])]
type Padded = Residual<SelfAttention<8, 2>>;

fn main() {}
