//! The listings of the chapter on what surrounds a network: files, checkpoints, PyTorch, ONNX, programs that only predict.

use formwork::Predictor;
use formwork::data::csv::{Columns, Frame};
use formwork::data::digits::{self, Digits};
use formwork::data::{Shift, StandardScaler};
use formwork::metrics;
use formwork::prelude::*;
use formwork::pytorch::Import;
use formwork::trainer::{Checkpoints, Goal, History, Progress};
use formwork_book::{Result, sections};

// ANCHOR: reader
/// Reads a digit. These are the layers of the example `embedded`, whose weights are in the file that is loaded below.
#[network([1, 8, 8] => [10])]
#[rustfmt::skip]
type Reader = (
    Conv2d<1, 8, 3, 1, 1>, Relu,                 // [8, 8, 8]
    Conv2d<8, 16, 3, 1, 1>, Relu, MaxPool2d<2>,  // [16, 4, 4]
    Flatten, Dropout<25>,                        // [256]
    Linear<256, 32>, Relu,                       // [32]
    Linear<32, 10>,                              // [10]
);
// ANCHOR_END: reader

/// The same with half as many features in the middle.
#[network([1, 8, 8] => [10])]
#[rustfmt::skip]
type Slim = (
    Conv2d<1, 8, 3, 1, 1>, Relu,
    Conv2d<8, 16, 3, 1, 1>, Relu, MaxPool2d<2>,
    Flatten, Dropout<25>,
    Linear<256, 16>, Relu,
    Linear<16, 10>,
);

/// The weights of [`Reader`], trained.
static WEIGHTS: &[u8] = include_bytes!("../../data/reader.safetensors");

fn main() -> std::process::ExitCode {
    sections(&[
        ("save", save),
        ("wrong", wrong),
        ("damaged", damaged),
        ("no-weights", no_weights),
        ("csv", csv),
        ("trainer", trainer),
        ("resume", resume),
        ("diverged", diverged),
        ("pytorch", pytorch),
        ("onnx", onnx),
        #[cfg(feature = "onnx")]
        ("onnx-file", onnx_file),
        ("embedded", embedded),
        ("exercise-1", exercise_1),
        ("exercise-2", exercise_2),
        ("exercise-3", exercise_3),
    ])
}

/// A few digits, so that the programs of this chapter take seconds: 359 to learn from, 360 to test with.
fn few() -> std::result::Result<(Digits, Digits), Error> {
    let (rest, test) = digits::load()?.split_stratified(360.0 / 1797.0, 0);
    Ok((rest.split_stratified(0.25, 0).1, test))
}

fn save() -> Result {
    let folder = tempfile::tempdir()?;
    // ANCHOR: save
    let (_, test) = few()?;
    let model = Model::<Reader>::from_bytes(WEIGHTS)?;
    let file = folder.path().join("reader.safetensors");
    model.save(&file)?;

    let mut other = Model::<Reader>::new(1);
    other.load(&file)?;
    assert_eq!(model.predict(&test.all())?, other.predict(&test.all())?);
    println!("{} parameters, {} bytes", Reader::SCALARS, std::fs::metadata(&file)?.len());
    println!("{:.3} of the test images are read correctly", other.measure(&test, metrics::accuracy())?.matrix().accuracy());
    // ANCHOR_END: save
    Ok(())
}

/// What an error says, without the folder that this program happens to use.
fn show(error: &Error, folder: &std::path::Path) {
    println!("{}", error.to_string().replace(&format!("{}/", folder.display()), ""));
}

fn wrong() -> Result {
    let folder = tempfile::tempdir()?;
    let file = folder.path().join("reader.safetensors");
    // ANCHOR: wrong
    Model::<Reader>::new(0).save(&file)?;
    let error = Model::<Slim>::new(0).load(&file).unwrap_err();
    // ANCHOR_END: wrong
    show(&error, folder.path());
    Ok(())
}

fn damaged() -> Result {
    let folder = tempfile::tempdir()?;
    let file = folder.path().join("reader.safetensors");
    // ANCHOR: damaged
    Model::<Reader>::new(0).save(&file)?;
    let mut bytes = std::fs::read(&file)?;
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1; // one bit
    std::fs::write(&file, bytes)?;
    let error = Model::<Reader>::new(0).load(&file).unwrap_err();
    // ANCHOR_END: damaged
    show(&error, folder.path());
    Ok(())
}

