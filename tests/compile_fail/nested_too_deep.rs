use formwork::prelude::*;

type Ten<L> = Residual<Residual<Residual<Residual<Residual<Residual<Residual<Residual<Residual<Residual<L>>>>>>>>>>;

#[network([8] => [8])]
type Staircase = (
    Linear<8, 8>,
    Ten<Ten<Ten<Ten<Relu>>>>,
);

fn main() {}
