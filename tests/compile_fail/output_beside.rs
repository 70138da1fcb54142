use formwork::prelude::*;

#[network({ x: [16, 8], memory: [9, 8] } => { x: [16, 8], memory: [9, 16] })]
type Both = (Linear<8, 8>, Encode<Linear<8, 4>>);

fn main() {}
