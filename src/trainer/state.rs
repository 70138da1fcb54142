//! Everything that a run is at one moment, as tensors with names: enough to go on as if nothing had happened.

use super::history::History;
use crate::checkpoint::serialized;
use crate::checksum::Facts;
use crate::engine::{Backend, Engine};
use crate::error::Mismatch;
use crate::float::Float;
use crate::learn::{Memory, Optimizer};
use crate::model::Model;
use crate::noise::Noise;
use crate::types::{Dims, NamedParam, Network, Role, Spec, tensors};
use safetensors::tensor::TensorView;
use safetensors::{Dtype, SafeTensors};
use std::collections::BTreeMap;

/// How far a run has come.
pub(super) struct Run<E> {
    /// Epochs that are done.
    pub epoch: u64,
    /// Batches of the next one that are done.
    pub batch: u64,
    /// The sum of the loss over their samples.
    pub loss: f64,
    /// How long they took.
    pub seconds: f64,
    pub history: History,
    pub best: Option<Best<E>>,
    /// Epochs since the best one.
    pub stale: u64,
}

/// The best epoch so far.
pub(super) struct Best<E> {
    /// How good it was.
    pub value: f64,
    /// The parameters and buffers that the model had, if they are to be kept.
    pub kept: Option<[Vec<E>; 2]>,
}

/// What a run must not change when it is resumed.
pub(super) struct Identity {
    pub network: &'static str,
    pub batch_size: usize,
    pub seed: u64,
    pub samples: usize,
    pub keep_best: bool,
}

/// A moment of a run.
#[derive(Default)]
pub(super) struct State {
    tensors: BTreeMap<String, Stored>,
}

struct Stored {
    dtype: Dtype,
    shape: Vec<usize>,
    bytes: Vec<u8>,
}

const TEXT: Dtype = Dtype::U8;

impl State {
    /// The state of a run.
    pub fn of<N: Network, E: Float, D: Backend<E>, G: Engine<E, D>>(
        identity: &Identity,
        model: &Model<N, E, D, G>,
        optimizer: &mut impl Optimizer<E>,
        run: &Run<E>,
    ) -> Self {
        let mut state = State::default();
        let bytes = |numbers: &[E]| E::to_le_bytes(numbers);
        state.put_model(N::SPEC, E::DTYPE, "model", [bytes(&model.parameters()), bytes(&model.buffers())]);
        if let Some(best) = &run.best {
            state.put_number("run.best", best.value);
            if let Some([parameters, buffers]) = &best.kept {
                state.put_model(N::SPEC, E::DTYPE, "best", [bytes(parameters), bytes(buffers)]);
            }
        }
        optimizer.remember(&mut Saver(&mut state));
        state.put_run(identity, model.progress(), [run.epoch, run.batch, run.stale], [run.loss, run.seconds], &run.history);
        state
    }

    /// Puts a run back where it was.
    ///
    /// # Errors
    /// Everything that is not as expected; then nothing has been put back but the optimizer's memory.
    pub fn restore<N: Network, E: Float, D: Backend<E>, G: Engine<E, D>>(
        &self,
        identity: &Identity,
        model: &mut Model<N, E, D, G>,
        optimizer: &mut impl Optimizer<E>,
        run: &mut Run<E>,
    ) -> Result<(), Vec<Mismatch>> {
        let mut loader = Loader { state: self, parameters: N::SCALARS, mismatches: Vec::new(), read: Vec::new() };
        let numbers = |bytes: [Vec<u8>; 2]| bytes.map(|bytes| E::from_le_bytes(&bytes));
        let [parameters, buffers] = numbers(loader.model(N::SPEC, E::DTYPE, "model"));
        let best = self.tensors.contains_key("run.best").then(|| {
            let kept = identity.keep_best.then(|| numbers(loader.model(N::SPEC, E::DTYPE, "best")));
            Best { value: loader.number("run.best"), kept }
        });
        optimizer.remember(&mut loader);
        let Restored { epoch, batch, stale, loss, seconds, history, steps, noise } = loader.run(identity, &run.history)?;
        let device =
            |error: crate::Error| vec![Mismatch::Value { name: "the device".to_owned(), expected: "to work".to_owned(), given: error.to_string() }];
        model.set_parameters(&parameters).map_err(device)?;
        model.set_buffers(&buffers).map_err(device)?;
        model.set_progress(steps, noise);
        *run = Run { epoch, batch, loss, seconds, history, best, stale };
        Ok(())
    }

