use dfdx::prelude::{Device, Tape};
use formwork::layers::custom::*;
use formwork::portable::{Site, Var};
use formwork::prelude::{Float, Layer, Linear, Spec, network};
use formwork::types::{Dims, Param};

struct Scale<const D: usize>;

impl<const D: usize> Layer for Scale<D> {
    const SPEC: &'static Spec = &Spec::custom(CustomSpec {
        name: "Scale",
        args: &[D],
        rule: formwork::rule!([t, d] => [t, d]),
        params: &[Param::weight("weight", &[D], 1, 1)],
        meaning: &ScaleRows,
    });
}

struct ScaleRows;

impl Meaning for ScaleRows {
    fn forward<E: Float, D: Device<E>, T: Tape<E, D>>(&self, _: &Site<'_, E, D, T>, x: Var<E, D, T>, _: Dims) -> Result<Var<E, D, T>, D::Err> {
        Ok(x)
    }
}

#[network([40] => [3])]
type Scaled = (
    Linear<40, 8>,
    Scale<8>,
    Linear<8, 3>,
);

fn main() {}
