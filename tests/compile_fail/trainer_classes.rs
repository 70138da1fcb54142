use formwork::metrics::accuracy;
use formwork::prelude::*;

#[network([4] => [3])]
type Iris = (Linear<4, 8>, Relu, Linear<8, 3>);

fn train(flowers: &Dataset<Rank1<4>, Class<5>>) -> Result<(), Error> {
    let mut trainer = Trainer::new(CrossEntropy::default(), Adam::new(1e-2)).metric(accuracy());
    trainer.fit(&mut Model::<Iris>::new(0), flowers)?;
    Ok(())
}

fn main() {}
