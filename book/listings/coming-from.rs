//! The listings of the chapter `coming-from`: what is known from PyTorch, dfdx and burn, here.

use formwork::AsModule;
use formwork::data::digits;
use formwork::layers::custom::*;
use formwork::metrics;
use formwork::prelude::*;
use formwork::pytorch::Import;
use formwork::trainer::Progress;
use formwork_book::Result;
use std::process::ExitCode;

fn main() -> ExitCode {
    formwork_book::sections(&[
        ("loop", by_hand),
        ("trainer", by_trainer),
        ("names", names),
        ("renamed", renamed),
        ("missing", missing),
        ("diverged", diverged),
        ("statistics", statistics),
        ("inside-dfdx", inside_dfdx),
        ("around-dfdx", around_dfdx),
        ("exercise-1", exercise_1),
    ])
}

// ANCHOR: loop
#[network([1, 8, 8] => [10])]
#[rustfmt::skip]
type Reader = (
    Conv2d<1, 8, 3, 1, 1>, Relu, MaxPool2d<2>, // [8, 4, 4]
    Flatten, Dropout<20>,                      // [128]
    Linear<128, 10>,                           // [10]
);

fn by_hand() -> Result {
    let (train, test) = digits::load()?.split_stratified(0.2, 0);
    let mut model = Model::<Reader>::new(0);
    let (loss, mut optimizer) = (CrossEntropy::default(), Adam::new(5e-3));
    for epoch in 0..4 {
        let mut total = 0.0;
        for batch in train.shuffled(32, epoch) {
            total += model.train(&batch, &loss, &mut optimizer)? * batch.len() as f32;
        }
        println!("epoch {}: loss {:.3}", epoch + 1, total / train.len() as f32);
    }
    let measured = model.measure(&test, metrics::accuracy())?;
    println!("test accuracy {:.3}", measured.matrix().accuracy());
    let folder = tempfile::tempdir()?;
    Ok(model.save(folder.path().join("digits.safetensors"))?)
}
// ANCHOR_END: loop

// ANCHOR: trainer
fn by_trainer() -> Result {
    let (train, test) = digits::load()?.split_stratified(0.2, 0);
    let mut model = Model::<Reader>::new(0);
    let history = Trainer::new(CrossEntropy::default(), Adam::new(5e-3))
        .epochs(4)
        .validation(&test)
        .metric(metrics::accuracy())
        .progress(Progress::Silent)
        .fit(&mut model, &train)?;
    for (epoch, accuracy) in history.column("epoch").into_iter().zip(history.column("val_accuracy")) {
        println!("epoch {epoch}: validation accuracy {accuracy:.3}");
    }
    Ok(())
}
// ANCHOR_END: trainer

// ANCHOR: names
/// The fields have the names of the attributes of the module, and so have the parameters.
#[network([1, 8, 8] => [10])]
struct Module {
    conv1: Conv2d<1, 8, 3, 1, 1>,
    relu: Relu,
    pool: MaxPool2d<2>,
    flatten: Flatten,
    fc: Linear<128, 10>,
}

fn names() -> Result {
    for tensor in Module::parameters() {
        println!("{:12}  {}", tensor.name, tensor.dims);
    }
    Ok(())
}
// ANCHOR_END: names

// ANCHOR: renamed
fn renamed() -> Result {
    // In the place of PyTorch: a file with `conv1.weight`, `conv1.bias`, `fc.weight` and `fc.bias`.
    let folder = tempfile::tempdir()?;
    let file = folder.path().join("module.safetensors");
    let theirs = Model::<Module>::new(7);
    theirs.save(&file)?;

    let mut ours = Model::<Reader>::new(0);
    let report = ours.load_with(&file, &Import::new().rename("conv1", "0").rename("fc", "5"))?;
    print!("{report}");
    let (_, test) = digits::load()?.split_stratified(0.2, 0);
    println!("the same outputs: {}", ours.predict(&test.all())? == theirs.predict(&test.all())?);
    Ok(())
}
// ANCHOR_END: renamed

// ANCHOR: missing
fn missing() -> Result {
    let folder = tempfile::tempdir()?;
    let file = folder.path().join("module.safetensors");
    Model::<Module>::new(7).save(&file)?;
    if let Err(Error::Parameters { mismatches, .. }) = Model::<Reader>::new(0).load(&file) {
        mismatches.iter().for_each(|mismatch| println!("{mismatch}"));
    }
    Ok(())
}
// ANCHOR_END: missing

// ANCHOR: diverged
fn diverged() -> Result {
    let mut model = Model::<Reader>::new(0);
    let mut trainer = Trainer::new(CrossEntropy::default(), Sgd::new(1e20)).epochs(1).progress(Progress::Silent);
    if let Err(error) = trainer.fit(&mut model, &digits::load()?) {
        println!("{error}");
    }
    Ok(())
}
// ANCHOR_END: diverged

// ANCHOR: statistics
fn statistics() -> Result {
    let digits = digits::load()?;
    let batch = digits.select(&[0, 1, 2, 3, 4, 5, 6, 7]);
    println!("{}", Model::<Reader>::new(0).statistics(&batch, &CrossEntropy::default())?);
    Ok(())
}
// ANCHOR_END: statistics

// ANCHOR: inside-dfdx
/// The part that is formwork's: dfdx has convolutions on nightly Rust only.
#[network([1, 8, 8] => [32])]
type Eye = (Conv2d<1, 8, 3, 1, 1>, Relu, MaxPool2d<2>, Flatten, Linear<128, 32>);

