//! Recurrent layers as ONNX nodes.
//!
//! ONNX puts time first, `[T, B, I]`, and has one node for both directions of a layer of a stack. It knows padding at the end of
//! a sequence only, as a length: where padding is beside the input, the steps that are none are put first, which changes
//! nothing, because a padded step keeps the states.

use super::{Kind, RecurrentSpec};
use crate::onnx::{Attribute, Graph, Samples, Tensor};
use crate::types::{Dims, Parts, Slot};

/// What is known of the padding beside a sequence.
struct Kept {
    /// The matrix that puts the steps first that are no padding, and zeros behind them: `[B, T, T]`.
    first: Tensor,
    /// How many there are, but 1 where there is none, which ONNX does not know: `[B]`.
    lengths: Tensor,
    /// Whether there is any: `[B, 1]`.
    is_any: Tensor,
}

impl Kept {
    fn new(graph: &mut Graph, padding: Tensor, steps: usize) -> Self {
        let (axis, zero, one) = (graph.ints(&[1]), graph.constant(&[0.0], &[]), graph.constant(&[1.0], &[]));
        let kept = graph.node("Sub", &[one, padding], &[]); // [B, T]
        let counted = graph.node("CumSum", &[kept, axis], &[]);
        let places: Vec<f64> = (1..=steps).map(|place| place as f64).collect();
        let places = graph.constant(&places, &[steps, 1]);
        let [row, counted] = [kept, counted].map(|x| graph.reshape_samples(x, &[1, steps]));
        let is_there = graph.node("Equal", &[counted, places], &[]); // [B, T, T]
        let first = graph.node("Where", &[is_there, row, zero], &[]);
        let count = graph.node("ReduceSum", &[kept, axis], &[]); // [B, 1]
        let lengths = graph.node("Max", &[count, one], &[]);
        let lengths = graph.reshape(lengths, &[-1]);
        let lengths = graph.node("Cast", &[lengths], &[("to", Attribute::Int(INT32))]);
        Kept { first, lengths, is_any: graph.node("Greater", &[count, zero], &[]) }
    }
}

/// ONNX's number for the type.
const INT32: i64 = 6;

impl Kind {
    /// The gates in ONNX's order, by their numbers in PyTorch's: i, o, f, g of i, f, g, o; z, r, n of r, z, n.
    const fn order(self) -> &'static [i64] {
        match self {
            Kind::Rnn => &[0],
            Kind::Lstm => &[0, 3, 1, 2],
            Kind::Gru => &[1, 0, 2],
        }
    }
}

impl RecurrentSpec {
    pub(crate) fn onnx(&self, graph: &mut Graph, mut x: Parts<Samples>, y: Parts<Dims>) -> Parts<Samples> {
        let (steps, directions) = (x.x.dims.size(0), self.directions());
        let kept = x.beside(Slot::Padding).map(|padding| Kept::new(graph, padding.tensor, steps));
        let first = match &kept {
            Some(kept) => graph.node("MatMul", &[kept.first, x.x.tensor], &[]),
            None => x.x.tensor,
        };
        let given: Vec<Tensor> =
            self.kind.slots().iter().filter(|_| self.with_state).filter_map(|&slot| x.beside(slot)).map(|states| states.tensor).collect();
        let given: Vec<Tensor> = given.into_iter().map(|states| graph.transpose(states, &[1, 0, 2])).collect(); // [L D, B, H]
        let mut sequence = graph.transpose(first, &[1, 0, 2]); // [T, B, I]
        let mut ends: Vec<Vec<Tensor>> = Vec::new();
        for layer in 0..self.num_layers {
            let own = [layer * directions, (layer + 1) * directions];
            let begins: Vec<Tensor> = given.iter().map(|&states| graph.slice(states, 0, own)).collect();
            let [out, states @ ..] = self.layer(graph, layer, sequence, kept.as_ref(), &begins);
            let out = graph.transpose(out, &[0, 2, 1, 3]); // [T, D, B, H] -> [T, B, D, H]
            sequence = graph.reshape(out, &[0, 0, (directions * self.hidden_size) as i64]);
            ends.push(states.to_vec());
        }
        let tensor = match &ends[..] {
            [.., end] if self.last => {
                let end = graph.transpose(end[0], &[1, 0, 2]);
                graph.reshape_samples(end, y.x.sizes())
            }
            _ => self.in_place(graph, sequence, kept.as_ref()),
        };
        x.x = Samples { tensor, dims: y.x };
        for (state, &slot) in self.kind.slots().iter().enumerate().filter(|_| self.with_state) {
            let of_layers: Vec<Tensor> = ends.iter().map(|end| end[state]).collect();
            let all = graph.concat(&of_layers, 0);
            x.put(slot, Some(Samples { tensor: graph.transpose(all, &[1, 0, 2]), dims: self.states() }));
        }
        x
    }

