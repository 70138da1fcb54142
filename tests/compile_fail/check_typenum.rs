use formwork::prelude::*;

use typenum::{Prod, U4, U10, U16};

type FeedForward<D> = (generic::Linear<D, Prod<D, U4>>, Gelu, generic::Linear<Prod<D, U10>, D>);

formwork::check!(Net<FeedForward<U16>, Rank1<16>, Rank1<16>>);

fn main() {}
