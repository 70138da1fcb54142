//! What a program says where CUDA cannot be used, with libraries that pretend: `cuda/driver.cpp`.

#![cfg(all(feature = "cuda", target_os = "linux", target_arch = "x86_64"))]

#[path = "cuda/pretended.rs"]
mod pretended;

use dfdx::tensor::Cuda;
use formwork::engine::Engine;
use formwork::gpu::{Card, Fused};
use formwork::portable::Portable;
use formwork::prelude::*;
use formwork::trainer::Progress;

#[network([4] => [2])]
type Small = (Linear<4, 8>, Relu, Linear<8, 2>);

type Data = Dataset<Rank1<4>, Class<2>>;

fn data(samples: usize) -> Data {
    Data::new(vec![0.5; 4 * samples], vec![0; samples]).expect("as many inputs as targets")
}

/// Says what something says of a model; not a test by itself, but what the others run.
fn say<G: Engine<f32, Cuda>>(what: impl FnOnce(&mut Model<Small, f32, Cuda, G>) -> Result<(), Error>) {
    if !pretended::here() {
        return;
    }
    let model = formwork::device().and_then(|device| Model::try_new(&device, 0, Scheme::default()));
    match model.and_then(|mut model| what(&mut model)) {
        Ok(()) => println!("said: nothing"),
        Err(error) => println!("said: {error}"),
    }
}

fn step<G: Engine<f32, Cuda>>() {
    say::<G>(|model| model.train(&data(10).all(), &CrossEntropy::default(), &mut Adam::new(0.1)).map(|_| ()));
}

#[test]
fn step_of_the_portable_engine() {
    step::<Portable<f32, Cuda>>();
}

#[test]
fn step_of_the_fused_engine() {
    step::<Fused<f32, Card>>();
}

/// Batches of 4, 4 and 2 to learn from, and of 5 to look at.
#[test]
fn epochs_of_the_fused_engine() {
    say::<Fused<f32, Card>>(|model| {
        let validation = data(5);
        let trainer = Trainer::new(CrossEntropy::default(), Adam::new(0.1)).epochs(5).batch_size(4);
        trainer.validation(&validation).progress(Progress::Silent).fit(model, &data(10)).map(|_| ())
    });
}

/// What a step of the portable engine says with these answers of the driver.
fn said(answers: &[(&str, &str)]) -> String {
    said_by("step_of_the_portable_engine", answers)
}

fn said_by(step: &str, answers: &[(&str, &str)]) -> String {
    let output = pretended::run(&["--exact", step, "--nocapture"], answers);
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let line = text.lines().find_map(|line| line.split_once("said: "));
    line.unwrap_or_else(|| panic!("{text}{}", String::from_utf8_lossy(&output.stderr))).1.to_owned()
}

#[test]
fn a_driver_that_works() {
    assert_eq!(said(&[]), "nothing");
}

#[test]
fn no_gpu() {
    let text = "no CUDA device: the driver sees no GPU: `nvidia-smi -L` lists them, and CUDA_VISIBLE_DEVICES hides those that it does not name";
    assert_eq!(said(&[("FAKE_INIT", "100")]), text);
    assert_eq!(said(&[("FAKE_COUNT", "0")]), text);
}

#[test]
fn the_stand_in_of_the_toolkit() {
    let text = said(&[("FAKE_INIT", "34")]);
    assert!(text.starts_with("no CUDA device: the program has found the toolkit's stand-in for the driver's library"), "{text}");
}

#[test]
fn a_driver_of_two_versions() {
    let text = said(&[("FAKE_INIT", "803")]);
    assert!(text.ends_with("are of different versions: restart the machine, or install the driver anew"), "{text}");
    let text = said(&[("FAKE_INIT", "999")]);
    assert_eq!(text, "the device failed while starting the driver: the driver answers with error 999, see `CUresult` in its documentation");
}

#[test]
fn a_driver_older_than_the_toolkit() {
    let text = "the device failed while opening it: its driver knows CUDA 12.4, and the toolkit is CUDA 13.0: install a newer driver, or build \
                with CUDA 12.4";
    assert_eq!(said(&[("FAKE_DRIVER", "12040")]), text);
    assert_eq!(said(&[("FAKE_DRIVER", "13010")]), "nothing");
}

