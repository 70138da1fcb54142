//! Means of values, weighted by a softmax of scores.

use super::{Backward, Forward, Gradient, MAX_INPUTS, Step};
use crate::float::Float;
use crate::kernels::exp::exp;
use crate::kernels::gemm::{Mat, Rows, Size, gemm, gemm_rows};
use crate::kernels::simd::{Job, with_best};
use crate::kernels::sum::{dot, largest, sum};
use crate::kernels::transpose::Transpose;
use crate::layers::scaled_dot_product::{Hidden, Scores};
use core::ops::Range;

/// `y = softmax(scale q kᵀ + mask) v` in each head. What queries do not see has the weight 0, and a query that sees nothing
/// becomes zeros.
pub(crate) struct Attend {
    pub scores: Scores,
    pub q: Operand,
    pub k: Operand,
    pub v: Operand,
    pub y: Heads,
    /// Which input says which keys are padding, if one does: `[S]`.
    pub padding: Option<usize>,
    /// Which input is added to the scores, if one is: `[H, T, S]`.
    pub mask: Option<usize>,
}

/// A matrix for each head, somewhere in an input.
#[derive(Clone, Copy)]
pub(crate) struct Operand {
    pub input: usize,
    pub at: Heads,
}

/// A matrix for each head: where it begins in a sample, how far the next head's is, how far the next row is, and how many
/// numbers a row has.
#[derive(Clone, Copy)]
pub(crate) struct Heads {
    pub begin: usize,
    pub head: usize,
    pub row: usize,
    pub cols: usize,
}

impl Heads {
    fn begin(&self, head: usize) -> usize {
        self.begin + head * self.head
    }

    fn mat<'a, E>(&self, sample: &'a [E], head: usize) -> Mat<'a, E> {
        Mat { data: &sample[self.begin(head)..], row: self.row, col: 1 }
    }
}

/// How many queries are looked at together. Of a causal score matrix, so much that is not seen is computed on the diagonal.
const BLOCK: usize = 64;
const CAUSAL_BLOCK: usize = 16;

/// The rows of a matrix from `row` on.
fn from_row<E>(mat: Mat<'_, E>, row: usize) -> Mat<'_, E> {
    Mat { data: &mat.data[row * mat.row..], ..mat }
}

/// The numbers of one sample.
fn of_sample<E>(numbers: &[E], samples: usize, sample: usize) -> &[E] {
    let width = numbers.len() / samples;
    &numbers[sample * width..(sample + 1) * width]
}

/// Writes `rows` rows of `mat`, each `cols` long, as columns: products read their second matrix in rows.
fn transposed<'a, E: Float>(mat: Mat<'_, E>, [rows, cols]: [usize; 2], to: &'a mut [E]) -> Mat<'a, E> {
    Transpose { size: [rows, cols], from: mat.data, row: mat.row, to: &mut *to, col: rows }.run();
    Mat::rows(to, rows)
}

impl Attend {
    /// The queries, some at a time.
    fn blocks(&self) -> impl Iterator<Item = Range<usize>> {
        let (queries, block) = (self.scores.queries, self.block());
        (0..queries).step_by(block).map(move |begin| begin..(begin + block).min(queries))
    }

    fn block(&self) -> usize {
        if self.scores.causal { CAUSAL_BLOCK } else { BLOCK.min(self.scores.queries) }
    }

    /// How many numbers of scratch space a transposed matrix takes, and how many a block of scores.
    fn spaces(&self) -> [usize; 2] {
        let [d, d_v] = self.features();
        [self.scores.keys * d.max(d_v), self.scores.keys * self.block()]
    }

    /// How many numbers a key has, and how many a value.
    fn features(&self) -> [usize; 2] {
        [self.k.at.cols, self.v.at.cols]
    }
}

/// The weights of some queries, of their scores before they are scaled.
struct Weigh<'a, E> {
    scores: &'a Scores,
    rows: Range<usize>,
    /// Of so many keys as any of the queries sees.
    raw: &'a mut [E],
    hidden: Hidden<&'a [E]>,
    weights: &'a mut [E],
}

impl<E: Float> Job for Weigh<'_, E> {
    #[inline(always)]
    fn run(self) {
        let Weigh { scores, rows, raw, hidden, weights } = self;
        let lines = raw.chunks_exact_mut(scores.seen(rows.clone())).zip(weights.chunks_exact_mut(scores.keys));
        for (i, (raw, weights)) in rows.zip(lines) {
            let (seen, unseen) = weights.split_at_mut(scores.seen(i..i + 1));
            unseen.fill(E::zero());
            scores.weigh(i, &mut raw[..seen.len()], hidden, seen);
        }
    }
}

