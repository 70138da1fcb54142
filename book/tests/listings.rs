//! What the book shows as output is what its programs print.
//!
//! ```text
//! cargo test -p formwork-book --test listings
//! FORMWORK_BOOK=overwrite cargo test -p formwork-book --test listings
//! ```
//!
//! The second writes what is printed now into `book/listings`; read the difference.

#[path = "../../tests/python/mod.rs"]
mod python;

use std::path::Path;
use std::process::Command;

/// Runs a program, and holds each section of its output against the file of that name in the folder of the chapter.
///
/// On plain instructions, which give the same bits on every processor.
fn check(chapter: &str, program: &str) {
    let output = Command::new(program).env("FORMWORK_ISA", "plain").env_remove("FORMWORK_PICTURES").output().expect("it was built for this test");
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{chapter}: {errors}");
    let printed = String::from_utf8(output.stdout).expect("listings print text");
    for section in format!("\n{printed}").split("\n== ").skip(1) {
        let (name, text) = section.split_once('\n').unwrap_or((section, ""));
        check_section(chapter, name.trim_end(), &format!("{}\n", text.trim_end()));
    }
}

fn check_section(chapter: &str, name: &str, printed: &str) {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("listings").join(chapter).join(format!("{name}.txt"));
    if std::env::var("FORMWORK_BOOK").is_ok_and(|wish| wish == "overwrite") {
        std::fs::create_dir_all(file.parent().expect("it has a folder")).expect("the folder can be made");
        return std::fs::write(&file, printed).expect("the file can be written");
    }
    let shown = std::fs::read_to_string(&file).unwrap_or_else(|error| panic!("{}: {error}", file.display()));
    assert_eq!(printed, shown, "the book shows something else: {}", file.display());
}

macro_rules! chapters {
    ($($test:ident: $chapter:literal),* $(,)?) => {
        $(
            #[test]
            fn $test() {
                check($chapter, env!(concat!("CARGO_BIN_EXE_", $chapter)));
            }
        )*
    };
}

chapters! {
    does_not_compile: "does-not-compile",
    regression: "regression",
    classification: "classification",
    gradient_descent: "gradient-descent",
    deep_networks: "deep-networks",
    images: "images",
    u_net: "u-net",
    sequences: "sequences",
    attention: "attention",
    types: "types",
    own_layer: "own-layer",
    deployment: "deployment",
    gpu: "gpu",
    coming_from: "coming-from",
}

/// It stands beside the loop in Rust, and is run where there is a PyTorch.
#[test]
fn the_loop_in_pytorch_learns_as_well() {
    let Some(program) = python::find("numpy, torch") else { return };
    let book = Path::new(env!("CARGO_MANIFEST_DIR"));
    // It reads the data beside it, and leaves a file.
    let folder = tempfile::tempdir().expect("a folder can be made");
    let (digits, data) = ("digits.csv.gz", folder.path().join("data"));
    std::fs::create_dir(&data).expect("a folder can be made");
    std::fs::copy(book.join("../data").join(digits), data.join(digits)).expect("the digits are there");
    let output = Command::new(program).arg(book.join("listings/coming-from/loop.py")).current_dir(folder.path()).output().expect("Python runs");
    let printed = String::from_utf8_lossy(&output.stdout);
    let accuracy: Option<f64> = printed.lines().last().and_then(|line| line.strip_prefix("test accuracy ")?.parse().ok());
    assert!(accuracy.is_some_and(|accuracy| accuracy > 0.88), "{printed}{}", String::from_utf8_lossy(&output.stderr));
}
