//! The cases of `index.json`, their numbers, and what it means to agree with them.

use formwork::prelude::*;
use formwork::types::NamedParam;
use safetensors::{Dtype, SafeTensors};
use serde::Deserialize;
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::LazyLock;

/// An entry of the index.
#[derive(Deserialize)]
pub struct Case {
    pub name: String,
    pub kind: String,
    hyper: serde_json::Value,
    tolerance: Tolerances,
    tensors: Vec<Entry>,
}

#[derive(Deserialize)]
struct Tolerances {
    f64: Tolerance,
    /// Not there for what is computed in double precision alone.
    f32: Option<Tolerance>,
    /// For whole models: what holds for everything computed after steps of an optimizer.
    f32_after_steps: Option<Tolerance>,
}

#[derive(Clone, Copy, Deserialize)]
struct Tolerance {
    rtol: f64,
    atol: f64,
}

/// What the index says about a tensor.
#[derive(Deserialize)]
struct Entry {
    name: String,
    shape: Vec<usize>,
    role: Role,
}

#[derive(Clone, Copy, PartialEq, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Role {
    Input,
    Param,
    Buffer,
    Const,
    Target,
    UpstreamGrad,
    Output,
    InputGrad,
    ParamGrad,
    StateAfter,
    AuxOutput,
    Trajectory,
}

impl Role {
    /// Whether it is a result, and so must be compared.
    fn is_result(self) -> bool {
        !matches!(self, Role::Input | Role::Param | Role::Buffer | Role::Const | Role::Target | Role::UpstreamGrad)
    }

    /// Whether it is computed after steps of an optimizer.
    fn is_after_steps(self) -> bool {
        matches!(self, Role::StateAfter | Role::AuxOutput | Role::Trajectory)
    }
}

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden")
}

/// All cases.
pub fn cases() -> &'static [Case] {
    static CASES: LazyLock<Vec<Case>> = LazyLock::new(|| {
        let text = std::fs::read_to_string(folder().join("index.json")).expect("cannot read the index");
        serde_json::from_str(&text).expect("cannot understand the index")
    });
    &CASES
}

/// The names of the cases that there are files for.
pub fn files() -> BTreeSet<String> {
    let paths = std::fs::read_dir(folder()).expect("cannot list the cases").map(|entry| entry.expect("cannot list the cases").path());
    let tensors = paths.filter(|path| path.extension().is_some_and(|extension| extension == "safetensors"));
    tensors.map(|path| path.with_extension("").file_name().expect("a file has a name").to_string_lossy().into_owned()).collect()
}

/// A case with its numbers.
pub struct Golden {
    case: &'static Case,
    bytes: Vec<u8>,
}

impl Golden {
    /// The case of this name.
    pub fn open(name: &str) -> Self {
        let case = cases().iter().find(|case| case.name == name).unwrap_or_else(|| panic!("{name} is not in the index"));
        let bytes = std::fs::read(folder().join(format!("{name}.safetensors"))).unwrap_or_else(|error| panic!("{name}: {error}"));
        Golden { case, bytes }
    }

    /// What kind of case it is.
    pub fn kind(&self) -> &'static str {
        &self.case.kind
    }

    /// What the case was made with, such as a learning rate.
    pub fn hyper<H: serde::de::DeserializeOwned>(&self) -> H {
        H::deserialize(&self.case.hyper).unwrap_or_else(|error| panic!("{}: {error}", self.case.name))
    }

    /// The names of the parameters, in the order of the index.
    pub fn params(&self) -> impl Iterator<Item = &'static str> {
        self.case.tensors.iter().filter(|entry| entry.role == Role::Param).map(|entry| entry.name.as_str())
    }

    /// The shape of a tensor.
    pub fn shape(&self, tensor: &str) -> &'static [usize] {
        &self.entry(tensor).shape
    }

    fn entry(&self, tensor: &str) -> &'static Entry {
        let entry = self.case.tensors.iter().find(|entry| entry.name == tensor);
        entry.unwrap_or_else(|| panic!("{}: the index has no tensor {tensor}", self.case.name))
    }

    /// The numbers of a tensor, rounded to the precision that is wanted; counters are numbers too.
    pub fn numbers<E: Float>(&self, tensor: &str) -> Vec<E> {
        if tensor.contains("num_batches_tracked") {
            return self.classes(tensor).into_iter().map(|count| E::of(count as f64)).collect();
        }
        <f64 as Float>::from_le_bytes(&self.data(tensor, Dtype::F64)).into_iter().map(E::of).collect()
    }

    /// The marks that a tensor holds: each is 0 or 1.
    pub fn marks<E: Float>(&self, tensor: &str) -> Vec<E> {
        self.data(tensor, Dtype::U8).into_iter().map(|mark| E::of(f64::from(mark))).collect()
    }

    /// The classes that a tensor holds.
    pub fn classes(&self, tensor: &str) -> Vec<usize> {
        let data = self.data(tensor, Dtype::I64);
        let (classes, _) = data.as_chunks();
        classes.iter().map(|class| usize::try_from(i64::from_le_bytes(*class)).expect("a class is not negative")).collect()
    }

    fn data(&self, tensor: &str, dtype: Dtype) -> Vec<u8> {
        let name = &self.case.name;
        let file = SafeTensors::deserialize(&self.bytes).unwrap_or_else(|error| panic!("{name}: {error}"));
        let view = file.tensor(tensor).unwrap_or_else(|error| panic!("{name}: {tensor}: {error}"));
        assert_eq!((view.dtype(), view.shape()), (dtype, self.shape(tensor)), "{name}: {tensor}");
        view.data().to_vec()
    }

    /// The flat buffer of a network with these parameters, whose names in the index are `names`.
    ///
    /// Panics unless they are the parameters of the case, shape for shape.
    pub fn flat<E: Float>(&self, params: &[NamedParam], names: &[String]) -> Vec<E> {
        assert_eq!(names.iter().map(String::as_str).collect::<BTreeSet<_>>(), self.params().collect(), "{}", self.case.name);
        let numbers = params.iter().zip(names).map(|(param, name)| {
            assert_eq!(param.dims.sizes(), self.shape(name), "{}: {name}", self.case.name);
            self.numbers(name)
        });
        numbers.collect::<Vec<Vec<E>>>().concat()
    }

    /// A comparison of results with those of the case; `by` says what computed them.
    pub fn compare(&self, by: &str) -> Comparison<'_> {
        let results = self.case.tensors.iter().filter(|entry| entry.role.is_result());
        Comparison { golden: self, by: by.to_owned(), missing: results.map(|entry| entry.name.as_str()).collect(), faults: Vec::new() }
    }

    fn tolerance<E: Float>(&self, role: Role) -> Tolerance {
        let Tolerances { f64, f32, f32_after_steps } = &self.case.tolerance;
        match (E::DTYPE, f32_after_steps) {
            (Dtype::F64, _) => *f64,
            (_, Some(after_steps)) if role.is_after_steps() => *after_steps,
            _ => f32.unwrap_or_else(|| panic!("{}: has no tolerance for f32", self.case.name)),
        }
    }

    /// Whether large and small numbers share a tensor, so that each is to be compared by itself.
    fn is_extreme(&self) -> bool {
        self.case.name.ends_with("_extreme")
    }
}

