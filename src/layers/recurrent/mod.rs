//! Recurrent layers: a cell that steps along a sequence, and what it remembers.
//!
//! - this file: what all of them have in common, as data, and how they are stacked;
//! - `rnn`, `lstm`, `gru`: a cell each, its gates forward and back;
//! - `scan`: the walk over time on the CPU; `units`: one step of it; `taped`: the same in dfdx operations; `symbolic`: the same in ONNX nodes;
//! - `wrap`: both directions, states given and returned, the last step alone.

mod gru;
mod lstm;
mod rnn;
mod scan;
mod symbolic;
mod taped;
mod units;
mod wrap;

pub use gru::Gru;
pub use lstm::Lstm;
pub use rnn::Rnn;
pub use wrap::{Bidirectional, Last, WithState};

use crate::cpu::{Planner, Value};
use crate::engine::Flat;
use crate::float::Float;
use crate::gpu;
use crate::kernels::numbers::Numbers;
use crate::portable::{Site, Var};
use crate::types::{Dims, Init, Label, Message, Param, Parts, Problem, Reach, Role, Slot};
use core::marker::PhantomData;
use dfdx::tensor::Tape;
use dfdx::tensor_ops::Device;
use gru::GruCell;
use lstm::LstmCell;
use rnn::RnnCell;
use scan::Scan;

/// One unit of a cell in one step: the formula, and its slopes.
///
/// `G` gates are made of `x`, the unit's rows of `W_ih x_t + b_ih`, and of `r`, those of `W_hh h_{t-1} + b_hh`. There are `S`
/// states, the first of which is the output `h`. `K` numbers are kept for the way back.
trait Cell<const G: usize, const S: usize, const K: usize>: Copy + Send + Sync + 'static {
    /// Whether the gates look at nothing but the sums `x + r`.
    const GATES_SEE_SUMS: bool;

    /// The states behind the step, and what is kept. This and the way back are formulas, and `#[inline(always)]`.
    fn forward<N: Numbers>(x: [N; G], r: [N; G], before: [N; S]) -> ([N; S], [N; K]);

    /// The gradients of what goes into the step, of those of the states behind it.
    fn backward<N: Numbers>(kept: [N; K], before: [N; S], d_after: [N; S]) -> Slopes<N, G, S>;

    /// The states behind the step in dfdx operations.
    fn taped<E: Float, D: Device<E>, T: Tape<E, D>>(
        x: [Flat<E, D, T>; G],
        r: [Flat<E, D, T>; G],
        before: [Flat<E, D, T>; S],
    ) -> Result<[Flat<E, D, T>; S], D::Err>;
}

/// The gradients of what goes into a step. That of `h` is what it has beside its way through `r`.
struct Slopes<N, const G: usize, const S: usize> {
    x: [N; G],
    r: [N; G],
    before: [N; S],
}

/// Which cell it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// [`Rnn`]
    Rnn,
    /// [`Lstm`]
    Lstm,
    /// [`Gru`]
    Gru,
}

impl Kind {
    const fn name(self) -> &'static str {
        match self {
            Kind::Rnn => "Rnn",
            Kind::Lstm => "Lstm",
            Kind::Gru => "Gru",
        }
    }

    const fn gates(self) -> usize {
        match self {
            Kind::Rnn => 1,
            Kind::Lstm => 4,
            Kind::Gru => 3,
        }
    }

    /// Its cell on a GPU.
    const fn cell(self) -> gpu::Cell {
        match self {
            Kind::Rnn => gpu::Cell { advance: "rnn_advance", retreat: "rnn_retreat", gates: 1, states: 1, kept: 1 },
            Kind::Lstm => gpu::Cell { advance: "lstm_advance", retreat: "lstm_retreat", gates: 4, states: 2, kept: 5 },
            Kind::Gru => gpu::Cell { advance: "gru_advance", retreat: "gru_retreat", gates: 3, states: 1, kept: 4 },
        }
    }

    /// Where the states are, beside the input.
    const fn slots(self) -> &'static [Slot] {
        match self {
            Kind::Lstm => &[Slot::Hidden, Slot::Cell],
            Kind::Rnn | Kind::Gru => &[Slot::Hidden],
        }
    }
}

