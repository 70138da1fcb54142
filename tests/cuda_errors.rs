//! What a program says where CUDA cannot be used, with libraries that pretend: `cuda/driver.c`.
//!
//! The tests run this file's program again, with these libraries before the real ones. They need a C compiler, and no GPU.

#![cfg(all(feature = "cuda", target_os = "linux", target_arch = "x86_64"))]

use formwork::prelude::*;
use std::path::Path;
use std::process::Command;

#[network([4] => [2])]
type Small = (Linear<4, 8>, Relu, Linear<8, 2>);

/// One step on the device; not a test by itself, but what the others run.
#[test]
#[ignore = "run by the tests of this file"]
fn step() {
    let run = || -> Result<f32, Error> {
        let data = Dataset::<Rank1<4>, Class<2>>::new(vec![0.5; 40], vec![0; 10])?;
        let mut model = Model::<Small>::on(&formwork::device()?, 0);
        model.train(&data.all(), &CrossEntropy::default(), &mut Adam::new(0.1))
    };
    match run() {
        Ok(_) => println!("said: nothing"),
        Err(error) => println!("said: {error}"),
    }
}

/// The libraries that pretend, under all names that they are looked for by.
fn libraries(folder: &Path) {
    let built = folder.join("libcuda.so.1");
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cuda/driver.c");
    let status = Command::new("cc").args(["-shared", "-fPIC", "-w", "-o"]).arg(&built).arg(source).status().expect("there is a C compiler");
    assert!(status.success());
    for name in ["libcublas", "libnvrtc"] {
        for version in ["11", "11.2", "12", "13"] {
            std::fs::copy(&built, folder.join(format!("{name}.so.{version}"))).expect("the folder can be written");
        }
    }
}

/// What the step says with these answers of the driver.
fn said(answers: &[(&str, &str)]) -> String {
    let folder = tempfile::tempdir().expect("there is a folder for temporary files");
    libraries(folder.path());
    let program = std::env::current_exe().expect("a test has a file");
    let output = Command::new(program)
        .args(["--exact", "step", "--ignored", "--nocapture"])
        .env("LD_LIBRARY_PATH", folder.path())
        .envs(answers.iter().copied())
        .output()
        .expect("the test can be run again");
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
    let text = format!("the device has too little memory: a step needs {needed} bytes or more, and 1000 are free; a smaller batch needs less");
    assert_eq!(said(&[("FAKE_FREE", "1000")]), text);
    assert_eq!(said(&[("FAKE_FREE", &needed.to_string())]), "nothing");
}
