use formwork::prelude::*;

#[network([16, 100] => [16, 100])]
type Encoder = (
    Repeat<(
        Residual<(LayerNorm<100>, SelfAttention<100, 8>)>,
        Residual<(LayerNorm<100>, Linear<100, 400>, Gelu, Linear<400, 100>)>,
    ), 6>,
    LayerNorm<100>,
);

fn main() {}
