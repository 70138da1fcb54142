//! The GPU that tests run on.

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
