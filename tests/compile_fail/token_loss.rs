use formwork::prelude::*;

/// A token for each of 8 places, of 5 classes; the classes come last.
#[network([8, 4] => [8, 5])]
type Tagger = Linear<4, 5>;

fn main() -> Result<(), Error> {
    let data = Dataset::<Rank2<8, 4>, Labels<Const<5>, Rank1<8>>>::new(vec![0.0; 32], vec![0; 8])?;
    let mut model = Model::<Tagger>::new(0);
    model.train(&data.all(), &CrossEntropy::default(), &mut Adam::new(0.01))?;
    Ok(())
}
