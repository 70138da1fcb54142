//! Recurrent layers: outputs and last states, and the gradients of `sum(y * dy) + sum(h_n * dh_n) + sum(c_n * dc_n)`.
//!
//! For every case:
//! ```python
//! y, (h_n, c_n) = layer(x, (h_0, c_0))  # of an LSTM; others have no cell states
//! torch.autograd.backward([y, h_n, c_n], [dy, dh_n, dc_n])  # dx = x.grad, dh_0 = h_0.grad, ..
//! ```
//! PyTorch's states are `[layers * directions, N, H]`; here each sample has its own, `[layers * directions, H]`.

use super::family::{Family, Subject};
use super::layers::WeightedSum;
use super::reference::{Comparison, Golden};
use core::marker::PhantomData;
use formwork::engine::{Architecture, Engine, Objective, State};
use formwork::prelude::*;
use formwork::types::{Cell, Dims, Hidden, Parts, Slot, With};
use serde::Deserialize;

#[derive(Deserialize)]
struct Hyper {
    initial_state: InitialState,
}

#[derive(PartialEq, Deserialize)]
#[serde(rename_all = "lowercase")]
enum InitialState {
    Zeros,
    Given,
}

/// A layer with its states, and the same layer without them, which then begins with zeros.
struct Recurrent<N, WithoutState>(PhantomData<fn() -> (N, WithoutState)>);

impl<N: Network, WithoutState: Network> Subject for Recurrent<N, WithoutState> {
    fn compare<E: Float, D: Backend<E>, G: Engine<E, D>>(&self, device: &D, golden: &Golden, comparison: &mut Comparison<'_>) -> Result<(), Error> {
        let params = N::parameters();
        let names: Vec<String> = params.iter().map(|param| param.name.clone()).collect();
        let state = State { parameters: golden.flat(&params, &names), buffers: Vec::new() };
        let samples = golden.shape("x")[0];
        let is_given = golden.hyper::<Hyper>().initial_state == InitialState::Given;
        if !is_given {
            let engine = G::new(device, Architecture::of::<WithoutState>(), state.clone())?;
            let x = golden.numbers::<E>("x");
            let shape = (x.len(),);
            comparison.tensor("y", &engine.infer(device.tensor_from_vec(x, shape), samples)?.as_vec());
        }

        let mut engine = G::new(device, Architecture::of::<N>(), state)?;
        let zeros = |part: &Part| vec![E::zero(); samples * part.dims.numel()];
        let input = |part: &Part| if is_given || part.state.is_none() { part.read(golden, "", "_0") } else { zeros(part) };
        let inputs = beside(&parts(N::Input::PARTS), samples, input);
        let upstream = beside(&parts(N::Output::PARTS), samples, |part| part.read(golden, "d", "_n"));
        let objective = WeightedSum::new(upstream, samples);
        let gradients = engine.gradients(&inputs, samples, None, Objective::ByParts(&objective))?;

        let outputs = objective.outputs();
        for part in parts(N::Output::PARTS) {
            part.compare(comparison, &outputs, ["", "_n"]);
        }
        for part in parts(N::Input::PARTS).iter().filter(|part| is_given || part.state.is_none()) {
            part.compare(comparison, &gradients.inputs, ["d", "_0"]);
        }
        for param in &params {
            comparison.tensor(&format!("d{}", param.name), &gradients.parameters[param.range()]);
        }
        Ok(())
    }
}

/// A part of a sample, which lies at `begin` of `width` numbers.
struct Part {
    /// What a case calls the states, `h` or `c`; none for the sequence.
    state: Option<&'static str>,
    dims: Dims,
    begin: usize,
    width: usize,
}

/// What `numbers` lists for the parts, one part beside the other for each sample.
fn beside<E: Float>(parts: &[Part], samples: usize, numbers: impl Fn(&Part) -> Vec<E>) -> Vec<E> {
    let columns: Vec<(usize, Vec<E>)> = parts.iter().map(|part| (part.dims.numel(), numbers(part))).collect();
    let row = |sample: usize| columns.iter().flat_map(move |(width, numbers)| &numbers[sample * width..(sample + 1) * width]).copied();
    (0..samples).flat_map(row).collect()
}

