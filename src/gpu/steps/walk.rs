//! Cells that step along a sequence.

use super::sums::Channels;
use crate::gpu::call::{Arg, Matrix, Place, Product};
use crate::gpu::{Parameter, Planner, Value};
use crate::types::Dims;

/// A cell of `recurrent.cu`.
#[derive(Clone, Copy)]
pub(crate) struct Cell {
    pub advance: &'static str,
    pub retreat: &'static str,
    /// How many gates and states there are, and how many numbers are kept for the way back.
    pub gates: usize,
    pub states: usize,
    pub kept: usize,
}

/// One direction of one layer.
#[derive(Clone, Copy)]
pub(crate) struct Walk {
    pub cell: Cell,
    pub steps: usize,
    pub inputs: usize,
    pub hidden: usize,
    pub is_reverse: bool,
    /// `[T, ..]`, where the outputs go, and from which number of each row on.
    pub sequence: Option<(Value, usize)>,
    pub padding: Option<Value>,
    /// `W_ih` and `W_hh`.
    pub weights: [Parameter; 2],
    /// `b_ih` and `b_hh`.
    pub biases: Option<[Parameter; 2]>,
}

/// What the way there leaves for the way back.
#[derive(Clone, Copy)]
struct Left {
    /// What each step begins with, for each state: `[B, T, H]`.
    before: [Option<Place>; 2],
    kept: Place,
    /// Whether the walk began with zeros.
    from_zeros: bool,
}

impl Walk {
    /// The place of the sequence that each step is at, in order.
    fn places(&self) -> Vec<usize> {
        if self.is_reverse { (0..self.steps).rev().collect() } else { (0..self.steps).collect() }
    }

    fn width(&self) -> usize {
        self.cell.gates * self.hidden
    }

    /// The rows of one step of what all steps have, `width` numbers each.
    fn of_step(&self, all: Place, t: usize, width: usize) -> Matrix {
        Matrix::new(all.behind(t * width), self.steps * width)
    }

    fn y_width(&self) -> usize {
        self.sequence.map_or(0, |(y, _)| y.dims.numel() / self.steps)
    }
}

impl Planner {
    /// Walks along `x` from the states `begin`, or from zeros if there are none, and returns the states that it ends with.
    pub(crate) fn walk(&mut self, walk: Walk, x: Value, begin: &[Value]) -> Vec<Value> {
        let (samples, hidden, states) = (self.samples(), walk.hidden, walk.cell.states);
        let rows = samples * walk.steps;
        let ends: Vec<Value> = (0..states).map(|_| self.value(Dims::new(&[hidden]))).collect();
        let before = [0, 1].map(|state| (state < states).then(|| self.room(rows * hidden)));
        let left = Left { before, kept: self.room(rows * walk.cell.kept * hidden), from_zeros: begin.is_empty() };
        let first = walk.places()[0];
        for (state, before) in before.into_iter().flatten().enumerate() {
            match begin.get(state) {
                Some(&value) => self.copy(self.at(value), before.behind(first * hidden), hidden, [hidden, walk.steps * hidden], false),
                None => self.zero(before, rows * hidden),
            }
        }
        let gates = self.gates(&walk, self.at(x));
        for (i, t) in walk.places().into_iter().enumerate() {
            self.advance(&walk, left, gates, &ends, [i, t]);
        }
        let outputs: Vec<Value> = walk.sequence.map(|(y, _)| y).into_iter().chain(ends.iter().copied()).collect();
        let begin = begin.to_vec();
        self.back_of_several(&outputs, move |p, d| {
            let (dy, d_ends) = d.split_at(d.len() - states);
            p.walk_back(&walk, left, x, &begin, dy.first().copied().flatten(), d_ends);
        });
        ends
    }

    /// The gates' sums: what the inputs give to them, complete, and room for what states do, which begins as a bias.
    fn gates(&mut self, walk: &Walk, x: Place) -> [Place; 2] {
        let (rows, width) = (self.samples() * walk.steps, walk.width());
        let gates = [self.room(rows * width), self.room(rows * width)];
        for (i, gates) in gates.into_iter().enumerate() {
            match walk.biases {
                Some(biases) => self.each("fill_rows", rows * width, &[biases[i].at.into(), gates.into(), width.into()]),
                None => self.zero(gates, rows * width),
            }
        }
        let weight = Matrix::new(walk.weights[0].at, walk.inputs).t();
        self.multiply([rows, width, walk.inputs], Matrix::new(x, walk.inputs), weight, gates[0], true);
        gates
    }