/// What a recurrent layer is: an [`Rnn`], an [`Lstm`] or a [`Gru`], and what is wrapped around it.
#[derive(Clone, Copy, Debug)]
pub struct RecurrentSpec {
    kind: Kind,
    /// `I`.
    pub input_size: usize,
    /// `H`.
    pub hidden_size: usize,
    /// `LAYERS`.
    pub num_layers: usize,
    /// Whether the biases are there.
    pub bias: bool,
    bidirectional: bool,
    with_state: bool,
    last: bool,
}

/// The names of the parameters: for each layer, both directions, in PyTorch's order.
macro_rules! names {
    ($($layer:literal)*) => {
        &[$([
            [concat!("weight_ih_l", $layer), concat!("weight_hh_l", $layer), concat!("bias_ih_l", $layer), concat!("bias_hh_l", $layer)],
            [
                concat!("weight_ih_l", $layer, "_reverse"),
                concat!("weight_hh_l", $layer, "_reverse"),
                concat!("bias_ih_l", $layer, "_reverse"),
                concat!("bias_hh_l", $layer, "_reverse"),
            ],
        ]),*]
    };
}

/// There are as many layers at most.
const NAMES: &[[[&str; 4]; 2]] = names!(0 1 2 3 4 5 6 7);

impl RecurrentSpec {
    const fn new(kind: Kind, [input_size, hidden_size, num_layers]: [usize; 3]) -> Self {
        RecurrentSpec { kind, input_size, hidden_size, num_layers, bias: true, bidirectional: false, with_state: false, last: false }
    }

    /// `Lstm<I, H>` or `Last<Bidirectional<Lstm<I, H, LAYERS>>>`.
    pub const fn label(&self) -> Label {
        let mut label = Label::new(self.kind.name(), &[self.input_size, self.hidden_size, self.num_layers]).without_defaults(&[1]);
        if self.bidirectional {
            label = label.wrapped("Bidirectional");
        }
        if !self.bias {
            label = label.wrapped("NoBias");
        }
        if self.with_state {
            label = label.wrapped("WithState");
        }
        if self.last { label.wrapped("Last") } else { label }
    }

    pub(crate) const fn without_bias(self) -> Self {
        RecurrentSpec { bias: false, ..self }
    }

    /// How many directions there are.
    const fn directions(&self) -> usize {
        if self.bidirectional { 2 } else { 1 }
    }

    /// `[T, I] -> [T, H]`, and of the last step alone `[H]`; states of another shape are a problem, and so is padding.
    pub const fn infer(&self, x: Parts<Dims>) -> Result<Parts<Dims>, Problem> {
        let given = x.x;
        if let Some(problem) = self.own_problem() {
            return Err(problem);
        }
        if given.rank() != 2 || given.size(0) == 0 {
            return Err(Problem::rank("a sequence [T, I]", given));
        }
        let (steps, features) = (given.size(0), given.size(1));
        if features != self.input_size {
            return Err(Problem::features(self.input_size, features).fits(RecurrentSpec { input_size: features, ..*self }.label()));
        }
        match x.beside(Slot::Padding) {
            Some(padding) if !padding.same(&Dims::new(&[steps])) => return Err(Problem::beside(Slot::Padding, Dims::new(&[steps]), *padding)),
            _ => {}
        }
        if let Some(problem) = self.problem_of_states(x) {
            return Err(problem);
        }
        let outputs = self.directions() * self.hidden_size;
        Ok(x.with_x(if self.last { Dims::new(&[outputs]) } else { Dims::new(&[steps, outputs]) }))
    }

    /// What is wrong with the layer's own numbers.
    const fn own_problem(&self) -> Option<Problem> {
        if self.hidden_size == 0 {
            return Some(Problem::zero("hidden size"));
        }
        if self.num_layers == 0 {
            return Some(Problem::zero("number of layers"));
        }
        if self.num_layers > NAMES.len() {
            let message = Message::new("stacks ").num(self.num_layers).str(" layers, and ").num(NAMES.len()).str(" are the most");
            return Some(Problem::new(message).help(Message::new("write several of them in a tuple")));
        }
        None
    }

    /// What is wrong with the states beside the input.
    const fn problem_of_states(&self, x: Parts<Dims>) -> Option<Problem> {
        let (slots, wanted, mut i) = (self.kind.slots(), self.states(), 0);
        while self.with_state && i < slots.len() {
            match x.beside(slots[i]) {
                Some(given) if given.same(&wanted) => i += 1,
                Some(given) => return Some(Problem::beside(slots[i], wanted, *given)),
                None => return Some(Problem::missing(slots[i])),
            }
        }
        None
    }