#[test]
fn kernels_for_another_card() {
    let text = said(&[("FAKE_MODULE", "209")]);
    assert!(text.starts_with("the device failed while running a first kernel") && text.contains("NO_BINARY_FOR_GPU"), "{text}");
    assert!(text.ends_with("build it for this card"), "{text}");
}

#[test]
fn too_little_memory() {
    // 58 parameters, and for each of 10 samples 4 inputs with their gradients, and 8 + 8 + 2 numbers of layers.
    let needed = 4 * (58 + 10 * (2 * 4 + 18));
    assert_eq!(said(&[("FAKE_FREE", "1000")]), too_little(needed, 1000));
    assert_eq!(said(&[("FAKE_FREE", &needed.to_string())]), "nothing");
}

/// What a step of the fused engine says with these answers of the driver.
fn said_fused(answers: &[(&str, &str)]) -> String {
    said_by("step_of_the_fused_engine", answers)
}

#[test]
fn the_fused_engine_where_all_works() {
    assert_eq!(said_fused(&[]), "nothing");
}

#[test]
fn kernels_that_nvrtc_refuses() {
    assert_eq!(
        said_fused(&[("FAKE_COMPILER", "a message of the compiler")]),
        "the device failed while compiling the kernels: NvrtcError(NVRTC_ERROR_COMPILATION): a message of the compiler"
    );
}

#[test]
fn a_graph_that_the_driver_refuses() {
    assert_eq!(said_fused(&[("FAKE_GRAPH", "801")]), "the device failed while making a graph: DriverError(CUDA_ERROR_NOT_SUPPORTED, \"pretended\")");
}

#[test]
fn a_card_that_is_lost() {
    assert_eq!(
        said_fused(&[("FAKE_SYNCHRONIZE", "700")]),
        "the device failed while waiting for the card: DriverError(CUDA_ERROR_ILLEGAL_ADDRESS, \"pretended\")"
    );
}

/// For each size of a batch one for there and back, one for the optimizer, and one to look; the epochs after the first make none.
#[test]
fn graphs_are_made_once() {
    let made = |graphs: &str| said_by("epochs_of_the_fused_engine", &[("FAKE_GRAPHS", graphs)]);
    assert_eq!(made("4"), "nothing");
    assert_eq!(made("3"), "the device failed while making a graph: DriverError(CUDA_ERROR_OUT_OF_MEMORY, \"pretended\")");
}

/// There is room for the parameters, the optimizer, cuBLAS and one or two of the three sizes.
#[test]
fn steps_that_rest_give_their_memory_back() {
    let total = ((32 << 20) + 4088).to_string();
    let learned = |graphs: &str| said_by("epochs_of_the_fused_engine", &[("FAKE_TOTAL", &total), ("FAKE_GRAPHS", graphs)]);
    assert_eq!(learned("1000"), "nothing");
    assert_ne!(learned("4"), "nothing");
}

#[test]
fn too_little_memory_for_a_plan() {
    // Parameters are there before a step; it needs room for what it is given and what it computes.
    let text = said_fused(&[("FAKE_FREE", "1000")]);
    let needed: usize = text.split_once("a step needs ").and_then(|(_, rest)| rest.split_once(' ')).and_then(|(n, _)| n.parse().ok()).expect(&text);
    assert!((1200..2400).contains(&needed), "{text}");
    assert_eq!(text, too_little(needed, 1000));
    let one_less = needed - 1;
    assert_eq!(said_fused(&[("FAKE_FREE", &one_less.to_string())]), too_little(needed, one_less));
    assert_eq!(said_fused(&[("FAKE_FREE", &needed.to_string())]), "nothing");
    // Or another program has taken it meanwhile; or none of the pieces that are free is large enough.
    assert_eq!(said_fused(&[("FAKE_LARGEST", "1000"), ("FAKE_FREE", "2000")]), too_little(32 << 20, 2000));
    let text = said_fused(&[("FAKE_LARGEST", "1000")]);
    assert_eq!(text, "the device failed while making room: DriverError(CUDA_ERROR_OUT_OF_MEMORY, \"pretended\")");
}

fn too_little(needed: usize, free: usize) -> String {
    format!("the device has too little memory: a step needs {needed} bytes or more, and {free} are free; a smaller batch needs less")
}