    /// Step number `i`, at place `t` of the sequence.
    fn advance(&mut self, walk: &Walk, left: Left, [x, r]: [Place; 2], ends: &[Value], [i, t]: [usize; 2]) {
        let (samples, hidden, width) = (self.samples(), walk.hidden, walk.width());
        if let ([Some(before), _], false) = (left.before, left.from_zeros && i == 0) {
            let [a, b] = [walk.of_step(before, t, hidden), Matrix::new(walk.weights[1].at, hidden).t()];
            self.product(Product { sizes: [samples, width, hidden], a, b, c: walk.of_step(r, t, width), batch: 1, add: true });
        }
        let (next, next_width) = match walk.places().get(i + 1) {
            Some(&next) => (left.before.map(|before| before.map(|before| before.behind(next * hidden))), walk.steps * hidden),
            None => ([0, 1].map(|state| ends.get(state).map(|&end| self.at(end))), hidden),
        };
        let y = walk.sequence.map(|(y, begin)| self.at(y).behind(begin));
        let padding = walk.padding.map(|padding| self.at(padding));
        let places: [Arg; 9] = [
            x.into(),
            r.into(),
            left.before[0].into(),
            left.before[1].into(),
            padding.into(),
            left.kept.into(),
            next[0].into(),
            next[1].into(),
            y.into(),
        ];
        let sizes: [Arg; 5] = [hidden.into(), walk.steps.into(), t.into(), next_width.into(), walk.y_width().into()];
        self.each(walk.cell.advance, samples * hidden, &[&places[..], &sizes].concat());
    }

    fn walk_back(&mut self, walk: &Walk, left: Left, x: Value, begin: &[Value], dy: Option<Place>, d_ends: &[Option<Place>]) {
        let (samples, hidden, width) = (self.samples(), walk.hidden, walk.width());
        let rows = samples * walk.steps;
        let d_states: Vec<Place> = d_ends.iter().map(|&d_end| self.d_state(d_end, samples * hidden)).collect();
        let [dx, dr] = [self.room(rows * width), self.room(rows * width)];
        for (i, t) in walk.places().into_iter().enumerate().rev() {
            self.retreat(walk, left, dy, &d_states, [dx, dr], t);
            if !(left.from_zeros && i == 0) {
                let [a, b] = [walk.of_step(dr, t, width), Matrix::new(walk.weights[1].at, hidden)];
                self.multiply([samples, hidden, width], a, b, d_states[0], true);
            }
        }
        for (&value, &d_state) in begin.iter().zip(&d_states) {
            if let Some(d) = self.d(value) {
                self.copy(d_state, d.at, hidden, [hidden, hidden], d.add);
            }
        }
        let [of_x, of_h] = [(self.at(x), walk.inputs), (left.before[0].unwrap_or(left.kept), hidden)];
        for ((d, weight), (numbers, columns)) in [dx, dr].into_iter().zip(walk.weights).zip([of_x, of_h]) {
            self.multiply([width, columns, rows], Matrix::new(d, width).t(), Matrix::new(numbers, columns), weight.d, true);
        }
        for (d, bias) in [dx, dr].into_iter().zip(walk.biases.into_iter().flatten()) {
            self.d_bias(d, bias, Channels { outer: rows, channels: width, inner: 1 });
        }
        if let Some(d) = self.d(x) {
            self.multiply([rows, walk.inputs, width], Matrix::new(dx, width), Matrix::new(walk.weights[0].at, walk.inputs), d.at, d.add);
        }
    }

    /// The gradient of a state, to be walked back with.
    fn d_state(&mut self, d_end: Option<Place>, numel: usize) -> Place {
        let d_state = self.room(numel);
        match d_end {
            Some(d_end) => self.each("sum_slots", numel, &[d_end.into(), d_state.into(), 1.into(), 0.into(), false.into()]),
            None => self.zero(d_state, numel),
        }
        d_state
    }

    fn retreat(&mut self, walk: &Walk, left: Left, dy: Option<Place>, d_states: &[Place], [dx, dr]: [Place; 2], t: usize) {
        let (samples, hidden) = (self.samples(), walk.hidden);
        let dy = dy.zip(walk.sequence).map(|(dy, (_, begin))| dy.behind(begin));
        let padding = walk.padding.map(|padding| self.at(padding));
        let places: [Arg; 9] = [
            left.kept.into(),
            left.before[0].into(),
            left.before[1].into(),
            padding.into(),
            dy.into(),
            d_states[0].into(),
            d_states.get(1).copied().into(),
            dx.into(),
            dr.into(),
        ];
        let sizes: [Arg; 4] = [hidden.into(), walk.steps.into(), t.into(), walk.y_width().into()];
        self.each(walk.cell.retreat, samples * hidden, &[&places[..], &sizes].concat());
    }
}
