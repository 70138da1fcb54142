//! What the compiler says of mistakes: one file for each, named after it, and beside it what is printed.
//!
//! The text of `E0080`, its carets and its indentation are rustc's, so the golden files are pinned to one toolchain. After
//! a change, or with a newer toolchain, refresh them and read the difference:
//!
//! ```text
//! TRYBUILD=overwrite cargo test --test compile_fail
//! ```

use std::process::Command;

/// The toolchain whose words the golden files are in.
const PINNED: &str = "rustc 1.95.";

#[test]
fn mistakes_are_explained() {
    let output = Command::new("rustc").arg("--version").output().expect("cargo runs where rustc is");
    let version = String::from_utf8_lossy(&output.stdout);
    if !version.starts_with(PINNED) {
        println!("skipped: the golden files are {PINNED}x's, and this is {version}");
        return;
    }
    trybuild::TestCases::new().compile_fail("tests/compile_fail/*.rs");
}