fn no_weights() -> Result {
    let folder = tempfile::tempdir()?;
    // ANCHOR: no-weights
    let (cut, torch) = (folder.path().join("cut.safetensors"), folder.path().join("reader.pt"));
    std::fs::write(&cut, &WEIGHTS[..20_000])?; // a download that was broken off
    std::fs::write(&torch, b"PK\x03\x04")?; // how a file of `torch.save` begins
    for file in [cut, torch] {
        let error = Model::<Reader>::new(0).load(&file).unwrap_err();
        show(&error, folder.path());
    }
    // ANCHOR_END: no-weights
    Ok(())
}

fn csv() -> Result {
    // ANCHOR: csv
    let text = "age,city,plan,bought\n31,Rome,a,yes\n,Oslo,b,no\n47,Oslo,a,no\n25,Rome,b,yes\n52,Oslo,b,no\n";
    let frame = Frame::read("customers.csv", text.as_bytes())?; // of a file: `Frame::open`
    let columns = Columns::new().numbers_or_mean(&["age"]).categories(&["city", "plan"]).class("bought");
    let encoder = columns.fit(&frame)?;
    let customers: Dataset<Rank1<5>, Class<2>> = encoder.dataset(&frame)?; // samples [B, 5], classes [B]
    println!("features: {}", encoder.features().join(", "));
    println!("classes: {}", encoder.classes().join(", "));
    println!("second customer: {:?}, class {:?}", customers.input(1), customers.target(1));
    let error = encoder.dataset::<4, Class<2>, f32>(&frame).unwrap_err(); // a network for 4 numbers
    println!("{error}");
    // ANCHOR_END: csv
    Ok(())
}

fn trainer() -> Result {
    let folder = tempfile::tempdir()?;
    // ANCHOR: trainer
    let (train, test) = few()?;
    let scaler = StandardScaler::of_channels(&train)?; // mean 0 and deviation 1, by the training images alone
    let test = test.scaled(&scaler);
    let train = train.augmented(Shift::up_to(1)).scaled(&scaler);

    let mut model = Model::<Reader>::new(0);
    let history = Trainer::new(CrossEntropy::default(), Adam::new(3e-3).clip_norm(5.0))
        .epochs(5)
        .batch_size(32)
        .validation(&test)
        .metric(metrics::accuracy())
        .monitor("val_accuracy", Goal::Most)
        .keep_best() // the parameters of the best epoch, in the end
        .patience(3) // three epochs that are no better, and it stops
        .csv(folder.path().join("history.csv"))
        .progress(Progress::Silent)
        .fit(&mut model, &train)?;
    print_history(&history);
    // ANCHOR_END: trainer
    Ok(())
}

fn print_history(history: &History) {
    println!("epoch   loss  val_loss  val_accuracy");
    for row in history.rows() {
        println!("{:5} {:6.3} {:9.3} {:13.3}", row[0], row[1], row[2], row[3]);
    }
    println!("{:?}", history.stopped);
}

fn resume() -> Result {
    let folder = tempfile::tempdir()?;
    // ANCHOR: resume
    let (train, _) = few()?;
    let trainer = |epochs| Trainer::new(CrossEntropy::default(), Adam::new(3e-3)).epochs(epochs).seed(7).progress(Progress::Silent);

    let mut whole = Model::<Reader>::new(0);
    trainer(3).fit(&mut whole, &train)?;

    let checkpoints = Checkpoints::new(folder.path()).keep(2).resume();
    trainer(1).checkpoints(checkpoints.clone()).fit(&mut Model::<Reader>::new(0), &train)?;
    // Another day, another process.
    let mut resumed = Model::<Reader>::new(99);
    let history = trainer(3).checkpoints(checkpoints).fit(&mut resumed, &train)?;

    println!("epochs in the history: {}", history.rows().len());
    println!("files kept: {}", std::fs::read_dir(folder.path())?.count());
    println!("the same bits: {}", whole.parameters() == resumed.parameters());
    // ANCHOR_END: resume
    Ok(())
}

fn diverged() -> Result {
    // ANCHOR: diverged
    let (train, _) = few()?;
    let trained = Trainer::new(CrossEntropy::default(), Sgd::new(1e20)).progress(Progress::Silent).fit(&mut Model::<Reader>::new(0), &train);
    println!("{}", trained.unwrap_err());
    // ANCHOR_END: diverged
    Ok(())
}

