use dfdx::prelude::{Device, Tape};
use formwork::layers::custom::*;
use formwork::prelude::{Conv2d, Flatten, Float, Layer, Linear, MaxPool2d, Spec, network};

struct Prelu<const C: usize>;

impl<const C: usize> Layer for Prelu<C> {
    const SPEC: &'static Spec = &Spec::custom(CustomSpec {
        name: "Prelu",
        args: &[C],
        rule: formwork::rule!([c, h, w] => [C * (c / C) * (C / c), h, w]),
        params: &[Param::ones("weight", &[C])],
        meaning: &Rectified,
    });
}

struct Rectified;

impl Meaning for Rectified {
    fn forward<E: Float, D: Device<E>, T: Tape<E, D>>(&self, _: &Site<'_, E, D, T>, x: Var<E, D, T>, _: Dims) -> Result<Var<E, D, T>, D::Err> {
        Ok(x)
    }
}

#[network([1, 8, 8] => [10])]
type Reader = (
    Conv2d<1, 8, 3, 1, 1>,
    Prelu<16>,
    MaxPool2d<2>,
    Flatten,
    Linear<128, 10>,
);

fn main() {}