    /// The shape of all hidden states, or all cell states: `[LAYERS * DIRECTIONS, H]`.
    const fn states(&self) -> Dims {
        Dims::new(&[self.num_layers * self.directions(), self.hidden_size])
    }

    /// For each layer and each direction `weight_ih`, `weight_hh`, and `bias_ih`, `bias_hh`; all begin uniform in
    /// `±1 / √H`.
    pub const fn param(&self, i: usize) -> Option<Param> {
        let (run, which) = (i / self.params_per_run(), i % self.params_per_run());
        let (layer, direction) = (run / self.directions(), run % self.directions());
        if layer >= self.num_layers || layer >= NAMES.len() {
            return None;
        }
        let rows = self.kind.gates() * self.hidden_size;
        let dims = match which {
            0 => Dims::new(&[rows, self.inputs_of(layer)]),
            1 => Dims::new(&[rows, self.hidden_size]),
            _ => Dims::new(&[rows]),
        };
        let bound = 1.0 / root(self.hidden_size as f64);
        Some(Param { name: NAMES[layer][direction][which], dims, init: Init::Uniform { bound }, role: Role::Trained })
    }

    /// How many parameters one direction of one layer has.
    const fn params_per_run(&self) -> usize {
        if self.bias { 4 } else { 2 }
    }

    /// How many features a layer of the stack reads.
    const fn inputs_of(&self, layer: usize) -> usize {
        if layer == 0 { self.input_size } else { self.directions() * self.hidden_size }
    }

    /// A multiplication and an addition for each weight in each step, and some for each gate.
    pub const fn flops(&self, x: Parts<Dims>, _y: Parts<Dims>) -> usize {
        let (mut sum, mut layer) = (0, 0);
        while layer < self.num_layers {
            let gates = self.kind.gates() * self.hidden_size;
            sum += self.directions() * gates * (2 * (self.inputs_of(layer) + self.hidden_size) + 6);
            layer += 1;
        }
        sum * x.x.size(0)
    }

    /// All steps.
    pub const fn reach(&self) -> Reach {
        Reach::All
    }

    pub(crate) fn portable<E: Float, D: Device<E>, T: Tape<E, D>>(
        &self,
        site: &Site<'_, E, D, T>,
        x: Parts<Var<E, D, T>>,
        _y: Parts<Dims>,
    ) -> Result<Parts<Var<E, D, T>>, D::Err> {
        match self.kind {
            Kind::Rnn => self.taped::<RnnCell, _, _, _, 1, 1, 1>(site, x),
            Kind::Lstm => self.taped::<LstmCell, _, _, _, 4, 2, 5>(site, x),
            Kind::Gru => self.taped::<GruCell, _, _, _, 3, 1, 4>(site, x),
        }
    }

    pub(crate) fn plan<E: Float>(&self, planner: &mut Planner<E>, x: Parts<Value>, y: Parts<Dims>) -> Parts<Value> {
        match self.kind {
            Kind::Rnn => self.plan_cell::<RnnCell, E, 1, 1, 1>(planner, x, y),
            Kind::Lstm => self.plan_cell::<LstmCell, E, 4, 2, 5>(planner, x, y),
            Kind::Gru => self.plan_cell::<GruCell, E, 3, 1, 4>(planner, x, y),
        }
    }

    pub(crate) fn fused(&self, planner: &mut gpu::Planner, x: Parts<gpu::Value>, y: Parts<Dims>) -> Option<Parts<gpu::Value>> {
        let (steps, slots) = (x.x.dims.size(0), if self.with_state { self.kind.slots() } else { &[] });
        let padding = x.beside(Slot::Padding).copied();
        let mut ends: Vec<Vec<gpu::Value>> = Vec::new();
        let mut parts = x;
        for layer in 0..self.num_layers {
            let has_sequence = layer + 1 < self.num_layers || !self.last;
            let sequence = has_sequence.then(|| planner.value(Dims::new(&[steps, self.directions() * self.hidden_size])));
            for direction in 0..self.directions() {
                let run = layer * self.directions() + direction;
                let [weights, biases] = [0, 2].map(|i| [i, i + 1].map(|i| run * self.params_per_run() + i));
                let walk = gpu::Walk {
                    cell: self.kind.cell(),
                    steps,
                    inputs: self.inputs_of(layer),
                    hidden: self.hidden_size,
                    is_reverse: direction == 1,
                    sequence: sequence.map(|y| (y, direction * self.hidden_size)),
                    padding,
                    weights: weights.map(|i| planner.param(i)),
                    biases: self.bias.then(|| biases.map(|i| planner.param(i))),
                };
                let given = slots.iter().filter_map(|&slot| x.beside(slot).copied());
                let begin: Vec<gpu::Value> =
                    given.map(|states| planner.part(states, run * self.hidden_size, Dims::new(&[self.hidden_size]))).collect();
                ends.push(planner.walk(walk, parts.x, &begin));
            }
            if let Some(sequence) = sequence {
                parts.x = sequence;
            }
        }
        if self.last {
            let last: Vec<gpu::Value> = ends[ends.len() - self.directions()..].iter().map(|states| states[0]).collect();
            parts.x = planner.concat(&last, y.x);
        }
        for (state, &slot) in slots.iter().enumerate() {
            let list: Vec<gpu::Value> = ends.iter().map(|states| states[state]).collect();
            parts.put(slot, Some(planner.concat(&list, self.states())));
        }
        Some(parts)
    }

