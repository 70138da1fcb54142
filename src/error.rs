//! What can go wrong at run time, as values that name what was expected, what was given, and where.

use crate::types::Dims;
use std::path::PathBuf;

/// An error of this crate.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A device failed, most likely for want of memory.
    #[error("the device failed while {during}: {message}")]
    Device {
        /// What it was doing.
        during: &'static str,
        /// What it says.
        message: String,
    },
    /// There is no device of a kind, or none that this program sees.
    #[error("no {device} device: {problem}")]
    NoDevice {
        /// What kind it is.
        device: &'static str,
        /// Why not, and what to do.
        problem: String,
    },
    /// A device has too little memory for a step.
    #[error("the device has too little memory: a step needs {needed} bytes or more, and {free} are free; a smaller batch needs less")]
    Memory {
        /// How many bytes the step needs at least.
        needed: u64,
        /// How many bytes are free.
        free: u64,
    },
    /// A file could not be read or written.
    #[error("{}: cannot {action}: {source}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// What was tried.
        action: &'static str,
        /// Why not.
        source: std::io::Error,
    },
    /// A file is no safetensors file, or only a part of one.
    #[error("{}: not a whole safetensors file: {message}", path.display())]
    Safetensors {
        /// The file.
        path: PathBuf,
        /// What the reader says.
        message: String,
    },
    /// A file is whole, but not as it was written.
    #[error("{}: damaged: the checksum of {what} is not that of what was saved", path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// The tensor that changed, or the header.
        what: String,
    },
    /// A file holds the parameters of another network.
    #[error("{}: these are not the parameters of {network}:{}", path.display(), listed(mismatches))]
    Parameters {
        /// The file.
        path: PathBuf,
        /// The network they were to be loaded into.
        network: &'static str,
        /// What does not match, tensor by tensor.
        mismatches: Vec<Mismatch>,
    },
    /// A data file does not hold what it should.
    #[error("{file}, line {line}: {problem}")]
    Data {
        /// The file.
        file: String,
        /// The line, counted from 1.
        line: u64,
        /// What is wrong with it.
        problem: String,
    },
    /// A binary data file does not hold what it should.
    #[error("{file}: expected {expected}, given {given}")]
    Format {
        /// The file.
        file: String,
        /// What should be there.
        expected: String,
        /// What is there.
        given: String,
    },
    /// A filter that makes no sense, or not on this image.
    #[error("{filter}: expected {expected}, given {given}")]
    Filter {
        /// The filter.
        filter: &'static str,
        /// What it should be given.
        expected: String,
        /// What it is given.
        given: String,
    },
    /// Samples and targets do not make a data set.
    #[error("{what}: expected {expected}, given {given}")]
    Count {
        /// What was counted.
        what: &'static str,
        /// How many there should be.
        expected: usize,
        /// How many there are.
        given: usize,
    },
    /// A class number that is none.
    #[error("target {index}: expected a class below {classes}, given {class}")]
    Class {
        /// Which target, counted from 0.
        index: usize,
        /// How many classes there are.
        classes: usize,
        /// The number given.
        class: usize,
    },
    /// A token id that is none.
    #[error("sample {index}: expected an id below {vocabulary}, given {id}")]
    Id {
        /// Which sample, counted from 0.
        index: usize,
        /// What ids are below.
        vocabulary: usize,
        /// The number given.
        id: usize,
    },
    /// A number that is not finite, where data must be.
    #[error("{what} {index}: expected a finite number, given {value}")]
    NotFinite {
        /// What holds it.
        what: &'static str,
        /// Which sample, counted from 0.
        index: usize,
        /// The number.
        value: f64,
    },
    /// An optimizer that has begun with one model was given another.
    #[error("the optimizer keeps state for {expected} parameters, but is given {given}: use one optimizer for each model")]
    Optimizer {
        /// How many parameters it began with.
        expected: usize,
        /// How many it is given.
        given: usize,
    },
    /// A setting, such as the weight of a penalty, is out of its range.
    #[error("{what}: expected {expected}, given {given}")]
    Setting {
        /// What it is called.
        what: &'static str,
        /// What it should be.
        expected: &'static str,
        /// The number.
        given: f64,
    },
    /// Equations have more than one solution.
    #[error("column {column}: expected none that the columns before it add up to; a penalty makes the solution unique")]
    Dependent {
        /// The first column that is a combination of those before it, counted from 0.
        column: usize,
    },
    /// An iteration did not come to its end.
    #[error("{what}: not converged after {steps} steps; features of mean 0 and deviation 1 need fewer")]
    NotConverged {
        /// What was looked for.
        what: &'static str,
        /// How many steps were made.
        steps: u64,
    },
    /// A file holds the state of another run, or of other code.
    #[error("{}: this is the checkpoint of another run:{}", path.display(), listed(mismatches))]
    Checkpoint {
        /// The file.
        path: PathBuf,
        /// What does not match.
        mismatches: Vec<Mismatch>,
    },
    /// Training left the numbers.
    #[error("epoch {epoch}, batch {batch}: the loss is no longer a number; the first place that is not finite is {place}")]
    Diverged {
        /// Which epoch, counted from 1.
        epoch: u64,
        /// Which batch of it, counted from 1.
        batch: u64,
        /// Where it began.
        place: String,
    },
    /// Another rank of a group could not begin.
    #[error("rank {rank} of the group: {problem}")]
    Rank {
        /// Which rank, counted from 0.
        rank: usize,
        /// What it says.
        problem: String,
    },
    /// The ranks of a group do not do the same.
    #[error("ranks 0 and {rank} do not train the same:{}", listed(mismatches))]
    Apart {
        /// Which rank, counted from 0.
        rank: usize,
        /// What differs.
        mismatches: Vec<Mismatch>,
    },
    /// A layer cannot be written as ONNX.
    #[error("{network}: layer {layer} has no ONNX form: {problem}")]
    Onnx {
        /// The network.
        network: &'static str,
        /// The layer, and its path.
        layer: String,
        /// Why not.
        problem: String,
    },
    /// A gradient is not what central differences say.
    #[error("{network}: {lowering}: d loss / d {of}: expected {expected:e}, given {given:e}")]
    Gradient {
        /// The network that was checked.
        network: &'static str,
        /// Which way it was lowered.
        lowering: &'static str,
        /// The number that was moved: an input or a parameter.
        of: String,
        /// What central differences say.
        expected: f64,
        /// What the way back says.
        given: f64,
    },
}