fn pytorch() -> Result {
    let folder = tempfile::tempdir()?;
    // ANCHOR: pytorch
    // self.features = nn.Sequential(nn.Conv2d(1, 8, 3, padding=1), nn.ReLU(), nn.Conv2d(8, 16, 3, padding=1), nn.ReLU(), ..)
    // self.hidden = nn.Linear(256, 32)
    // self.scores = nn.Linear(32, 10)
    let names = Import::new().rename("features.0", "0").rename("features.2", "2").rename("hidden", "7").rename("scores", "9");

    let file = folder.path().join("theirs.safetensors");
    Model::<Reader>::from_bytes(WEIGHTS)?.save_with(&file, &names)?; // as PyTorch would have written it
    let mut model = Model::<Reader>::new(0);
    println!("{}", model.load_with(&file, &names)?);
    // ANCHOR_END: pytorch
    // ANCHOR: renames
    let error = model.load(&file).unwrap_err();
    // ANCHOR_END: renames
    show(&error, folder.path());
    Ok(())
}

fn onnx() -> Result {
    // ANCHOR: onnx
    let model = Model::<Reader>::from_bytes(WEIGHTS)?;
    let graph = model.onnx()?;
    for node in graph.nodes() {
        println!("{:12} {}", node.name, node.op);
    }
    // ANCHOR_END: onnx
    Ok(())
}

#[cfg(feature = "onnx")]
fn onnx_file() -> Result {
    let folder = tempfile::tempdir()?;
    let file = folder.path().join("reader.onnx");
    // ANCHOR: onnx-file
    let model = Model::<Reader>::from_bytes(WEIGHTS)?;
    model.export_onnx(&file)?;
    println!("opset {}, {} bytes", formwork::onnx::OPSET, std::fs::metadata(&file)?.len());
    let graph = model.onnx()?;
    for port in graph.inputs().iter().chain(graph.outputs()) {
        println!("{}: {} for each of the batch", graph.name(port.tensor), port.dims);
    }
    // ANCHOR_END: onnx-file
    Ok(())
}

// ANCHOR: count
/// How many of some images a predictor reads correctly. Nothing is allocated here.
fn count(mut predictor: Predictor<Reader>, digits: &Digits, images: std::ops::Range<usize>) -> std::result::Result<usize, Error> {
    let (mut right, mut scores) = (0, [0.0; 10]);
    for i in images {
        predictor.run(digits.input(i), &mut scores)?;
        let highest = (0..10).max_by(|&a, &b| scores[a].total_cmp(&scores[b]));
        right += usize::from(highest == Some(digits.target(i)[0]));
    }
    Ok(right)
}
// ANCHOR_END: count

fn embedded() -> Result {
    // ANCHOR: embedded
    let (_, test) = few()?;
    let predictor = Model::<Reader>::from_bytes(WEIGHTS)?.predictor();
    let right = std::thread::scope(|scope| {
        let halves = [0..180, 180..360].map(|images| {
            let (predictor, test) = (predictor.clone(), &test);
            scope.spawn(move || count(predictor, test, images))
        });
        halves.map(|thread| thread.join().expect("it does not panic")).into_iter().sum::<std::result::Result<usize, Error>>()
    })?;
    println!("{right} of {} images, by two threads", test.len());
    // ANCHOR_END: embedded
    Ok(())
}

fn exercise_1() -> Result {
    let folder = tempfile::tempdir()?;
    let file = folder.path().join("parallel.safetensors");
    Model::<Reader>::new(1).save_with(&file, &Import::new().strip_prefix("module."))?;
    // ANCHOR: exercise-1
    let mut model = Model::<Reader>::new(0);
    let report = model.load_with(&file, &Import::new().strip_prefix("module."))?;
    println!("{} becomes {}", report.loaded[0].from[0], report.loaded[0].to);
    // ANCHOR_END: exercise-1
    Ok(())
}

// ANCHOR: exercise-2
/// The reader's eyes, and new scores for two classes: odd or even.
#[network([1, 8, 8] => [2])]
#[rustfmt::skip]
type Parity = (
    Conv2d<1, 8, 3, 1, 1>, Relu,
    Conv2d<8, 16, 3, 1, 1>, Relu, MaxPool2d<2>,
    Flatten, Dropout<25>,
    Linear<256, 32>, Relu,
    Linear<32, 2>,
);

fn exercise_2() -> Result {
    let folder = tempfile::tempdir()?;
    let file = folder.path().join("reader.safetensors");
    std::fs::write(&file, WEIGHTS)?;

    let mut model = Model::<Parity>::new(0);
    let report = model.load_with(&file, &Import::new().ignore("9").strict(false))?;
    println!("loaded: {}, left as they were: {}", report.loaded.len(), report.missing.join(", "));
    Ok(())
}
// ANCHOR_END: exercise-2

// ANCHOR: exercise-3
const _: () = assert!(Reader::SCALARS * size_of::<f32>() < 40_000); // bytes

fn exercise_3() -> Result {
    println!("{} bytes of weights", Reader::SCALARS * size_of::<f32>());
    Ok(())
}
// ANCHOR_END: exercise-3