    /// As a file.
    pub fn to_bytes(&self) -> Vec<u8> {
        let facts = self.tensors.iter().map(|(name, stored)| Facts { name, dtype: stored.dtype, shape: &stored.shape, bytes: &stored.bytes });
        serialized(&facts.collect::<Vec<_>>())
    }

    /// From a file that was read.
    pub fn from_file(file: &SafeTensors<'_>) -> Self {
        let stored = |(name, view): (String, TensorView<'_>)| {
            (name, Stored { dtype: view.dtype(), shape: view.shape().to_vec(), bytes: view.data().to_vec() })
        };
        State { tensors: file.tensors().into_iter().map(stored).collect() }
    }

    /// From what [`State::to_bytes`] has made on another rank; of anything else nothing is left.
    pub fn from_bytes(bytes: &[u8]) -> Self {
        SafeTensors::deserialize(bytes).map(|file| Self::from_file(&file)).unwrap_or_default()
    }

    fn put(&mut self, name: &str, dtype: Dtype, shape: &[usize], bytes: Vec<u8>) {
        self.tensors.insert(name.to_owned(), Stored { dtype, shape: shape.to_vec(), bytes });
    }

    fn put_number(&mut self, name: &str, number: f64) {
        self.put(name, Dtype::F64, &[1], number.to_le_bytes().to_vec());
    }

    fn put_count(&mut self, name: &str, count: u64) {
        self.put(name, Dtype::U64, &[1], count.to_le_bytes().to_vec());
    }

    /// The parameters and buffers of a model.
    fn put_model(&mut self, spec: &'static Spec, dtype: Dtype, prefix: &str, [parameters, buffers]: [Vec<u8>; 2]) {
        let size = dtype.bitsize() / 8;
        for tensor in tensors(spec) {
            let numbers = if tensor.role == Role::Trained { &parameters } else { &buffers };
            let bytes = numbers[tensor.range().start * size..tensor.range().end * size].to_vec();
            self.put(&format!("{prefix}.{}", tensor.name), dtype, tensor.dims.sizes(), bytes);
        }
    }

    /// Everything else.
    fn put_run(
        &mut self,
        identity: &Identity,
        (steps, noise): (u64, Noise),
        [epoch, batch, stale]: [u64; 3],
        [loss, seconds]: [f64; 2],
        history: &History,
    ) {
        for (name, count) in [("epoch", epoch), ("batch", batch), ("stale", stale), ("steps", steps), ("noise", noise.seed())] {
            self.put_count(&format!("run.{name}"), count);
        }
        self.put_number("run.loss", loss);
        self.put_number("run.seconds", seconds);
        let rows = history.rows().concat();
        self.put("run.history", Dtype::F64, &[history.rows().len(), history.columns().len()], <f64 as Float>::to_le_bytes(&rows));
        for (name, text) in identity.texts(history) {
            self.put(&format!("run.{name}"), TEXT, &[text.len()], text.into_bytes());
        }
    }
}

impl Identity {
    fn texts(&self, history: &History) -> [(&'static str, String); 6] {
        [
            ("network", self.network.to_owned()),
            ("batch_size", self.batch_size.to_string()),
            ("seed", self.seed.to_string()),
            ("samples", self.samples.to_string()),
            ("keep_best", self.keep_best.to_string()),
            ("columns", history.columns().join(",")),
        ]
    }
}

/// Takes what an optimizer remembers.
struct Saver<'a>(&'a mut State);

impl<E: Float> Memory<E> for Saver<'_> {
    fn numbers(&mut self, name: &str, numbers: &mut Vec<E>) {
        self.0.put(&format!("optimizer.{name}"), E::DTYPE, &[numbers.len()], E::to_le_bytes(numbers));
    }

    fn count(&mut self, name: &str, count: &mut u64) {
        self.0.put_count(&format!("optimizer.{name}"), *count);
    }
}

/// Reads a state, and notes what is not as expected.
struct Loader<'a> {
    state: &'a State,
    /// How many there are: what an optimizer remembers is as long, or empty.
    parameters: usize,
    mismatches: Vec<Mismatch>,
    read: Vec<String>,
}

/// What a run needs of a state, besides numbers of the model's type.
struct Restored {
    epoch: u64,
    batch: u64,
    stale: u64,
    loss: f64,
    seconds: f64,
    history: History,
    steps: u64,
    noise: Noise,
}