/// What is done in the words of dfdx, with its prelude, which has a `Linear` too.
mod in_dfdx {
    use super::Eye;
    use dfdx::optim::{Adam, AdamConfig};
    use dfdx::prelude::*;
    use formwork::AsModule;
    use formwork::data::{digits::Digits, one_hot};

    /// The mean loss of each epoch.
    pub fn learn(digits: &Digits) -> Result<Vec<f32>, Box<dyn std::error::Error>> {
        let device = AutoDevice::seed_from_u64(0);
        let mut model = (AsModule::<Eye, f32, AutoDevice>::new(&device, 0), device.build_module::<Linear<32, 10>, f32>());
        let mut optimizer = Adam::new(&model, AdamConfig { lr: 5e-3, ..Default::default() });
        let (mut gradients, mut losses) = (model.alloc_grads(), Vec::new());
        for epoch in 0..3 {
            let mut total = 0.0;
            for batch in digits.shuffled(32, epoch) {
                let x = device.tensor_from_vec(batch.inputs().to_vec(), (batch.len(), Const::<1>, Const::<8>, Const::<8>)); // [B, C, H, W]
                let y = device.tensor_from_vec(one_hot::<10, f32>(batch.targets())?, (batch.len(), Const)); // [B, 10]
                let loss = cross_entropy_with_logits_loss(model.forward_mut(x.traced(gradients)), y);
                total += loss.array() * batch.len() as f32;
                gradients = loss.backward();
                optimizer.update(&mut model, &gradients)?;
                model.zero_grads(&mut gradients);
            }
            losses.push(total / digits.len() as f32);
        }
        Ok(losses)
    }
}
// ANCHOR_END: inside-dfdx

fn inside_dfdx() -> Result {
    let (_, few) = digits::load()?.split_stratified(0.2, 0);
    println!("losses of three epochs on {} digits: {:.3?}", few.len(), in_dfdx::learn(&few)?);
    let module = AsModule::from_model(&Model::<Eye>::new(0));
    println!("parameters of the first part: {}", module.parameters().len());
    Ok(())
}

// ANCHOR: around-dfdx
/// A `Linear` of dfdx as a layer: its shapes, its parameters, and what it computes.
struct OfDfdx<const I: usize, const O: usize>;

impl<const I: usize, const O: usize> Layer for OfDfdx<I, O> {
    const SPEC: &'static Spec = &Spec::custom(CustomSpec {
        name: "OfDfdx",
        args: &[I, O],
        // O where i is I, and 0 everywhere else, which is no size.
        rule: formwork::rule!([i] => [O * (i / I) * (I / i)]),
        params: &[Param::weight("weight", &[O, I], I, O), Param::zeros("bias", &[O])],
        meaning: &Lent::<I, O>,
    });
}

struct Lent<const I: usize, const O: usize>;

impl<const I: usize, const O: usize> Meaning for Lent<I, O> {
    fn forward<E: Float, D: Device<E>, T: Tape<E, D>>(
        &self,
        site: &Site<'_, E, D, T>,
        x: Var<E, D, T>,
        y: Dims,
    ) -> std::result::Result<Var<E, D, T>, D::Err> {
        let samples = x.samples();
        let (weight, x) = site.lend(0, &(Const::<O>, Const::<I>), x)?;
        let (bias, x) = site.lend(1, &(Const::<O>,), x)?;
        let linear = dfdx::nn::modules::Linear { weight, bias };
        Var::new(dfdx::nn::Module::try_forward(&linear, x.view(&(samples, Const::<I>))?)?, samples, y) // [B, O]
    }
}

#[network([1, 8, 8] => [10])]
type Mixed = (Conv2d<1, 8, 3, 1, 1>, Relu, MaxPool2d<2>, Flatten, OfDfdx<128, 10>);
// ANCHOR_END: around-dfdx

fn around_dfdx() -> Result {
    let (train, test) = digits::load()?.split_stratified(0.2, 0);
    let mut model = Model::<Mixed>::new(0);
    Trainer::new(CrossEntropy::default(), Adam::new(5e-3)).epochs(2).progress(Progress::Silent).fit(&mut model, &train)?;
    println!("test accuracy {:.3}", model.measure(&test, metrics::accuracy())?.matrix().accuracy());
    println!("the last parameter: {}", Mixed::parameters()[3].name);
    Ok(())
}

// ANCHOR: exercise-1
#[network([5, 16] => [5, 3])]
type Tagger = (Repeat<TransformerEncoderLayer<16, 2, 32>, 2>, LayerNorm<16>, Linear<16, 3>);

/// What `self.encoder = nn.TransformerEncoder(layer, 2, norm=nn.LayerNorm(16))` and `self.fc = nn.Linear(16, 3)` are called here.
fn exercise_1() -> Result {
    let names = Import::new().strip_prefix("module.").renames([("encoder.layers", "0"), ("encoder.norm", "1"), ("fc", "2")]);
    let folder = tempfile::tempdir()?;
    let file = folder.path().join("tagger.safetensors");
    let (model, mut other) = (Model::<Tagger>::new(1), Model::<Tagger>::new(2));
    model.save_with(&file, &names)?;
    let report = other.load_with(&file, &names)?;
    let last = report.loaded.last().ok_or("nothing was loaded")?;
    println!("{} tensors; the first is {}, the last {}", report.loaded.len(), report.loaded[0].from.join(""), last.from.join(""));
    println!("equal: {}", model.parameters() == other.parameters());
    Ok(())
}
// ANCHOR_END: exercise-1
