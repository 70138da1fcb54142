//! Networks to be compared with what onnxruntime makes of their files.

#[path = "../python/mod.rs"]
mod python;

use formwork::cpu::Static;
use formwork::engine::{Architecture, Engine, State};
use formwork::onnx::Initializer;
use formwork::prelude::*;
use formwork::types::{Dims, Init, NamedParam, Parts, Slot};
use serde_json::{Value, json};
use std::process::Command;

/// What compares: it is given a folder.
const SCRIPT: &str = include_str!("../onnx.py");

/// Sizes of batches: a file is for all.
const BATCHES: [usize; 2] = [1, 3];

/// Networks as ONNX files, and what they make of some samples.
pub struct Cases {
    folder: tempfile::TempDir,
    cases: Vec<Value>,
}

impl Cases {
    pub fn new() -> Self {
        Cases { folder: tempfile::tempdir().unwrap(), cases: Vec::new() }
    }

    /// A network whose parameters and buffers are all drawn at random.
    pub fn add<N: Network, E: Float>(&mut self, name: &str)
    where
        Cpu: Backend<E, Engine = Static<E>>,
        Static<E>: Engine<E, Cpu>,
    {
        let mut model = Model::<N, E, Cpu>::new(7);
        model.set_parameters(&drawn(&N::parameters(), model.parameters())).unwrap();
        model.set_buffers(&drawn(&N::buffers(), model.buffers())).unwrap();
        let graph = model.onnx().unwrap_or_else(|error| panic!("{name}: {error}"));
        let is_read = |initializer: &&Initializer| graph.nodes().iter().any(|node| node.inputs.contains(&initializer.tensor));
        let idle = graph.initializers().iter().find(|initializer| !is_read(initializer));
        assert!(idle.is_none(), "{name}: no node reads {idle:?}");
        let file = format!("{}.onnx", self.cases.len());
        model.export_onnx(self.folder.path().join(&file)).unwrap_or_else(|error| panic!("{name}: {error}"));
        let state = State { parameters: model.parameters(), buffers: model.buffers() };
        let case = case(Architecture::of::<N>(), state);
        let names: Vec<String> = N::parameters().into_iter().map(|param| param.name).collect();
        let about = json!({ "name": name, "file": file, "number": format!("float{}", 8 * size_of::<E>()), "parameters": names });
        self.cases.push(merged(about, case));
    }

    /// Compares all of them. Without onnxruntime there is nothing to compare with, unless `FORMWORK_PYTHON` says where it is.
    pub fn check(self) {
        std::fs::write(self.folder.path().join("cases.json"), Value::from(self.cases).to_string()).unwrap();
        let Some(python) = python::find("numpy, onnx, onnxruntime") else { return };
        let output = Command::new(python).args(["-c", SCRIPT]).arg(self.folder.path()).output().unwrap();
        let text = String::from_utf8_lossy(&output.stdout);
        assert!(output.status.success(), "{text}{}", String::from_utf8_lossy(&output.stderr));
        println!("{text}");
    }
}

/// What a network makes of batches of samples.
fn case<E: Float>(network: Architecture, state: State<E>) -> Value
where
    Cpu: Backend<E>,
    Static<E>: Engine<E, Cpu>,
{
    let engine = Static::<E>::new(&Cpu::default(), network, state).unwrap();
    let batch = |&samples: &usize| {
        let inputs = samples_of::<E>(samples, network.input);
        let outputs = engine.predict(&inputs, samples).unwrap();
        json!({ "samples": samples, "inputs": plain(&inputs), "outputs": plain(&outputs) })
    };
    let batches: Vec<Value> = BATCHES.iter().map(batch).collect();
    json!({ "inputs": ports(network.input, "x", ""), "outputs": ports(network.output, "y", "y_"), "batches": batches })
}

/// The numbers of a model, of which those that begin as zeros or ones are a little off at random: nothing is seen of them else.
fn drawn<E: Float>(tensors: &[NamedParam], mut numbers: Vec<E>) -> Vec<E> {
    let mut noise = uniform(1);
    for tensor in tensors.iter().filter(|tensor| matches!(tensor.init, Init::Constant(_))) {
        numbers[tensor.range()].iter_mut().zip(&mut noise).for_each(|(x, u)| *x += E::of(0.4 * (u - 0.5)));
    }
    numbers
}

fn merged(mut a: Value, mut b: Value) -> Value {
    a.as_object_mut().unwrap().append(b.as_object_mut().unwrap());
    a
}

fn plain<E: Float>(numbers: &[E]) -> Vec<f64> {
    numbers.iter().map(|x| x.f64()).collect()
}

/// The parts of a sample, in the order in which it holds them.
fn parts(sample: Parts<Dims>) -> Vec<(Option<Slot>, Dims)> {
    let sides = Slot::ALL.into_iter().filter_map(|slot| Some((Some(slot), *sample.beside(slot)?)));
    core::iter::once((None, sample.x)).chain(sides).collect()
}

/// The parts under their names in the file.
fn ports(sample: Parts<Dims>, x: &str, before: &str) -> Vec<Value> {
    let name = |slot: Option<Slot>| slot.map_or(x.to_owned(), |slot| format!("{before}{}", slot.name()));
    parts(sample).iter().map(|(slot, dims)| json!({ "name": name(*slot), "sizes": dims.sizes(), "ids": dims.vocabulary().is_some() })).collect()
}

/// Numbers between 0 and 1.
fn uniform(stream: u64) -> impl Iterator<Item = f64> {
    let noise = formwork::Noise::new(3).split(stream);
    (0..).map(move |i| noise.uniform(i))
}

/// Samples that are what a network is declared to take: numbers, ids, and padding anywhere. Sample 1 is padding alone.
fn samples_of<E: Float>(samples: usize, input: Parts<Dims>) -> Vec<E> {
    let mut numbers = uniform(samples as u64 + 10);
    let mut rows = Vec::new();
    for sample in 0..samples {
        for (slot, dims) in parts(input) {
            let number = |u: f64| match (slot, dims.vocabulary()) {
                (_, Some(vocabulary)) => (u * vocabulary as f64).floor(),
                (Some(Slot::Padding | Slot::MemoryPadding), _) => f64::from(u8::from(sample == 1 || u < 0.4)),
                _ => 2.0 * u - 1.0,
            };
            rows.extend(numbers.by_ref().take(dims.numel()).map(|u| E::of(number(u))));
        }
    }
    rows
}
