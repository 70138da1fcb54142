//! Libraries that pretend to be NVIDIA's, see `driver.cpp`, and this program once more with them before the real ones.

use std::path::Path;
use std::process::{Command, Output};

/// Set where the driver pretends: dfdx's own kernels do nothing there, and its engine is left out.
const PRETENDED: &str = "FORMWORK_PRETENDED";

/// Whether this is the program with the libraries that pretend.
pub fn here() -> bool {
    std::env::var_os(PRETENDED).is_some()
}

/// Tests of this program with these answers of the driver. It needs a C++ compiler, and no GPU.
pub fn run(arguments: &[&str], answers: &[(&str, &str)]) -> Output {
    let folder = tempfile::tempdir().expect("there is a folder for temporary files");
    libraries(folder.path());
    Command::new(std::env::current_exe().expect("a test has a file"))
        .args(arguments)
        .env("LD_LIBRARY_PATH", folder.path())
        .env("FAKE_FOLDER", folder.path())
        .env(PRETENDED, "1")
        .envs(answers.iter().copied())
        .output()
        .expect("the test can be run again")
}

/// One library, under all names that it is looked for by.
fn libraries(folder: &Path) {
    let built = folder.join("libcuda.so.1");
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let emulated = format!("-DEMULATED=\"{}\"", root.join("src/gpu/emulated.cpp").display());
    let mut compiler = Command::new("c++");
    compiler.args(["-std=c++17", "-O1", "-shared", "-fPIC", "-w", &emulated, "-o"]).arg(&built).arg(root.join("tests/cuda/driver.cpp"));
    assert!(compiler.status().expect("there is a C++ compiler").success());
    for name in ["libcublas", "libnvrtc"] {
        for version in ["11", "11.2", "12", "13"] {
            std::os::unix::fs::symlink(&built, folder.join(format!("{name}.so.{version}"))).expect("the folder can be written");
        }
    }
}