impl Error {
    /// For `map_err`: the error of a device, with what it was doing.
    pub(crate) fn device<X: core::fmt::Display>(during: &'static str) -> impl Fn(X) -> Error {
        move |error| Error::Device { during, message: error.to_string() }
    }

    /// For `map_err`: the error of a file, with what was tried.
    pub(crate) fn file(path: &std::path::Path, action: &'static str) -> impl Fn(std::io::Error) -> Error {
        move |source| Error::File { path: path.to_owned(), action, source }
    }
}

/// How a tensor of a file differs from the parameter it should be.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum Mismatch {
    /// The network has this parameter, the file has not.
    #[error("{name}: missing, expected {expected}{}", behind(near))]
    Missing {
        /// The parameter.
        name: String,
        /// Its shape.
        expected: Dims,
        /// What it may be called in the file.
        near: Option<String>,
    },
    /// The file has this tensor, the network has no such parameter.
    #[error("{name}: unknown, given {given:?}")]
    Unknown {
        /// The tensor.
        name: String,
        /// Its shape.
        given: Vec<usize>,
    },
    /// Both have it, with different shapes.
    #[error("{name}: expected {expected}, given {given:?}")]
    Shape {
        /// The parameter.
        name: String,
        /// Its shape in the network.
        expected: Dims,
        /// Its shape in the file.
        given: Vec<usize>,
    },
    /// Both names of a tensor are in the file, with different numbers.
    #[error("{name}: expected the numbers of the layer that it is tied to, given others")]
    Tied {
        /// The second name, in the file.
        name: String,
    },
    /// Its numbers are of a type that is not read.
    #[error("{name}: expected F64, F32, F16 or BF16, given {given}")]
    Type {
        /// The parameter.
        name: String,
        /// The type in the file.
        given: String,
    },
    /// A setting is another one.
    #[error("{name}: expected {expected}, given {given}")]
    Value {
        /// What it is called.
        name: String,
        /// What it is now.
        expected: String,
        /// What it was.
        given: String,
    },
    /// One of its numbers is not finite.
    #[error("{name}: expected finite numbers, given {given}")]
    NotFinite {
        /// The parameter.
        name: String,
        /// The number.
        given: f64,
    },
}

/// The mismatches, one to a line.
fn listed(mismatches: &[Mismatch]) -> String {
    mismatches.iter().map(|mismatch| format!("\n  {mismatch}")).collect()
}

/// A remark behind a sentence.
fn behind(remark: &Option<String>) -> String {
    remark.as_ref().map(|remark| format!("; {remark}")).unwrap_or_default()
}