impl Loader<'_> {
    /// All but the model and the optimizer, if everything is as expected.
    fn run(mut self, identity: &Identity, history: &History) -> Result<Restored, Vec<Mismatch>> {
        for (name, expected) in identity.texts(history) {
            self.expect_text(&format!("run.{name}"), expected);
        }
        let [epoch, batch, stale, steps, noise] = ["epoch", "batch", "stale", "steps", "noise"].map(|name| self.whole(&format!("run.{name}")));
        let [loss, seconds] = ["run.loss", "run.seconds"].map(|name| self.number(name));
        let columns = history.columns();
        let rows = self.bytes("run.history", Dtype::F64, None).map_or(Vec::new(), <f64 as Float>::from_le_bytes);
        self.unknown();
        if !self.mismatches.is_empty() {
            return Err(self.mismatches);
        }
        let history = History::new(columns.to_vec(), rows.chunks_exact(columns.len()).map(<[f64]>::to_vec).collect());
        Ok(Restored { epoch, batch, stale, loss, seconds, history, steps, noise: Noise::new(noise) })
    }

    fn number(&mut self, name: &str) -> f64 {
        let bytes = self.bytes(name, Dtype::F64, Some(Dims::new(&[1])));
        bytes.and_then(|bytes| bytes.try_into().ok()).map_or(0.0, f64::from_le_bytes)
    }

    fn whole(&mut self, name: &str) -> u64 {
        let bytes = self.bytes(name, Dtype::U64, Some(Dims::new(&[1])));
        bytes.and_then(|bytes| bytes.try_into().ok()).map_or(0, u64::from_le_bytes)
    }

    fn expect_text(&mut self, name: &str, expected: String) {
        let given = self.bytes(name, TEXT, None).map(|bytes| String::from_utf8_lossy(bytes).into_owned());
        if let Some(given) = given.filter(|given| *given != expected) {
            self.mismatches.push(Mismatch::Value { name: name.to_owned(), expected, given });
        }
    }

    /// The bytes of the parameters and buffers of a model.
    fn model(&mut self, spec: &'static Spec, dtype: Dtype, prefix: &str) -> [Vec<u8>; 2] {
        let [mut parameters, mut buffers] = [const { Vec::new() }; 2];
        for NamedParam { name, dims, role, .. } in tensors(spec) {
            let bytes = self.bytes(&format!("{prefix}.{name}"), dtype, Some(dims)).unwrap_or_default();
            if role == Role::Trained { &mut parameters } else { &mut buffers }.extend_from_slice(bytes);
        }
        [parameters, buffers]
    }

    fn bytes(&mut self, name: &str, dtype: Dtype, dims: Option<Dims>) -> Option<&[u8]> {
        self.read.push(name.to_owned());
        let stored = self.state.tensors.get(name);
        let mismatch = match (stored, dims) {
            (None, _) => Mismatch::Missing { name: name.to_owned(), expected: dims.unwrap_or(Dims::new(&[])), near: None },
            (Some(stored), Some(dims)) if stored.shape != dims.sizes() => {
                Mismatch::Shape { name: name.to_owned(), expected: dims, given: stored.shape.clone() }
            }
            (Some(stored), _) if stored.dtype != dtype => {
                let (expected, given) = (format!("{dtype:?}"), format!("{:?}", stored.dtype));
                Mismatch::Value { name: name.to_owned(), expected, given }
            }
            (Some(stored), _) => return Some(&stored.bytes),
        };
        self.mismatches.push(mismatch);
        None
    }

    /// Notes what nobody has read: the memory of another optimizer.
    fn unknown(&mut self) {
        for (name, stored) in &self.state.tensors {
            if !self.read.contains(name) {
                self.mismatches.push(Mismatch::Unknown { name: name.clone(), given: stored.shape.clone() });
            }
        }
    }
}

impl<E: Float> Memory<E> for Loader<'_> {
    fn numbers(&mut self, name: &str, numbers: &mut Vec<E>) {
        let name = format!("optimizer.{name}");
        let is_empty = self.state.tensors.get(&name).is_some_and(|stored| stored.shape == [0]);
        let length = if is_empty { 0 } else { self.parameters };
        *numbers = self.bytes(&name, E::DTYPE, Some(Dims::new(&[length]))).map_or(Vec::new(), E::from_le_bytes);
    }

    fn count(&mut self, name: &str, count: &mut u64) {
        *count = self.whole(&format!("optimizer.{name}"));
    }
}