/// The parts of an input or an output, in order.
fn parts(of: Parts<Dims>) -> Vec<Part> {
    let states = [(Slot::Hidden, "h"), (Slot::Cell, "c")].into_iter().filter_map(|(slot, state)| Some((Some(state), *of.beside(slot)?)));
    let mut begin = 0;
    let part = |(state, dims): (Option<&'static str>, Dims)| {
        begin += dims.numel();
        Part { state, dims, begin: begin - dims.numel(), width: of.numel() }
    };
    core::iter::once((None, of.x)).chain(states).map(part).collect()
}

impl Part {
    /// What it is called in a case, with this before it and, for states, behind it.
    fn name(&self, [before, behind]: [&str; 2]) -> String {
        match (self.state, behind) {
            (Some(state), _) => format!("{before}{state}{behind}"),
            (None, "_0") => format!("{before}x"),
            (None, _) => format!("{before}y"),
        }
    }

    /// Its numbers in a case, sample by sample.
    fn read<E: Float>(&self, golden: &Golden, before: &str, behind: &str) -> Vec<E> {
        let (name, [rows, width]) = (self.name([before, behind]), [self.dims.size(0), self.dims.size(1)]);
        let numbers = golden.numbers::<E>(&name);
        assert!(golden.shape(&name).ends_with(&[width]), "{name}");
        if self.state.is_some() { swapped(&numbers, [rows, numbers.len() / (rows * width), width]) } else { numbers }
    }

    /// Compares its columns of a table.
    fn compare<E: Float>(&self, comparison: &mut Comparison<'_>, table: &[E], around: [&str; 2]) {
        let own: Vec<E> = table.chunks_exact(self.width).flat_map(|row| &row[self.begin..self.begin + self.dims.numel()]).copied().collect();
        let samples = table.len() / self.width;
        let own = if self.state.is_some() { swapped(&own, [samples, self.dims.size(0), self.dims.size(1)]) } else { own };
        comparison.tensor(&self.name(around), &own);
    }
}

/// `[A, B, C] -> [B, A, C]`
fn swapped<E: Float>(numbers: &[E], [a, b, c]: [usize; 3]) -> Vec<E> {
    (0..b).flat_map(|j| (0..a).flat_map(move |i| &numbers[(i * b + j) * c..][..c])).copied().collect()
}

impl Family {
    fn recurrent<L: Layer + 'static, I: Sample, O: Sample, S>(&mut self, name: &str)
    where
        With<I, S>: Sample,
        With<O, S>: Sample,
        S: 'static,
    {
        type Full<L, I, O, S> = Net<WithState<L>, With<I, S>, With<O, S>>;
        const { formwork::types::check::<Full<L, I, O, S>>() };
        self.check(name, &Recurrent::<Full<L, I, O, S>, Net<L, I, O>>(PhantomData));
    }
}

/// The states of an RNN or a GRU: those of `R` runs, which are layers and directions.
type States<const R: usize, const H: usize> = (Hidden<Rank2<R, H>>,);

/// The states of an LSTM.
type CellStates<const R: usize, const H: usize> = (Hidden<Rank2<R, H>>, Cell<Rank2<R, H>>);

/// ```python
/// layer = torch.nn.RNN(input_size, hidden_size, num_layers, bias=bias, batch_first=True)
/// ```
pub fn rnn(family: &mut Family) {
    family.recurrent::<Rnn<3, 4>, Rank2<17, 3>, Rank2<17, 4>, States<1, 4>>("rnn_t17_zero");
    family.recurrent::<Rnn<4, 5>, Rank2<17, 4>, Rank2<17, 5>, States<1, 5>>("rnn_t17_given");
    family.recurrent::<Rnn<5, 3>, Rank2<1, 5>, Rank2<1, 3>, States<1, 3>>("rnn_t1_given");
    family.recurrent::<Rnn<2, 4>, Rank2<1, 2>, Rank2<1, 4>, States<1, 4>>("rnn_t1_zero");
    family.recurrent::<Rnn<3, 4, 2>, Rank2<6, 3>, Rank2<6, 4>, States<2, 4>>("rnn_2layers_t6_given");
    family.recurrent::<Rnn<2, 3, 2>, Rank2<17, 2>, Rank2<17, 3>, States<2, 3>>("rnn_2layers_t17_zero");
    family.recurrent::<NoBias<Rnn<3, 3>>, Rank2<5, 3>, Rank2<5, 3>, States<1, 3>>("rnn_nobias_t5");
    family.recurrent::<Rnn<1, 1>, Rank2<17, 1>, Rank2<17, 1>, States<1, 1>>("rnn_scalar_t17");
}

