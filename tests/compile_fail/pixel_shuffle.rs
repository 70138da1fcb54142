use formwork::prelude::*;

#[network([3, 32, 32] => [3, 64, 64])]
type SuperResolution = (
    Conv2d<3, 10, 3, 1, 1>,
    PixelShuffle<2>,
);

fn main() {}
