//! The networks of the examples as ONNX files: onnxruntime says what formwork says.
//!
//! onnxruntime is that of the Python that `FORMWORK_PYTHON` names, or else of `python3`, if it has one.

#![cfg(feature = "onnx")]

mod networks;
#[path = "../../tests/onnxruntime/mod.rs"]
mod onnxruntime;

use formwork::prelude::Network;
use networks::Visitor;
use onnxruntime::Cases;

impl Visitor for Cases {
    fn visit<N: Network>(&mut self, name: &'static str) {
        self.add::<N, f32>(name);
    }
}

#[test]
fn onnxruntime_says_the_same() {
    let mut cases = Cases::new();
    networks::visit(&mut cases);
    cases.check();
}
