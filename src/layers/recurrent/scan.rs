//! The walk over time on the CPU.

use super::Cell;
use crate::cpu::CHUNK;
use crate::cpu::steps::{Backward, Forward, Step};
use crate::float::Float;
use crate::kernels::gemm::{Mat, Size, affine, gemm};
use crate::kernels::sum::add_rows;
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
        let [x, gates, r, hh_columns] = cut(at.scratch, [rows * self.inputs, rows * G * hidden, samples * G * hidden, hh.len()]);

        self.read(direction, at.inputs[0], x);
        affine(Size { m: rows, n: G * hidden, k: self.inputs }, Mat::rows(x, self.inputs), Mat::rows(ih, self.inputs).transposed(), bias_ih, gates);
        transpose(hh, hidden, hh_columns);
        self.begin(direction, &at.inputs, &mut states[..samples * S * hidden]);
        for step in 0..self.steps {
            let (past, future) = states.split_at_mut((step + 1) * samples * S * hidden);
            let before = &past[step * samples * S * hidden..];
            let h = Mat { data: before, row: S * hidden, col: 1 };
            affine(Size { m: samples, n: G * hidden, k: hidden }, h, Mat::rows(hh_columns, G * hidden), bias_hh, r);
            for sample in 0..samples {
                let before = row(before, sample, S * hidden);
                let after = row_mut(future, sample, S * hidden);
                if self.is_padding(&at.inputs, sample, self.time(direction, step)) {
                    after.copy_from_slice(before);
                    continue;
                }
                let (x, r) = (row(gates, step * samples + sample, G * hidden), row(r, sample, G * hidden));
                advance::<C, E, G, S, K>([x, r, before], [after, row_mut(kept, step * samples + sample, K * hidden)], hidden);
            }
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
        let sizes = [rows * self.inputs, rows * G * hidden, rows * G * hidden, samples * S * hidden, samples * hidden];
        let [x, d_gates, d_r, d_states, d_h] = cut(at.scratch, sizes);

        self.begin_back(direction, at.d_output, d_states);
        for step in (0..self.steps).rev() {
            for sample in 0..samples {
                let place = step * samples + sample;
                let (d_x, d_r) = (row_mut(d_gates, place, G * hidden), row_mut(d_r, place, G * hidden));
                if self.is_padding(&at.inputs, sample, self.time(direction, step)) {
                    d_x.fill(E::zero());
                    d_r.fill(E::zero());
                    continue;
                }
                let d_state = row_mut(d_states, sample, S * hidden);
                if self.has_sequence {
                    let dy = &row(at.d_output, sample, self.width())[self.output(direction, step)];
                    d_state[..hidden].iter_mut().zip(dy).for_each(|(d, &dy)| *d += dy);
                }
                let before = row(states, place, S * hidden);
                retreat::<C, E, G, S, K>([row(kept, place, K * hidden), before], [d_x, d_r, d_state], hidden);
            }
            let d_r = Mat::rows(&d_r[step * samples * G * hidden..], G * hidden);
            gemm(Size { m: samples, n: hidden, k: G * hidden }, d_r, Mat::rows(hh, hidden), false, d_h);
            for (d_state, d_h) in d_states.chunks_exact_mut(S * hidden).zip(d_h.chunks_exact(hidden)) {
                d_state.iter_mut().zip(d_h).for_each(|(d, &d_h)| *d += d_h);
            }
        }

        let [d_ih, d_hh, d_bias_ih, d_bias_hh] = self.param_ranges(direction);
        self.read(direction, at.inputs[0], x);
        let (d_gates, d_r) = (Mat::rows(d_gates, G * hidden), Mat::rows(d_r, G * hidden));
        let before = Mat { data: states, row: S * hidden, col: 1 };
        gemm(Size { m: G * hidden, n: self.inputs, k: rows }, d_gates.transposed(), Mat::rows(x, self.inputs), true, &mut at.d_params[d_ih]);
        gemm(Size { m: G * hidden, n: hidden, k: rows }, d_r.transposed(), before, true, &mut at.d_params[d_hh]);
        add_rows(d_gates.data, &mut at.d_params[d_bias_ih]);
        add_rows(d_r.data, &mut at.d_params[d_bias_hh]);

        gemm(Size { m: rows, n: self.inputs, k: G * hidden }, d_gates, Mat::rows(ih, self.inputs), false, x);
        self.write_back(direction, at, samples);
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
        let (hidden, rows) = (self.hidden, samples * self.steps);
        let [d_x, _, _, d_states] = cut(at.scratch, [rows * self.inputs, rows * G * hidden, rows * G * hidden, samples * S * hidden]);
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

impl<C: Cell<G, S, K>, E: Float, const G: usize, const S: usize, const K: usize> Step<E> for Scan<C, G, S, K> {
    fn scratch(&self) -> usize {
        let per_sample = self.steps * (self.inputs + 2 * G * self.hidden) + (G + S + 1) * self.hidden;
        CHUNK * per_sample + G * self.hidden * self.hidden
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

/// One sample one step on: all units of the cell.
fn advance<C: Cell<G, S, K>, E: Float, const G: usize, const S: usize, const K: usize>(
    [x, r, before]: [&[E]; 3],
    [after, kept]: [&mut [E]; 2],
    hidden: usize,
) {
    let (x, r, before): ([&[E]; G], [&[E]; G], [&[E]; S]) = (units(x, hidden), units(r, hidden), units(before, hidden));
    let (mut after, mut kept): ([&mut [E]; S], [&mut [E]; K]) = (units_mut(after, hidden), units_mut(kept, hidden));
    for unit in 0..hidden {
        let (states, keeps) = C::forward(x.map(|x| x[unit]), r.map(|r| r[unit]), before.map(|state| state[unit]));
        after.iter_mut().zip(states).for_each(|(to, state)| to[unit] = state);
        kept.iter_mut().zip(keeps).for_each(|(to, keep)| to[unit] = keep);
    }
}

/// One sample one step back; the gradients of the states behind the step become those of the states before it.
fn retreat<C: Cell<G, S, K>, E: Float, const G: usize, const S: usize, const K: usize>(
    [kept, before]: [&[E]; 2],
    [d_x, d_r, d_state]: [&mut [E]; 3],
    hidden: usize,
) {
    let (kept, before): ([&[E]; K], [&[E]; S]) = (units(kept, hidden), units(before, hidden));
    let (mut d_x, mut d_r): ([&mut [E]; G], [&mut [E]; G]) = (units_mut(d_x, hidden), units_mut(d_r, hidden));
    let mut d_state: [&mut [E]; S] = units_mut(d_state, hidden);
    for unit in 0..hidden {
        let d_after = core::array::from_fn(|state| d_state[state][unit]);
        let slopes = C::backward(kept.map(|kept| kept[unit]), before.map(|state| state[unit]), d_after);
        d_x.iter_mut().zip(slopes.x).for_each(|(to, d)| to[unit] = d);
        d_r.iter_mut().zip(slopes.r).for_each(|(to, d)| to[unit] = d);
        d_state.iter_mut().zip(slopes.before).for_each(|(to, d)| to[unit] = d);
    }
}

fn row<E>(rows: &[E], i: usize, width: usize) -> &[E] {
    &rows[i * width..(i + 1) * width]
}

fn row_mut<E>(rows: &mut [E], i: usize, width: usize) -> &mut [E] {
    &mut rows[i * width..(i + 1) * width]
}

/// A row as `N` slices of as many numbers as there are units.
fn units<E, const N: usize>(row: &[E], units: usize) -> [&[E]; N] {
    core::array::from_fn(|i| &row[i * units..(i + 1) * units])
}

fn units_mut<E, const N: usize>(row: &mut [E], units: usize) -> [&mut [E]; N] {
    cut(row, [units; N])
}

/// Pieces of some memory, of these sizes, one behind the other.
fn cut<E, const N: usize>(mut memory: &mut [E], sizes: [usize; N]) -> [&mut [E]; N] {
    sizes.map(|numel| {
        let (piece, rest) = core::mem::take(&mut memory).split_at_mut(numel);
        memory = rest;
        piece
    })
}

/// The same for each direction; these are one's.
fn cut_direction<E>(memory: &mut [E], direction: usize, sizes: [usize; 2]) -> [&mut [E]; 2] {
    cut(&mut memory[direction * (sizes[0] + sizes[1])..], sizes)
}

/// Rows of `width` numbers as columns.
fn transpose<E: Float>(rows: &[E], width: usize, columns: &mut [E]) {
    let height = rows.len() / width;
    for (i, row) in rows.chunks_exact(width).enumerate() {
        columns[i..].iter_mut().step_by(height).zip(row).for_each(|(to, &x)| *to = x);
    }
}