/// ```python
/// layer = torch.nn.LSTM(input_size, hidden_size, num_layers, bias=bias, batch_first=True, bidirectional=bidirectional)
/// ```
pub fn lstm(family: &mut Family) {
    family.recurrent::<Lstm<3, 4>, Rank2<17, 3>, Rank2<17, 4>, CellStates<1, 4>>("lstm_t17_zero");
    family.recurrent::<Lstm<4, 5>, Rank2<17, 4>, Rank2<17, 5>, CellStates<1, 5>>("lstm_t17_given");
    family.recurrent::<Lstm<5, 3>, Rank2<1, 5>, Rank2<1, 3>, CellStates<1, 3>>("lstm_t1_given");
    family.recurrent::<Lstm<2, 4>, Rank2<1, 2>, Rank2<1, 4>, CellStates<1, 4>>("lstm_t1_zero");
    family.recurrent::<Lstm<3, 4, 2>, Rank2<6, 3>, Rank2<6, 4>, CellStates<2, 4>>("lstm_2layers_t6_given");
    family.recurrent::<Lstm<2, 3, 2>, Rank2<17, 2>, Rank2<17, 3>, CellStates<2, 3>>("lstm_2layers_t17_zero");
    family.recurrent::<NoBias<Lstm<3, 3>>, Rank2<5, 3>, Rank2<5, 3>, CellStates<1, 3>>("lstm_nobias_t5");
    family.recurrent::<Lstm<1, 1>, Rank2<17, 1>, Rank2<17, 1>, CellStates<1, 1>>("lstm_scalar_t17");
    family.recurrent::<Bidirectional<Lstm<3, 4>>, Rank2<17, 3>, Rank2<17, 8>, CellStates<2, 4>>("lstm_bi_t17_given");
    family.recurrent::<Bidirectional<Lstm<3, 4>>, Rank2<1, 3>, Rank2<1, 8>, CellStates<2, 4>>("lstm_bi_t1_zero");
    family.recurrent::<Bidirectional<Lstm<3, 3, 2>>, Rank2<6, 3>, Rank2<6, 6>, CellStates<4, 3>>("lstm_bi_2layers_t6_given");
}

/// ```python
/// layer = torch.nn.GRU(input_size, hidden_size, num_layers, bias=bias, batch_first=True)
/// ```
pub fn gru(family: &mut Family) {
    family.recurrent::<Gru<3, 4>, Rank2<17, 3>, Rank2<17, 4>, States<1, 4>>("gru_t17_zero");
    family.recurrent::<Gru<4, 5>, Rank2<17, 4>, Rank2<17, 5>, States<1, 5>>("gru_t17_given");
    family.recurrent::<Gru<5, 3>, Rank2<1, 5>, Rank2<1, 3>, States<1, 3>>("gru_t1_given");
    family.recurrent::<Gru<2, 4>, Rank2<1, 2>, Rank2<1, 4>, States<1, 4>>("gru_t1_zero");
    family.recurrent::<Gru<3, 4, 2>, Rank2<6, 3>, Rank2<6, 4>, States<2, 4>>("gru_2layers_t6_given");
    family.recurrent::<Gru<2, 3, 2>, Rank2<17, 2>, Rank2<17, 3>, States<2, 3>>("gru_2layers_t17_zero");
    family.recurrent::<NoBias<Gru<3, 3>>, Rank2<5, 3>, Rank2<5, 3>, States<1, 3>>("gru_nobias_t5");
    family.recurrent::<Gru<1, 1>, Rank2<17, 1>, Rank2<17, 1>, States<1, 1>>("gru_scalar_t17");
}
