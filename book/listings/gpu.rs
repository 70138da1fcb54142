//! The listings of the chapter on GPUs. They run on the processor, and on a card with the feature `cuda` of the crate.

use formwork::prelude::*;
use formwork_book::{Result, sections};

#[network([1, 8, 8] => [10])]
type Reader = (Conv2d<1, 16, 3, 1, 1>, Relu, MaxPool2d<2>, Flatten, Linear<256, 10>);

fn main() -> std::process::ExitCode {
    sections(&[("device", device), ("both", both)])
}

fn device() -> Result {
    // ANCHOR: device
    let mut model = Model::<Reader>::on(&formwork::device()?, 0);
    let digits = formwork::data::digits::load()?;
    let batch = digits.shuffled(32, 0).next().ok_or("there are digits")?;
    let loss = model.train(&batch, &CrossEntropy::default(), &mut Adam::new(1e-3))?;
    println!("loss before the first step: {loss:.2}");
    // ANCHOR_END: device
    Ok(())
}

fn both() -> Result {
    let folder = tempfile::tempdir()?;
    let file = folder.path().join("reader.safetensors");
    // ANCHOR: both
    let on_gpu = Model::<Reader>::on(&formwork::device()?, 0);
    on_gpu.save(&file)?;
    let mut on_cpu = Model::<Reader, f32, Cpu>::new(1);
    on_cpu.load(&file)?;
    println!("the same parameters: {}", on_cpu.parameters() == on_gpu.parameters());
    // ANCHOR_END: both
    Ok(())
}
