use formwork::prelude::*;

#[network([1, 30, 30] => [2, 30, 30])]
type UNet = (
    Conv2d<1, 16, 3, 1, 1>,
    SkipConcat<(
        MaxPool2d<2>,
        Conv2d<16, 32, 3, 1, 1>,
        SkipConcat<(
            MaxPool2d<2>,
            Conv2d<32, 64, 3, 1, 1>,
            Upsample2d<2>,
        )>,
        Conv2d<96, 16, 3, 1, 1>,
        Upsample2d<2>,
    )>,
    Conv2d<32, 2, 1>,
);

fn main() {}