impl Scores {
    /// The weights of the keys that query `i` sees.
    #[inline(always)]
    fn weigh<E: Float>(&self, i: usize, raw: &mut [E], hidden: Hidden<&[E]>, seen: &mut [E]) {
        let scale = E::of(self.scale);
        raw.iter_mut().for_each(|score| *score *= scale);
        if let Some(mask) = hidden.mask {
            raw.iter_mut().zip(&mask[i * self.keys..]).for_each(|(score, &mask)| *score += mask);
        }
        if let Some(padding) = hidden.padding {
            raw.iter_mut().zip(padding).filter(|(_, padding)| **padding != E::zero()).for_each(|(score, _)| *score = E::neg_infinity());
        }
        let largest = largest(raw);
        // Nobody to attend to, unless all scores are no numbers, which the weights then are as well.
        if largest == E::neg_infinity() && raw.iter().all(|&score| score == E::neg_infinity()) {
            return seen.fill(E::zero());
        }
        for (weight, &score) in seen.iter_mut().zip(&*raw) {
            *weight = exp(score - largest);
        }
        let sum = sum(seen);
        seen.iter_mut().for_each(|weight| *weight /= sum);
    }
}

/// Makes of the gradients of some queries' weights those of their scores before they are scaled.
struct WeighBack<'a, E> {
    scale: f64,
    keys: usize,
    seen: usize,
    weights: &'a [E],
    d: &'a mut [E],
    /// From the first of the queries on.
    d_mask: Option<&'a mut [E]>,
}

impl<E: Float> Job for WeighBack<'_, E> {
    #[inline(always)]
    fn run(self) {
        let (scale, mut d_mask) = (E::of(self.scale), self.d_mask);
        for (i, (d, weights)) in self.d.chunks_exact_mut(self.seen).zip(self.weights.chunks_exact(self.keys)).enumerate() {
            let weights = &weights[..self.seen];
            let mean = dot(weights, d);
            d.iter_mut().zip(weights).for_each(|(d, &weight)| *d = weight * (*d - mean));
            if let Some(d_mask) = &mut d_mask {
                d_mask[i * self.keys..].iter_mut().zip(&*d).for_each(|(sum, &d)| *sum += d);
            }
            d.iter_mut().for_each(|d| *d *= scale);
        }
    }
}

impl<E: Float> Step<E> for Attend {
    fn scratch(&self) -> usize {
        self.spaces().into_iter().sum()
    }

    /// It has no parameters of its own; those of its layer are the projections'.
    fn learns(&self, _: usize) -> Vec<Range<usize>> {
        Vec::new()
    }

    /// The weights.
    fn saved(&self) -> usize {
        self.scores.numel()
    }

    fn attention(&self) -> Option<[usize; 3]> {
        Some([self.scores.heads, self.scores.queries, self.scores.keys])
    }

    fn forward(&self, at: Forward<'_, E>) {
        let Scores { heads, queries, keys, .. } = self.scores;
        let outputs = at.output.chunks_exact_mut(at.output.len() / at.samples);
        let saved = at.saved.chunks_exact_mut(self.scores.numel());
        for (sample, (output, saved)) in outputs.zip(saved).enumerate() {
            let of = |input: usize| of_sample(at.inputs[input], at.samples, sample);
            let padding = self.padding.map(of);
            for (head, weights) in saved.chunks_exact_mut(queries * keys).enumerate() {
                let hidden = Hidden { padding, mask: self.mask.map(|mask| of_sample(of(mask), heads, head)) };
                let y = Rows::new(&mut output[self.y.begin(head)..], self.y.row);
                self.head(self.operands(of, head), hidden, weights, y, at.scratch);
            }
        }
    }

    fn backward(&self, mut at: Backward<'_, E>) {
        let Scores { queries, keys, .. } = self.scores;
        // Nothing is learned of padding: its gradient stays as it is cleared here.
        at.d_inputs.iter_mut().flatten().for_each(|d_input| _ = d_input.accumulate());
        for sample in 0..at.samples {
            let of = |input: usize| of_sample(at.inputs[input], at.samples, sample);
            let dy = of_sample(at.d_output, at.samples, sample);
            let saved = of_sample(at.saved, at.samples, sample);
            let mut to = Returning { d_inputs: &mut at.d_inputs, samples: at.samples, sample };
            for (head, weights) in saved.chunks_exact(queries * keys).enumerate() {
                let back = Back { head, operands: self.operands(of, head), weights, dy: self.y.mat(dy, head) };
                self.head_back(back, &mut to, at.scratch);
            }
        }
    }
}

