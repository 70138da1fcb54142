use formwork::prelude::*;

#[network([3, 16, 8] => [3, 8, 8])]
type Cropped = (Relu, Crop2d<4>);

fn main() {}
