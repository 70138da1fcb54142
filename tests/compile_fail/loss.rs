use formwork::prelude::*;

#[network([4] => [3])]
type Iris = (Linear<4, 8>, Relu, Linear<8, 3>);

fn main() -> Result<(), Error> {
    let data = Dataset::<Rank1<4>, Class<10>>::new(vec![0.0; 8], vec![7, 9])?;
    let mut model = Model::<Iris>::new(0);
    model.train(&data.all(), &CrossEntropy::default(), &mut Adam::new(0.01))?;
    Ok(())
}