/// What one head has at hand on the way back.
struct Back<'a, E> {
    head: usize,
    operands: [Mat<'a, E>; 3],
    weights: &'a [E],
    dy: Mat<'a, E>,
}

/// Where the gradients of one sample's inputs are added up.
struct Returning<'a, 'b, E> {
    d_inputs: &'a mut [Option<Gradient<'b, E>>; MAX_INPUTS],
    samples: usize,
    sample: usize,
}

impl<E> Returning<'_, '_, E> {
    fn input(&mut self, input: usize) -> Option<&mut [E]> {
        let to = &mut *self.d_inputs[input].as_mut()?.to;
        let width = to.len() / self.samples;
        Some(&mut to[self.sample * width..(self.sample + 1) * width])
    }

    /// Where the rows of an operand of a head lie, from `row` on.
    fn rows(&mut self, operand: Operand, head: usize, row: usize) -> Option<Rows<'_, E>> {
        let Heads { row: stride, .. } = operand.at;
        Some(Rows::new(&mut self.input(operand.input)?[operand.at.begin(head) + row * stride..], stride))
    }
}

impl Attend {
    fn operands<'a, E>(&self, of: impl Fn(usize) -> &'a [E], head: usize) -> [Mat<'a, E>; 3] {
        [self.q, self.k, self.v].map(|operand| operand.at.mat(of(operand.input), head))
    }

    fn head<E: Float>(&self, [q, k, v]: [Mat<'_, E>; 3], hidden: Hidden<&[E]>, weights: &mut [E], mut y: Rows<'_, E>, scratch: &mut [E]) {
        let ([d, d_v], keys) = (self.features(), self.scores.keys);
        let (turned, block) = scratch.split_at_mut(self.spaces()[0]);
        let k = transposed(k, [keys, d], turned); // [d, S]
        for rows in self.blocks() {
            let (m, seen) = (rows.len(), self.scores.seen(rows.clone()));
            let weights = &mut weights[rows.start * keys..rows.end * keys];
            gemm(Size { m, n: seen, k: d }, from_row(q, rows.start), k, false, block); // [m, seen]
            with_best(Weigh { scores: &self.scores, rows: rows.clone(), raw: &mut block[..m * seen], hidden, weights: &mut *weights });
            gemm_rows(Size { m, n: d_v, k: seen }, Mat::rows(weights, keys), v, false, y.below(rows.start)); // [m, dv]
        }
    }

    fn head_back<E: Float>(&self, at: Back<'_, E>, to: &mut Returning<'_, '_, E>, scratch: &mut [E]) {
        let ([d, d_v], keys, [q, k, v]) = (self.features(), self.scores.keys, at.operands);
        let (turned, block) = scratch.split_at_mut(self.spaces()[0]);
        let v = transposed(v, [keys, d_v], turned); // [dv, S]
        for rows in self.blocks() {
            let (m, seen) = (rows.len(), self.scores.seen(rows.clone()));
            let (q, dy, weights) = (from_row(q, rows.start), from_row(at.dy, rows.start), &at.weights[rows.start * keys..rows.end * keys]);
            if let Some(dv) = to.rows(self.v, at.head, 0) {
                gemm_rows(Size { m: seen, n: d_v, k: m }, Mat::rows(weights, keys).transposed(), dy, true, dv); // [seen, dv]
            }
            gemm(Size { m, n: seen, k: d_v }, dy, v, false, block); // [m, seen]
            let line = (at.head * self.scores.queries + rows.start) * keys;
            let d_mask = self.mask.and_then(|mask| to.input(mask)).map(|d_mask| &mut d_mask[line..]);
            with_best(WeighBack { scale: self.scores.scale, keys, seen, weights, d: &mut block[..m * seen], d_mask });
            let scores = Mat::rows(&*block, seen);
            if let Some(dq) = to.rows(self.q, at.head, rows.start) {
                gemm_rows(Size { m, n: d, k: seen }, scores, k, true, dq); // [m, d]
            }
            if let Some(dk) = to.rows(self.k, at.head, 0) {
                gemm_rows(Size { m: seen, n: d, k: m }, scores.transposed(), q, true, dk); // [seen, d]
            }
        }
    }
}
