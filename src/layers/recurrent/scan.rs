//! The walk over time on the CPU.

use super::Cell;
use super::units::{Advance, Retreat, row};
use crate::cpu::CHUNK;
use crate::cpu::steps::wide::{wide, wide_affine, wide_panels};
use crate::cpu::steps::{Backward, Forward, Step};
use crate::float::Float;
use crate::kernels::gemm::{Mat, Size};
use crate::kernels::panels::Panels;
use crate::kernels::sum::add_rows;
use crate::storage::cut;
use core::marker::PhantomData;
use core::ops::Range;

/// One layer of a stack, in one direction or both.
///
/// It reads the sequence `[T, I]`; the states it begins with, if they are given, each `[DIRECTIONS, H]`; and the padding `[T]`,
/// if there is any. It writes the sequence `[T, DIRECTIONS H]`, if it is asked for, and behind it the states it ends with, if
/// they are.
///
/// A direction is walked in its own order, step by step for all samples: what it works on lies as `[T, B, ..]`, the way back
/// from its end.
#[derive(Clone, Copy)]
pub(super) struct Scan<C, const G: usize, const S: usize, const K: usize> {
    /// `T`.
    pub steps: usize,
    /// `I`.
    pub inputs: usize,
    /// `H`.
    pub hidden: usize,
    pub directions: usize,
    pub bias: bool,
    /// Where its parameters begin among those of the stack.
    pub first_param: usize,
    /// Whether the states it begins with are given.
    pub has_begin: bool,
    pub has_padding: bool,
    pub has_sequence: bool,
    pub has_end: bool,
    pub cell: PhantomData<fn() -> C>,
}

impl<C: Cell<G, S, K>, const G: usize, const S: usize, const K: usize> Scan<C, G, S, K> {
    /// How many numbers the sequence that it writes has.
    pub fn sequence(&self) -> usize {
        if self.has_sequence { self.steps * self.directions * self.hidden } else { 0 }
    }

    /// How many numbers it writes for each sample.
    pub fn width(&self) -> usize {
        self.sequence() + if self.has_end { S * self.directions * self.hidden } else { 0 }
    }

    /// How many numbers its parameters have.
    pub fn params(&self) -> usize {
        self.directions * self.param_sizes().iter().sum::<usize>()
    }

    /// Of one direction: `weight_ih`, `weight_hh`, `bias_ih`, `bias_hh`.
    fn param_sizes(&self) -> [usize; 4] {
        let rows = G * self.hidden;
        let bias = if self.bias { rows } else { 0 };
        [rows * self.inputs, rows * self.hidden, bias, bias]
    }

    /// Where these are; empty for biases that are not there.
    fn param_ranges(&self, direction: usize) -> [Range<usize>; 4] {
        let sizes = self.param_sizes();
        let mut end = self.first_param + direction * sizes.iter().sum::<usize>();
        sizes.map(|numel| {
            end += numel;
            end - numel..end
        })
    }

    /// The place in the sequence of a step of the walk.
    fn time(&self, direction: usize, step: usize) -> usize {
        if direction == 1 { self.steps - 1 - step } else { step }
    }

    /// Where the output of a step lies in a sample.
    fn output(&self, direction: usize, step: usize) -> Range<usize> {
        let begin = (self.time(direction, step) * self.directions + direction) * self.hidden;
        begin..begin + self.hidden
    }

    /// Where a state lies among those of both directions.
    fn state(&self, direction: usize, sample: usize) -> Range<usize> {
        let begin = (sample * self.directions + direction) * self.hidden;
        begin..begin + self.hidden
    }

    /// Where a state that the walk ends with lies in a sample of the output.
    fn end(&self, direction: usize, state: usize) -> Range<usize> {
        let begin = self.sequence() + (state * self.directions + direction) * self.hidden;
        begin..begin + self.hidden
    }

    /// Of a direction for each sample: the states before the first step and behind each, and what the cell keeps.
    fn trace(&self) -> [usize; 2] {
        [(self.steps + 1) * S * self.hidden, self.steps * K * self.hidden]
    }

    fn is_padding<E: Float>(&self, inputs: &[&[E]], sample: usize, time: usize) -> bool {
        let slot = 1 + if self.has_begin { S } else { 0 };
        self.has_padding && inputs[slot][sample * self.steps + time] > E::zero()
    }

    /// The inputs in the order of the walk, `[B, T, I] -> [T, B, I]`.
    fn read<E: Float>(&self, direction: usize, inputs: &[E], x: &mut [E]) {
        let samples = inputs.len() / (self.steps * self.inputs);
        for (row, x) in x.chunks_exact_mut(self.inputs).enumerate() {
            let place = row % samples * self.steps + self.time(direction, row / samples);
            x.copy_from_slice(&inputs[place * self.inputs..][..self.inputs]);
        }
    }