/// A kind of sample that can be read from a case.
pub trait Given: Sample {
    /// The samples in a tensor of the case.
    fn given<E: Float>(golden: &Golden, tensor: &str) -> Self::Numbers<E>;
}

macro_rules! given {
    ($($D:ident)*) => {
        impl<$($D: ConstDim),*> Given for ($($D,)*) {
            fn given<Num: Float>(golden: &Golden, tensor: &str) -> Vec<Num> {
                golden.numbers(tensor)
            }
        }
    };
}
given!(A);
given!(A B);
given!(A B C);

impl<const V: usize, S: Plain> Given for Ids<V, S> {
    fn given<E: Float>(golden: &Golden, tensor: &str) -> Vec<usize> {
        golden.classes(tensor)
    }
}

/// Results on one side, the case on the other.
pub struct Comparison<'a> {
    golden: &'a Golden,
    by: String,
    missing: BTreeSet<&'static str>,
    faults: Vec<String>,
}

impl Comparison<'_> {
    /// Compares a tensor: `|given - expected| <= atol + rtol * max|expected|` for each number.
    pub fn tensor<E: Float>(&mut self, name: &str, given: &[E]) {
        let entry = self.golden.entry(name);
        self.missing.remove(name);
        let expected = self.golden.numbers::<f64>(name);
        if given.len() != expected.len() {
            return self.fault(format_args!("{name}: expected {} numbers, given {}", expected.len(), given.len()));
        }
        let Tolerance { rtol, atol } = self.golden.tolerance::<E>(entry.role);
        let largest = expected.iter().fold(0.0, |max: f64, x| max.max(x.abs()));
        let scale = |expected: f64| if self.golden.is_extreme() { expected.abs() } else { largest };
        let pairs = given.iter().zip(&expected).enumerate();
        let wrong: Vec<Number> = pairs
            .map(|(i, (given, &expected))| Number { i, expected, given: given.f64(), allowed: atol + rtol * scale(expected) })
            // A NaN is no agreement.
            .filter(|number| number.off() > number.allowed || number.off().is_nan())
            .collect();
        if let Some(worst) = wrong.iter().max_by(|a, b| a.off().total_cmp(&b.off())) {
            self.fault(format_args!("{name}{worst}, the worst of {} wrong numbers of {}", wrong.len(), given.len()));
        }
    }

    fn fault(&mut self, what: core::fmt::Arguments<'_>) {
        self.faults.push(format!("{}: {}: {what}", self.golden.case.name, self.by));
    }

    /// All that does not agree, and all that was never compared.
    pub fn faults(mut self) -> Vec<String> {
        for name in core::mem::take(&mut self.missing) {
            self.fault(format_args!("{name}: never compared"));
        }
        self.faults
    }
}

/// A number of a result, what it should be, and how far it may be off.
struct Number {
    i: usize,
    expected: f64,
    given: f64,
    allowed: f64,
}

impl Number {
    fn off(&self) -> f64 {
        (self.given - self.expected).abs()
    }
}

impl core::fmt::Display for Number {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        let Number { i, expected, given, allowed } = self;
        write!(f, "[{i}]: expected {expected:e}, given {given:e}, off by {:.1e} with {allowed:.1e} allowed", self.off())
    }
}