    /// Whether it walks forward only, and says something at each step.
    pub(crate) const fn streams(&self) -> bool {
        !self.bidirectional && !self.with_state && !self.last
    }

    /// A step for each layer of the stack; what it makes of the states follows its sequence.
    fn plan_cell<C: Cell<G, S, K>, E: Float, const G: usize, const S: usize, const K: usize>(
        &self,
        planner: &mut Planner<E>,
        x: Parts<Value>,
        y: Parts<Dims>,
    ) -> Parts<Value> {
        let of_layer = Dims::new(&[self.directions(), self.hidden_size]);
        let is_streaming = planner.stream().is_some();
        let keeps = self.with_state || is_streaming;
        let given: Vec<Value> = match is_streaming {
            true => self.kind.slots().iter().map(|_| planner.carried(self.states())).collect(),
            false => self.kind.slots().iter().filter(|_| self.with_state).filter_map(|&slot| x.beside(slot).copied()).collect(),
        };
        let mut returned: [Vec<Value>; S] = core::array::from_fn(|_| Vec::new());
        let (mut out, mut param) = (x.x, 0);
        for layer in 0..self.num_layers {
            let has_sequence = layer + 1 < self.num_layers || !self.last;
            let scan = Scan::<C, G, S, K> {
                steps: x.x.dims.size(0),
                inputs: self.inputs_of(layer),
                hidden: self.hidden_size,
                directions: self.directions(),
                bias: self.bias,
                first_param: param,
                has_begin: keeps,
                has_padding: x.beside(Slot::Padding).is_some(),
                has_sequence,
                has_end: keeps || !has_sequence,
                cell: PhantomData,
            };
            param += scan.params();
            let before = given.iter().map(|&states| planner.part(states, layer * of_layer.numel(), of_layer));
            let inputs: Vec<Value> = core::iter::once(out).chain(before).chain(x.beside(Slot::Padding).copied()).collect();
            let all = planner.step(scan, &inputs, Dims::new(&[scan.width()]));
            for (state, list) in returned.iter_mut().enumerate().filter(|_| keeps) {
                list.push(planner.part(all, scan.sequence() + state * of_layer.numel(), of_layer));
            }
            let dims = if has_sequence { Dims::new(&[scan.steps, of_layer.numel()]) } else { y.x };
            out = if scan.width() == dims.numel() { all.with_dims(dims) } else { planner.part(all, 0, dims) };
        }
        let mut parts = x.with_x(out);
        if is_streaming {
            for (list, &before) in returned.iter().zip(&given) {
                let after = planner.concat(list, self.states());
                planner.carry(after, before);
            }
            return parts;
        }
        for (&slot, list) in self.kind.slots().iter().zip(&returned).filter(|_| self.with_state) {
            parts.put(slot, Some(planner.concat(list, self.states())));
        }
        parts
    }
}

/// `√x` in constants, for `x >= 1`: Newton's steps come from above until they no longer get smaller.
const fn root(x: f64) -> f64 {
    let mut root = x;
    loop {
        let next = 0.5 * (root + x / root);
        if next >= root {
            return root;
        }
        root = next;
    }
}

#[cfg(test)]
mod tests {
    use super::root;

    #[test]
    fn roots_of_whole_numbers() {
        for x in (1..2000).map(f64::from) {
            assert!((root(x) - x.sqrt()).abs() <= 1e-15 * x, "{x}");
        }
    }
}
