use formwork::prelude::*;

type Stem = (Linear<32, 100>, Gelu);

#[network([16, 32] => [16, 100])]
type Encoder = (
    Stem,
    Repeat<(
        Residual<(Linear<100, 100>, Gelu)>,
        Residual<(Linear<100, 400>, Gelu, Linear<40, 100>)>,
    ), 6>,
    Linear<100, 100>,
);

fn main() {}
