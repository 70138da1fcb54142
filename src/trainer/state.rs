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
use crate::types::{Dims, NamedParam, Network, Role, tensors};
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
    pub parameters: Vec<E>,
    pub buffers: Vec<E>,
}

/// What a run must not change when it is resumed.
pub(super) struct Identity {
    pub network: &'static str,
    pub batch_size: usize,
    pub seed: u64,
    pub samples: usize,
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
        state.put_model::<N, E>("model", &model.parameters(), &model.buffers());
        if let Some(best) = &run.best {
            state.put_model::<N, E>("best", &best.parameters, &best.buffers);
            state.put_numbers("run.best", &[1], &[best.value]);
        }
        optimizer.remember(&mut Saver(&mut state));
        let (steps, noise) = model.progress();
        for (name, count) in [("epoch", run.epoch), ("batch", run.batch), ("stale", run.stale), ("steps", steps), ("noise", noise.seed())] {
            state.put_count(&format!("run.{name}"), count);
        }
        state.put_numbers("run.loss", &[1], &[run.loss]);
        state.put_numbers("run.seconds", &[1], &[run.seconds]);
        let rows: Vec<f64> = run.history.rows().concat();
        state.put_numbers("run.history", &[run.history.rows().len(), run.history.columns().len()], &rows);
        for (name, text) in identity.texts(&run.history) {
            state.put(&format!("run.{name}"), TEXT, &[text.len()], text.into_bytes());
        }
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
        for (name, expected) in identity.texts(&run.history) {
            loader.expect_text(&format!("run.{name}"), expected);
        }
        let (parameters, buffers) = loader.model::<N, E>("model");
        let best = self.tensors.contains_key("run.best").then(|| {
            let (parameters, buffers) = loader.model::<N, E>("best");
            Best { value: loader.number("run.best"), parameters, buffers }
        });
        optimizer.remember(&mut loader);
        let [epoch, batch, stale, steps, noise] = ["epoch", "batch", "stale", "steps", "noise"].map(|name| loader.whole(&format!("run.{name}")));
        let [loss, seconds] = ["run.loss", "run.seconds"].map(|name| loader.number(name));
        let width = run.history.columns().len();
        let rows = loader.numbers_of::<f64>("run.history", None);
        loader.unknown();
        if !loader.mismatches.is_empty() {
            return Err(loader.mismatches);
        }
        let device =
            |error: crate::Error| vec![Mismatch::Value { name: "the device".to_owned(), expected: "to work".to_owned(), given: error.to_string() }];
        model.set_parameters(&parameters).map_err(device)?;
        model.set_buffers(&buffers).map_err(device)?;
        model.set_progress(steps, Noise::new(noise));
        let history = History::new(run.history.columns().to_vec(), rows.chunks_exact(width).map(<[f64]>::to_vec).collect());
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

    fn put(&mut self, name: &str, dtype: Dtype, shape: &[usize], bytes: Vec<u8>) {
        self.tensors.insert(name.to_owned(), Stored { dtype, shape: shape.to_vec(), bytes });
    }

    fn put_numbers<E: Float>(&mut self, name: &str, shape: &[usize], numbers: &[E]) {
        self.put(name, E::DTYPE, shape, E::to_le_bytes(numbers));
    }

    fn put_count(&mut self, name: &str, count: u64) {
        self.put(name, Dtype::U64, &[1], count.to_le_bytes().to_vec());
    }

    fn put_model<N: Network, E: Float>(&mut self, prefix: &str, parameters: &[E], buffers: &[E]) {
        for tensor in tensors(N::SPEC) {
            let numbers = if tensor.role == Role::Trained { parameters } else { buffers };
            self.put_numbers(&format!("{prefix}.{}", tensor.name), tensor.dims.sizes(), &numbers[tensor.range()]);
        }
    }
}

impl Identity {
    fn texts(&self, history: &History) -> [(&'static str, String); 5] {
        [
            ("network", self.network.to_owned()),
            ("batch_size", self.batch_size.to_string()),
            ("seed", self.seed.to_string()),
            ("samples", self.samples.to_string()),
            ("columns", history.columns().join(",")),
        ]
    }
}

/// Takes what an optimizer remembers.
struct Saver<'a>(&'a mut State);

impl<E: Float> Memory<E> for Saver<'_> {
    fn numbers(&mut self, name: &str, numbers: &mut Vec<E>) {
        self.0.put_numbers(&format!("optimizer.{name}"), &[numbers.len()], numbers);
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

impl Loader<'_> {
    /// The numbers of a tensor, which may have to have a shape.
    fn numbers_of<E: Float>(&mut self, name: &str, dims: Option<Dims>) -> Vec<E> {
        self.bytes(name, E::DTYPE, dims).map_or(Vec::new(), |bytes| E::from_le_bytes(bytes))
    }

    fn number(&mut self, name: &str) -> f64 {
        self.numbers_of(name, Some(Dims::new(&[1]))).first().copied().unwrap_or_default()
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

    /// The parameters and buffers of a model.
    fn model<N: Network, E: Float>(&mut self, prefix: &str) -> (Vec<E>, Vec<E>) {
        let (mut parameters, mut buffers) = (Vec::with_capacity(N::SCALARS), Vec::new());
        for NamedParam { name, dims, role, .. } in tensors(N::SPEC) {
            let numbers: Vec<E> = self.numbers_of(&format!("{prefix}.{name}"), Some(dims));
            if role == Role::Trained { &mut parameters } else { &mut buffers }.extend(numbers);
        }
        (parameters, buffers)
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
        *numbers = self.numbers_of(&name, Some(Dims::new(&[length])));
    }

    fn count(&mut self, name: &str, count: &mut u64) {
        *count = self.whole(&format!("optimizer.{name}"));
    }
}
