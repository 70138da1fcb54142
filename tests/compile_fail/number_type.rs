use formwork::prelude::*;

#[network([4] => [3])]
type Iris = (Linear<4, 8>, Relu, Linear<8, 3>);

fn main() -> Result<(), Error> {
    let data = Dataset::<Rank1<4>, Class<3>, f32>::new(vec![0.0; 8], vec![0, 2])?;
    let mut model = Model::<Iris, f64>::new(0);
    model.train(&data.all(), &CrossEntropy::default(), &mut Adam::new(0.01))?;
    Ok(())
}
