use formwork::prelude::*;

formwork::check!(Net<(Linear<784, 128>, Relu, Linear<64, 10>), Rank1<784>, Rank1<10>>);

fn main() {}
