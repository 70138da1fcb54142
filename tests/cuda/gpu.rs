//! The GPU that tests run on.

pub mod pretended;

use dfdx::tensor::Cuda;
use formwork::Error;
use formwork::engine::Backend;

/// The first GPU; where there is none, what is left out is said. One that is there and cannot be used fails the test.
pub fn open() -> Option<Cuda> {
    match <Cuda as Backend<f32>>::open() {
        Ok(gpu) => Some(gpu),
        Err(error @ Error::NoDevice { .. }) => {
            // Past the harness, which shows only what failing tests print.
            use std::io::Write;
            let _ = writeln!(std::io::stderr(), "skipped: {error}");
            None
        }
        Err(error) => panic!("{error}"),
    }
}

/// All other tests of this program, which is the way that the card's own code runs where there is no GPU.
pub fn all_tests_pretended() {
    if pretended::here() {
        return;
    }
    let output = pretended::run(&[], &[]);
    let [text, errors] = [&output.stdout, &output.stderr].map(|bytes| String::from_utf8_lossy(bytes));
    assert!(output.status.success(), "{text}{errors}");
}
