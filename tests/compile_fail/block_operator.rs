use formwork::prelude::*;

#[block]
type Head<const D: usize> = (Linear<D, { D % 8 }>, Relu);

fn main() {}
