use formwork::prelude::*;

#[block]
struct Body<const D: usize> {
    linear: Linear<D, { 4 * D }>,
}

fn main() {}
