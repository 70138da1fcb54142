//! formwork: its speed, and whether it computes what PyTorch computes.

#[path = "../../../workloads/mod.rs"]
mod workloads;

use formwork::engine::Precision;
use formwork_peers::{Options, Outcome, Step, WORKLOADS, answer, exit};
use safetensors::{Dtype, SafeTensors};
use std::path::Path;
use std::process::ExitCode;
use workloads::{How, Workload};

/// How far numbers may be from those of PyTorch in `f64`, relative to the largest of a tensor.
const TOLERANCE: f32 = 1e-5;

fn main() -> ExitCode {
    exit(run())
}

fn run() -> Outcome<()> {
    let Some(options) = Options::parse()? else { return Ok(()) };
    let Some(folder) = &options.check else { return answer("formwork", &WORKLOADS, make, &options) };
    let mut all_agree = true;
    for workload in workloads::all(options.times) {
        if options.workloads.is_empty() || options.workloads.iter().any(|name| name == workload.name()) {
            all_agree &= agrees(workload.as_ref(), Path::new(folder))?;
        }
    }
    if all_agree { Ok(()) } else { Err(format!("farther than {TOLERANCE:e} from PyTorch").into()) }
}

fn make(name: &str, options: &Options) -> Outcome<Option<Step>> {
    let mut workloads = workloads::all(options.times).into_iter();
    let workload = workloads.find(|workload| workload.name() == name).ok_or_else(|| format!("no workload is called {name}"))?;
    let precision = if options.tf32 { Precision::Tf32 } else { Precision::Float32 };
    Ok(Some(workload.step(How { threads: options.threads, precision })?))
}

/// Computes the loss and the gradients of a batch, or the output, with the parameters that PyTorch had; prints the tensor that
/// is farthest from PyTorch's.
fn agrees(workload: &dyn Workload, folder: &Path) -> Outcome<bool> {
    let file = |what: &str| folder.join(format!("{}.{what}.safetensors", workload.name()));
    let (batch, expected) = (std::fs::read(file("batch"))?, std::fs::read(file("expected"))?);
    let (batch, expected) = (SafeTensors::deserialize(&batch)?, SafeTensors::deserialize(&expected)?);
    let targets = if workload.name().contains("infer") { Vec::new() } else { numbers(&batch, "targets")? };
    let computed = workload.numbers(&file("parameters"), numbers(&batch, "inputs")?, &targets)?;
    let mut farthest = (0.0, "");
    for (name, numbers) in &computed {
        let distance = distance(numbers, &self::numbers(&expected, name)?).ok_or_else(|| format!("{name} is of another size"))?;
        if distance.is_nan() || distance > farthest.0 {
            farthest = (distance, name);
        }
    }
    println!("{}\t{} tensors\tfarthest: {:.1e} {}", workload.name(), computed.len(), farthest.0, farthest.1);
    Ok(farthest.0 <= TOLERANCE)
}

fn numbers(file: &SafeTensors<'_>, name: &str) -> Outcome<Vec<f32>> {
    let view = file.tensor(name).map_err(|error| format!("{name}: {error}"))?;
    if view.dtype() != Dtype::F32 {
        return Err(format!("{name}: expected F32, given {:?}", view.dtype()).into());
    }
    let (numbers, _) = view.data().as_chunks();
    Ok(numbers.iter().map(|bytes| f32::from_le_bytes(*bytes)).collect())
}

/// The largest difference, relative to the largest number; `None` if there are not as many of one as of the other.
fn distance(a: &[f32], b: &[f32]) -> Option<f32> {
    let largest = b.iter().fold(0.0, |max: f32, x| max.max(x.abs()));
    let difference = a.iter().zip(b).fold(0.0, |max: f32, (a, b)| if max >= (a - b).abs() { max } else { (a - b).abs() });
    (a.len() == b.len()).then_some(if difference == 0.0 { 0.0 } else { difference / largest })
}
