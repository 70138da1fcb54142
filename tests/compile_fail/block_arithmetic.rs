use formwork::prelude::*;

#[block]
type FeedForward<const D: usize> = Residual<(Linear<D, { 4 * D }>, Gelu, Linear<{ 2 * D }, D>)>;

#[network([16, 64] => [16, 10])]
type Encoder = (
    FeedForward<64>,
    Linear<64, 10>,
);

fn main() {}