    /// The states before the first step.
    fn begin<E: Float>(&self, direction: usize, inputs: &[&[E]], states: &mut [E]) {
        for (sample, row) in states.chunks_exact_mut(S * self.hidden).enumerate() {
            for (state, to) in row.chunks_exact_mut(self.hidden).enumerate() {
                if self.has_begin {
                    to.copy_from_slice(&inputs[1 + state][self.state(direction, sample)]);
                } else {
                    to.fill(E::zero());
                }
            }
        }
    }

    fn walk<E: Float>(&self, direction: usize, at: &mut Forward<'_, E>) {
        let (samples, hidden, rows) = (at.samples, self.hidden, at.samples * self.steps);
        let [ih, hh, bias_ih, bias_hh] = self.param_ranges(direction).map(|range| &at.params[range]);
        let [states, kept] = cut_direction(at.saved, direction, self.trace().map(|numel| numel * samples));
        let sizes = [rows * self.inputs, rows * G * hidden, samples * G * hidden, hidden * G * hidden, G * hidden];
        let [x, gates, r, hh_panels, bias] = cut(at.scratch, sizes);

        self.read(direction, at.inputs[0], x);
        // Where the gates see sums alone, both products and both biases are added up in one place.
        bias.fill(E::zero());
        add_rows(bias_ih, &mut bias[..bias_ih.len()]);
        if C::GATES_SEE_SUMS {
            add_rows(bias_hh, &mut bias[..bias_hh.len()]);
        }
        let size = Size { m: rows, n: G * hidden, k: self.inputs };
        wide_affine(at.threads, size, Mat::rows(x, self.inputs), Mat::rows(ih, self.inputs).transposed(), bias, gates);
        let hh = Recurrent::new(self.copies(samples), Mat::rows(hh, hidden).transposed(), [hidden, G * hidden], hh_panels);
        self.begin(direction, &at.inputs, &mut states[..samples * S * hidden]);
        let size = Size { m: samples, n: G * hidden, k: hidden };
        for step in 0..self.steps {
            let (past, future) = states.split_at_mut((step + 1) * samples * S * hidden);
            let before = &past[step * samples * S * hidden..];
            let (h, x) = (Mat { data: before, row: S * hidden, col: 1 }, rows_mut(gates, step * samples, [samples, G * hidden]));
            match (step < self.first_seen(), C::GATES_SEE_SUMS) {
                (true, true) => {}
                (true, false) => begin_rows(r, bias_hh),
                (false, true) => hh.multiply(at.threads, size, h, &[], true, x),
                (false, false) => hh.multiply(at.threads, size, h, bias_hh, false, r),
            }
            E::run(Advance::<C, E, _, G, S, K> {
                hidden,
                x,
                r,
                before,
                after: &mut future[..samples * S * hidden],
                kept: rows_mut(kept, step * samples, [samples, K * hidden]),
                skips: |sample| self.is_padding(&at.inputs, sample, self.time(direction, step)),
                cell: PhantomData,
            });
        }
        self.write(direction, at);
    }

    /// Writes the outputs of a walk and the states it has ended with.
    fn write<E: Float>(&self, direction: usize, at: &mut Forward<'_, E>) {
        let (samples, hidden) = (at.samples, self.hidden);
        let [states, _] = cut_direction(at.saved, direction, self.trace().map(|numel| numel * samples));
        for (sample, y) in at.output.chunks_exact_mut(self.width()).enumerate() {
            for step in (0..self.steps).filter(|_| self.has_sequence) {
                let h = &row(states, (step + 1) * samples + sample, S * hidden)[..hidden];
                let y = &mut y[self.output(direction, step)];
                if self.is_padding(&at.inputs, sample, self.time(direction, step)) {
                    y.fill(E::zero());
                } else {
                    y.copy_from_slice(h);
                }
            }
            let end = row(states, self.steps * samples + sample, S * hidden).chunks_exact(hidden);
            for (state, end) in end.enumerate().filter(|_| self.has_end) {
                y[self.end(direction, state)].copy_from_slice(end);
            }
        }
    }

