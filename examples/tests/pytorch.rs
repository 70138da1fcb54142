//! Networks beside their twins in PyTorch, which are in `twins/` and run by `pytorch.py`: weights of the one give the same
//! outputs in the other.
//!
//! The tests that need Python run what the environment variable `FORMWORK_PYTHON` names, or else `python3`, with the packages
//! `torch` and `safetensors`. Where these are not there the tests say so and pass, unless the variable is set.

mod layers;
mod names;
mod networks;
mod python;
mod sample;

use formwork::prelude::*;
use networks::Visitor;
use sample::{Squares, batch, columns};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// By how much outputs may differ, against the largest of them or 1.
const TOLERANCE: f32 = 1e-5;

/// What there is of a network while Python has a look at it.
struct Case {
    /// What the network, trained here, makes of the inputs.
    outputs: Vec<f32>,
}

/// Trains each network a little, and saves it as its twin in PyTorch names it, with inputs beside it.
struct Ours<'a> {
    folder: &'a Path,
    cases: BTreeMap<&'static str, Case>,
}

impl Visitor for Ours<'_> {
    fn visit<N: Network>(&mut self, name: &'static str) {
        let (mut model, mut optimizer, batch) = (Model::<N>::new(1), Adam::new(1e-3), batch::<N::Input>());
        for _ in 0..5 {
            model.train(&batch, &Squares, &mut optimizer).unwrap();
        }
        python::write(&file(self.folder, name, "inputs"), &columns::<N::Input>(&batch));
        model.save_with(file(self.folder, name, "ours"), &names::of(name)).unwrap();
        self.cases.insert(name, Case { outputs: model.predict(&batch).unwrap() });
    }
}

/// Compares outputs, once PyTorch has written its own.
struct Theirs<'a> {
    folder: &'a Path,
    cases: BTreeMap<&'static str, Case>,
    faults: Vec<String>,
}

impl Visitor for Theirs<'_> {
    fn visit<N: Network>(&mut self, name: &'static str) {
        let outputs = |of: &str| python::read(&file(self.folder, name, "outputs"), of);
        let mut faults = Vec::new();
        faults.extend(fault("trained here, run by PyTorch", &self.cases[name].outputs, &outputs("ours")));
        let mut model = Model::<N>::new(2);
        match model.load_with(file(self.folder, name, "theirs"), &names::of(name)) {
            Ok(_) => faults.extend(fault("from PyTorch, run here", &model.predict(&batch::<N::Input>()).unwrap(), &outputs("theirs"))),
            Err(error) => faults.push(error.to_string()),
        }
        self.faults.extend(faults.into_iter().map(|fault| format!("{name}: {fault}")));
    }
}

fn file(folder: &Path, name: &str, what: &str) -> PathBuf {
    folder.join(format!("{name}.{what}.safetensors"))
}

/// How outputs differ, if they do.
fn fault(which: &str, given: &[f32], expected: &[f32]) -> Option<String> {
    let scale = expected.iter().fold(1.0, |max: f32, y| max.max(y.abs()));
    let differences = given.iter().zip(expected).map(|(a, b)| if (a - b).is_nan() { f32::INFINITY } else { (a - b).abs() });
    let largest = differences.fold(0.0, f32::max);
    if given.len() == expected.len() && largest <= TOLERANCE * scale {
        return None;
    }
    Some(format!("{which}: {} and {} outputs up to {scale:e} differ by {largest:e}", given.len(), expected.len()))
}

fn compared(visit: impl Fn(&mut Ours), again: impl Fn(&mut Theirs)) {
    let Some(python) = python::find() else { return };
    let folder = tempfile::tempdir().unwrap();
    let mut ours = Ours { folder: folder.path(), cases: BTreeMap::new() };
    visit(&mut ours);
    assert!(!ours.cases.is_empty());
    python.run(folder.path());
    let mut theirs = Theirs { folder: folder.path(), cases: ours.cases, faults: Vec::new() };
    again(&mut theirs);
    assert!(theirs.faults.is_empty(), "{}", theirs.faults.join("\n"));
}

/// Of the examples and of single layers, in one process of Python.
#[test]
fn twins_in_pytorch_give_the_same_outputs() {
    compared(
        |ours| {
            networks::visit(ours);
            networks::visit_modules(ours);
            layers::visit(ours);
        },
        |theirs| {
            networks::visit(theirs);
            networks::visit_modules(theirs);
            layers::visit(theirs);
        },
    );
}

/// Saves a model, and loads it into another.
struct RoundTrip<'a> {
    folder: &'a Path,
}

impl Visitor for RoundTrip<'_> {
    fn visit<N: Network>(&mut self, name: &'static str) {
        let (model, mut other, mut renamed) = (Model::<N>::new(1), Model::<N>::new(2), Model::<N>::new(3));
        let files = ["plain", "renamed"].map(|what| file(self.folder, name, what));
        model.save(&files[0]).unwrap();
        other.load(&files[0]).unwrap();
        model.save_with(&files[1], &names::of(name)).unwrap();
        let report = renamed.load_with(&files[1], &names::of(name)).unwrap();
        for other in [other, renamed] {
            assert_eq!(other.parameters(), model.parameters(), "{name}");
            assert_eq!(other.buffers(), model.buffers(), "{name}");
        }
        assert_eq!(report.loaded.len(), N::parameters().len() + N::buffers().len(), "{name}");
        assert_eq!((report.left_out.len(), report.missing.len()), (0, 0), "{name}");
    }
}

#[test]
fn what_was_saved_is_loaded() {
    let folder = tempfile::tempdir().unwrap();
    networks::visit(&mut RoundTrip { folder: folder.path() });
    networks::visit_modules(&mut RoundTrip { folder: folder.path() });
    layers::visit(&mut RoundTrip { folder: folder.path() });
}