    /// `[T, B, D H] -> [B, T, D H]`, with the steps where they came from and zeros where there is padding.
    fn in_place(&self, graph: &mut Graph, sequence: Tensor, kept: Option<&Kept>) -> Tensor {
        let sequence = graph.transpose(sequence, &[1, 0, 2]);
        let Some(kept) = kept else { return sequence };
        let back = graph.transpose(kept.first, &[0, 2, 1]);
        graph.node("MatMul", &[back, sequence], &[])
    }

    /// One layer of the stack: its outputs `[T, D, B, H]`, and its states `[D, B, H]`, of which only an LSTM has two.
    fn layer(&self, graph: &mut Graph, layer: usize, x: Tensor, kept: Option<&Kept>, begins: &[Tensor]) -> [Tensor; 3] {
        let [weight_ih, weight_hh] = [0, 1].map(|which| self.gates(graph, layer, which));
        let biases = self.bias.then(|| {
            let biases = [2, 3].map(|which| self.gates(graph, layer, which));
            graph.concat(&biases, 1)
        });
        let lengths = kept.map_or(Tensor::ABSENT, |kept| kept.lengths);
        let inputs = [&[x, weight_ih, weight_hh, biases.unwrap_or(Tensor::ABSENT), lengths], begins].concat();
        let mut attributes = vec![
            ("hidden_size", Attribute::Int(self.hidden_size as i64)),
            ("direction", Attribute::Text(if self.bidirectional { "bidirectional" } else { "forward" })),
        ];
        let [out, hidden, cell] = match self.kind {
            Kind::Lstm => graph.split_node("LSTM", &inputs, &attributes),
            Kind::Gru => {
                attributes.push(("linear_before_reset", Attribute::Int(1)));
                let [out, hidden] = graph.split_node("GRU", &inputs, &attributes);
                [out, hidden, Tensor::ABSENT]
            }
            Kind::Rnn => {
                let [out, hidden] = graph.split_node("RNN", &inputs, &attributes);
                [out, hidden, Tensor::ABSENT]
            }
        };
        let Some(kept) = kept else { return [out, hidden, cell] };
        let mut ends = [hidden, cell];
        for (state, end) in ends.iter_mut().enumerate().take(self.kind.slots().len()) {
            let begin = begins.get(state).copied().unwrap_or_else(|| graph.constant(&[0.0], &[]));
            *end = graph.node("Where", &[kept.is_any, *end, begin], &[]);
        }
        [out, ends[0], ends[1]]
    }

    /// A parameter of both directions with its gates in ONNX's order: `[D, G H, ..]`.
    fn gates(&self, graph: &mut Graph, layer: usize, which: usize) -> Tensor {
        let (gates, hidden) = (self.kind.gates() as i64, self.hidden_size as i64);
        let columns: &[i64] = match which {
            0 => &[self.inputs_of(layer) as i64],
            1 => &[hidden],
            _ => &[],
        };
        let first = layer * self.directions();
        let params: Vec<Tensor> = (first..first + self.directions()).map(|run| graph.param(run * self.params_per_run() + which)).collect();
        let all = graph.concat(&params, 0);
        let shape = |sizes: &[i64]| [&[self.directions() as i64], sizes, columns].concat();
        let apart = graph.reshape(all, &shape(&[gates, hidden]));
        let order = graph.ints(self.kind.order());
        let ordered = graph.node("Gather", &[apart, order], &[("axis", Attribute::Int(1))]);
        graph.reshape(ordered, &shape(&[gates * hidden]))
    }
}