    fn walk_back<E: Float>(&self, direction: usize, at: &mut Backward<'_, E>) {
        let (samples, hidden, rows) = (at.samples, self.hidden, at.samples * self.steps);
        let [ih, hh, ..] = self.param_ranges(direction).map(|range| &at.params[range]);
        let trace = self.trace().map(|numel| numel * samples);
        let (states, kept) = at.saved[direction * (trace[0] + trace[1])..][..trace[0] + trace[1]].split_at(trace[0]);
        let [x, d_gates, d_r, d_states, d_h, hh_panels] = cut(at.scratch, self.spaces_back(samples));

        self.begin_back(direction, at.d_output, d_states);
        let hh = Recurrent::new(self.copies(samples), Mat::rows(hh, hidden), [G * hidden, hidden], &mut *hh_panels);
        for step in (0..self.steps).rev() {
            if self.has_sequence {
                self.add_output([direction, step], &at.inputs, at.d_output, d_states);
            }
            let d_x = rows_mut(d_gates, step * samples, [samples, G * hidden]);
            let d_r = if C::GATES_SEE_SUMS { &mut [] } else { rows_mut(d_r, step * samples, [samples, G * hidden]) };
            E::run(Retreat::<C, E, _, G, S, K> {
                hidden,
                kept: &kept[step * samples * K * hidden..][..samples * K * hidden],
                before: &states[step * samples * S * hidden..][..samples * S * hidden],
                d_x,
                d_r,
                d_states,
                skips: |sample| self.is_padding(&at.inputs, sample, self.time(direction, step)),
                cell: PhantomData,
            });
            if step < self.first_seen() {
                continue;
            }
            let d_r = Mat::rows(if C::GATES_SEE_SUMS { &*d_x } else { &*d_r }, G * hidden);
            hh.multiply(at.threads, Size { m: samples, n: hidden, k: G * hidden }, d_r, &[], false, d_h);
            for (d_state, d_h) in d_states.chunks_exact_mut(S * hidden).zip(d_h.chunks_exact(hidden)) {
                d_state.iter_mut().zip(d_h).for_each(|(d, &d_h)| *d += d_h);
            }
        }

        let [d_ih, d_hh, d_bias_ih, d_bias_hh] = self.param_ranges(direction);
        self.read(direction, at.inputs[0], x);
        let d_r = Mat::rows(if C::GATES_SEE_SUMS { &*d_gates } else { &*d_r }, G * hidden);
        let unseen = self.first_seen() * samples;
        let seen = Mat::rows(&d_r.data[unseen * G * hidden..], G * hidden);
        let (d_gates, before) = (Mat::rows(&*d_gates, G * hidden), Mat { data: &states[unseen * S * hidden..], row: S * hidden, col: 1 });
        let of_inputs = Size { m: G * hidden, n: self.inputs, k: rows };
        wide(at.threads, of_inputs, d_gates.transposed(), Mat::rows(x, self.inputs), true, &mut at.d_params[d_ih]);
        wide(at.threads, Size { m: G * hidden, n: hidden, k: rows - unseen }, seen.transposed(), before, true, &mut at.d_params[d_hh]);
        if C::GATES_SEE_SUMS && self.bias {
            // Both biases are added to the same sums.
            let d_bias = &mut hh_panels[..G * hidden];
            d_bias.fill(E::zero());
            add_rows(d_gates.data, d_bias);
            add_rows(d_bias, &mut at.d_params[d_bias_ih]);
            add_rows(d_bias, &mut at.d_params[d_bias_hh]);
        } else {
            add_rows(d_gates.data, &mut at.d_params[d_bias_ih]);
            add_rows(d_r.data, &mut at.d_params[d_bias_hh]);
        }

        if at.d_inputs[0].is_some() {
            wide(at.threads, Size { m: rows, n: self.inputs, k: G * hidden }, d_gates, Mat::rows(ih, self.inputs), false, x);
        }
        self.write_back(direction, at, samples);
    }

    /// The first step that multiplies a state with `W_hh`: a walk begins with zeros, unless it is told otherwise.
    fn first_seen(&self) -> usize {
        if self.has_begin { 0 } else { 1 }
    }

    /// Whether the products of all steps together are worth a copy of `W_hh` that is faster to read. One row reads it as it lies.
    fn copies(&self, samples: usize) -> bool {
        samples > 1 && samples * (self.steps - self.first_seen()) >= 64
    }

    /// Adds the gradient of a step's output to that of the state behind it.
    fn add_output<E: Float>(&self, [direction, step]: [usize; 2], inputs: &[&[E]], d_output: &[E], d_states: &mut [E]) {
        for (sample, d_state) in d_states.chunks_exact_mut(S * self.hidden).enumerate() {
            if !self.is_padding(inputs, sample, self.time(direction, step)) {
                let dy = &row(d_output, sample, self.width())[self.output(direction, step)];
                d_state.iter_mut().zip(dy).for_each(|(d, &dy)| *d += dy);
            }
        }
    }

    /// How many numbers the inputs, the gradients of the gates and of their recurrent part, those of the states, those of `h`, and
    /// `W_hh` take on the way back.
    fn spaces_back(&self, samples: usize) -> [usize; 6] {
        let (hidden, rows) = (self.hidden, samples * self.steps);
        let d_r = if C::GATES_SEE_SUMS { 0 } else { rows * G * hidden };
        [rows * self.inputs, rows * G * hidden, d_r, samples * S * hidden, samples * hidden, G * hidden * hidden]
    }

