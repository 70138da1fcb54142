use formwork::prelude::*;

#[network([1, 28, 28] => [10])]
type Reader = (Flatten, Linear<784, 10>);

fn main() -> Result<(), Error> {
    let digits = formwork::data::digits::load()?;
    let mut model = Model::<Reader>::new(0);
    for batch in digits.shuffled(32, 0) {
        model.train(&batch, &CrossEntropy::default(), &mut Adam::new(0.01))?;
    }
    Ok(())
}
