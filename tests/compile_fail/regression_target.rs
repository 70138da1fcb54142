use formwork::prelude::*;

#[network([12] => [1])]
type Alcohol = Linear<12, 1>;

/// Outputs are `[B, 1]` and targets `[B]`: where shapes are values, a library may spread them over `[B, B]`.
fn train(wines: &Dataset<Rank1<12>, Values<Rank0>>) -> Result<f32, Error> {
    Model::<Alcohol>::new(0).train(&wines.all(), &Mse, &mut Sgd::new(0.1))
}

fn main() {}