    /// The gradients of the states that a walk has ended with.
    fn begin_back<E: Float>(&self, direction: usize, d_output: &[E], d_states: &mut [E]) {
        for (dy, d_states) in d_output.chunks_exact(self.width()).zip(d_states.chunks_exact_mut(S * self.hidden)) {
            for (state, d) in d_states.chunks_exact_mut(self.hidden).enumerate() {
                if self.has_end {
                    d.copy_from_slice(&dy[self.end(direction, state)]);
                } else {
                    d.fill(E::zero());
                }
            }
        }
    }

    /// Adds to the gradients of the inputs and of the states that a walk has begun with, which are in the scratch space.
    fn write_back<E: Float>(&self, direction: usize, at: &mut Backward<'_, E>, samples: usize) {
        let hidden = self.hidden;
        let [d_x, _, _, d_states, ..] = cut(at.scratch, self.spaces_back(samples));
        let mut gradients = at.d_inputs.iter_mut();
        if let Some(Some(to)) = gradients.next() {
            let to = to.accumulate();
            for (i, d) in d_x.chunks_exact(self.inputs).enumerate() {
                let place = i % samples * self.steps + self.time(direction, i / samples);
                to[place * self.inputs..][..self.inputs].iter_mut().zip(d).for_each(|(to, &d)| *to += d);
            }
        }
        for state in (0..S).filter(|_| self.has_begin) {
            let Some(Some(to)) = gradients.next() else { continue };
            let to = to.accumulate();
            for sample in 0..samples {
                let d = row(d_states, sample * S + state, hidden);
                to[self.state(direction, sample)].iter_mut().zip(d).for_each(|(to, &d)| *to += d);
            }
        }
        // Padding is not differentiated.
        if let Some(Some(to)) = gradients.next() {
            to.accumulate();
        }
    }
}

/// `W_hh`, on the right of a product at each step: as it lies, or copied.
enum Recurrent<'a, E> {
    AsItLies(Mat<'a, E>),
    Copied(Panels<'a, E>),
}

impl<'a, E: Float> Recurrent<'a, E> {
    fn new(copies: bool, hh: Mat<'a, E>, size: [usize; 2], room: &'a mut [E]) -> Self {
        if copies { Recurrent::Copied(Panels::copy(hh, size, room)) } else { Recurrent::AsItLies(hh) }
    }

    /// `C = A W + b`, where an empty `bias` is none, or with `add` `C += A W`.
    fn multiply(&self, threads: Option<usize>, size: Size, a: Mat<'_, E>, bias: &[E], add: bool, c: &mut [E]) {
        match *self {
            Recurrent::AsItLies(hh) if add => wide(threads, size, a, hh, true, c),
            Recurrent::AsItLies(hh) => wide_affine(threads, size, a, hh, bias, c),
            Recurrent::Copied(hh) => wide_panels(threads, size.m, a, hh, bias, add, c),
        }
    }
}

impl<C: Cell<G, S, K>, E: Float, const G: usize, const S: usize, const K: usize> Step<E> for Scan<C, G, S, K> {
    fn scratch(&self) -> usize {
        let (rows, hidden) = (CHUNK * self.steps, self.hidden);
        let there = rows * (self.inputs + G * hidden) + CHUNK * G * hidden + hidden * G * hidden + G * hidden;
        there.max(self.spaces_back(CHUNK).iter().sum())
    }

    /// A step of time is a product with as many rows.
    fn efficient(&self) -> usize {
        16
    }

    fn saved(&self) -> usize {
        self.directions * self.trace().iter().sum::<usize>()
    }

    fn forward(&self, mut at: Forward<'_, E>) {
        (0..self.directions).for_each(|direction| self.walk(direction, &mut at));
    }

    fn backward(&self, mut at: Backward<'_, E>) {
        (0..self.directions).for_each(|direction| self.walk_back(direction, &mut at));
    }
}

/// Rows that are all the bias, or zeros where there is none.
fn begin_rows<E: Float>(rows: &mut [E], bias: &[E]) {
    if bias.is_empty() {
        return rows.fill(E::zero());
    }
    rows.chunks_exact_mut(bias.len()).for_each(|row| row.copy_from_slice(bias));
}

fn rows_mut<E>(rows: &mut [E], first: usize, [count, width]: [usize; 2]) -> &mut [E] {
    &mut rows[first * width..(first + count) * width]
}

/// The same for each direction; these are one's.
fn cut_direction<E>(memory: &mut [E], direction: usize, sizes: [usize; 2]) -> [&mut [E]; 2] {
    cut(&mut memory[direction * (sizes[0] + sizes[1])..], sizes)
}
