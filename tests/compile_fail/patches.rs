use formwork::prelude::*;

#[network([3, 30, 32] => [16, 48])]
type Patches = PatchEmbedding<3, 8, 48>;

fn main() {}
