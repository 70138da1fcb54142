//! Means of values, weighted by a softmax of scores.

use super::{Backward, Forward, MAX_INPUTS, Step};
use crate::cpu::pool::Pool;
use crate::float::Float;
use crate::kernels::exp::exp;
use crate::kernels::gemm::{Mat, Rows, Size, gemm, gemm_rows};
use crate::kernels::numbers::{Each, Numbers, Register, each};
use crate::kernels::simd::{Job, Kernel, Lanes, with_best};
use crate::kernels::sum::{dot, largest, sum};
use crate::kernels::transpose::Transpose;
use crate::layers::scaled_dot_product::{Hidden, Scores};
use crate::storage::Storage;
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

    /// The rows of a head's matrix from `row` on, to be written, of the sample that begins at `begin`.
    ///
    /// # Safety
    /// As long as these are there nobody else has any of the matrix.
    unsafe fn rows<'a, E>(&self, numbers: Storage<'a, E>, begin: usize, head: usize, row: usize) -> Rows<'a, E> {
        let begin = begin + self.begin(head) + row * self.row;
        // SAFETY: the caller's contract.
        unsafe { Rows::columns(numbers, self.row, begin..begin + self.cols) }
    }
}

/// How many queries are looked at together. Of a causal score matrix, so much that is not seen is computed on the diagonal.
const BLOCK: usize = 64;
const CAUSAL_BLOCK: usize = 16;

/// How many multiplications are worth waking a thread.
const WORTH: usize = 1 << 18;

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

    /// Calls `work` for each head of each sample, with scratch space, on several threads where steps are shared out and it pays.
    fn for_each_head<E: Float>(&self, threads: Option<usize>, samples: usize, scratch: &mut [E], work: &(dyn Fn([usize; 2], [&mut [E]; 2]) + Sync)) {
        let Scores { heads, queries, keys, .. } = self.scores;
        let ([d, d_v], [turned, block], scratch) = (self.features(), self.spaces(), Storage::new(scratch));
        let pays = samples * heads * queries * keys * (d + d_v) >= WORTH;
        let threads = threads.filter(|_| pays).unwrap_or(1).min(heads);
        Pool::global().run(threads, samples * heads, &|seat, i| {
            let begin = seat * (turned + block);
            // SAFETY: threads that work at the same time have different seats.
            let scratch = unsafe { [scratch.write(begin..begin + turned), scratch.write(begin + turned..begin + turned + block)] };
            work([i / heads, i % heads], scratch);
        });
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

/// Makes of the scores of some queries, before they are scaled, their weights.
struct Weigh<'a, E> {
    scores: &'a Scores,
    rows: Range<usize>,
    hidden: Hidden<&'a [E]>,
    /// Scores of as many keys as a query sees.
    weights: &'a mut [E],
}

impl<E: Float> Kernel<E> for Weigh<'_, E> {
    type Output = ();

    #[inline(always)]
    unsafe fn run<V: Lanes<E>>(self) {
        let Weigh { scores, rows, hidden, weights } = self;
        for (i, weights) in rows.zip(weights.chunks_exact_mut(scores.keys)) {
            let (seen, unseen) = weights.split_at_mut(scores.seen(i..i + 1));
            unseen.fill(E::zero());
            // SAFETY: the caller's contract.
            unsafe { scores.weigh::<E, V>(i, hidden, seen) };
        }
    }
}

impl Scores {
    /// Makes of the scores of the keys that query `i` sees their weights.
    ///
    /// # Safety
    /// The contract of [`Lanes`].
    #[inline(always)]
    unsafe fn weigh<E: Float, V: Lanes<E>>(&self, i: usize, hidden: Hidden<&[E]>, seen: &mut [E]) {
        let scale = E::of(self.scale);
        seen.iter_mut().for_each(|score| *score *= scale);
        if let Some(mask) = hidden.mask {
            seen.iter_mut().zip(&mask[i * self.keys..]).for_each(|(score, &mask)| *score += mask);
        }
        if let Some(padding) = hidden.padding {
            seen.iter_mut().zip(padding).filter(|(_, padding)| **padding != E::zero()).for_each(|(score, _)| *score = E::neg_infinity());
        }
        let largest = largest(seen);
        // Nobody to attend to, unless all scores are no numbers, which the weights then are as well.
        if largest == E::neg_infinity() && seen.iter().all(|&score| score == E::neg_infinity()) {
            return seen.fill(E::zero());
        }
        // SAFETY: the caller's contract.
        unsafe { each::<E, V>(seen.len(), &mut Powers { scores: seen, largest }) };
        let sum = sum(seen);
        seen.iter_mut().for_each(|weight| *weight /= sum);
    }
}

/// Replaces scores by their powers: `exp(score - largest)`.
struct Powers<'a, E> {
    scores: &'a mut [E],
    largest: E,
}

impl<E: Float> Each<E> for Powers<'_, E> {
    #[inline(always)]
    unsafe fn at<V: Lanes<E>>(&mut self, i: usize, n: usize) {
        // SAFETY: the caller's contract.
        unsafe {
            let scores = self.scores.as_mut_ptr().add(i);
            exp(Register::<E, V>::read(scores, n) - Register::all(self.largest)).write(scores, n);
        }
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
    /// For as many threads as there are heads; only what is used is touched.
    fn scratch(&self) -> usize {
        self.scores.heads * self.spaces().into_iter().sum::<usize>()
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
        let (width, numel) = (at.output.len() / at.samples, queries * keys);
        let (output, saved) = (Storage::new(at.output), Storage::new(at.saved));
        self.for_each_head(at.threads, at.samples, at.scratch, &|[sample, head], [turned, _]| {
            let of = |input: usize| of_sample(at.inputs[input], at.samples, sample);
            let hidden = Hidden { padding: self.padding.map(of), mask: self.mask.map(|mask| of_sample(of(mask), heads, head)) };
            let begin = (sample * heads + head) * numel;
            // SAFETY: the weights and the outputs of a head are its own.
            let (weights, y) = unsafe { (saved.write(begin..begin + numel), self.y.rows(output, sample * width, head, 0)) };
            self.head(self.operands(of, head), hidden, weights, y, turned);
        });
    }

    fn backward(&self, mut at: Backward<'_, E>) {
        let heads = self.scores.heads;
        // Nothing is learned of padding: its gradient stays as it is cleared here.
        let d_inputs = at.d_inputs.each_mut().map(|d_input| d_input.as_mut().map(|d_input| Storage::new(d_input.accumulate())));
        self.for_each_head(at.threads, at.samples, at.scratch, &|[sample, head], scratch| {
            let of = |input: usize| of_sample(at.inputs[input], at.samples, sample);
            let dy = of_sample(at.d_output, at.samples, sample);
            let weights = of_sample(of_sample(at.saved, at.samples, sample), heads, head);
            let to = Returning { d_inputs: &d_inputs, samples: at.samples, sample, head };
            self.head_back(Back { operands: self.operands(of, head), weights, dy: self.y.mat(dy, head) }, to, scratch);
        });
    }
}

/// What one head has at hand on the way back.
struct Back<'a, E> {
    operands: [Mat<'a, E>; 3],
    weights: &'a [E],
    dy: Mat<'a, E>,
}

/// Where the gradients of one head of one sample are added up.
struct Returning<'a, 'b, E> {
    d_inputs: &'a [Option<Storage<'b, E>>; MAX_INPUTS],
    samples: usize,
    sample: usize,
    head: usize,
}

impl<'b, E> Returning<'_, 'b, E> {
    /// All of an input, and where the sample begins.
    fn input(&self, input: usize) -> Option<(Storage<'b, E>, usize)> {
        let all = self.d_inputs[input]?;
        Some((all, self.sample * (all.len() / self.samples)))
    }

    /// The rows of one of the head's operands from `row` on.
    ///
    /// # Safety
    /// As long as these are there nobody else has any of them.
    unsafe fn rows(&self, operand: Operand, row: usize) -> Option<Rows<'b, E>> {
        let (all, begin) = self.input(operand.input)?;
        // SAFETY: the caller's contract.
        Some(unsafe { operand.at.rows(all, begin, self.head, row) })
    }

    /// The mask of some queries.
    ///
    /// # Safety
    /// As for [`Returning::rows`].
    unsafe fn mask(&self, mask: usize, of: &Scores, rows: Range<usize>) -> Option<&'b mut [E]> {
        let (all, begin) = self.input(mask)?;
        let first = self.head * of.queries;
        // SAFETY: the caller's contract.
        Some(unsafe { all.write(begin + (first + rows.start) * of.keys..begin + (first + rows.end) * of.keys) })
    }
}

impl Attend {
    fn operands<'a, E>(&self, of: impl Fn(usize) -> &'a [E], head: usize) -> [Mat<'a, E>; 3] {
        [self.q, self.k, self.v].map(|operand| operand.at.mat(of(operand.input), head))
    }

    fn head<E: Float>(&self, [q, k, v]: [Mat<'_, E>; 3], hidden: Hidden<&[E]>, weights: &mut [E], mut y: Rows<'_, E>, turned: &mut [E]) {
        let ([d, d_v], keys) = (self.features(), self.scores.keys);
        let k = transposed(k, [keys, d], turned); // [d, S]
        for rows in self.blocks() {
            let (m, seen) = (rows.len(), self.scores.seen(rows.clone()));
            let weights = &mut weights[rows.start * keys..rows.end * keys];
            gemm_rows(Size { m, n: seen, k: d }, from_row(q, rows.start), k, false, Rows::new(weights, keys)); // [m, S]
            E::run(Weigh { scores: &self.scores, rows: rows.clone(), hidden, weights });
            gemm_rows(Size { m, n: d_v, k: seen }, Mat::rows(weights, keys), v, false, y.below(rows.start)); // [m, dv]
        }
    }

    fn head_back<E: Float>(&self, at: Back<'_, E>, to: Returning<'_, '_, E>, [turned, block]: [&mut [E]; 2]) {
        let ([d, d_v], Scores { keys, scale, .. }, [q, k, v]) = (self.features(), self.scores, at.operands);
        let v = transposed(v, [keys, d_v], turned); // [dv, S]
        for rows in self.blocks() {
            let (m, seen) = (rows.len(), self.scores.seen(rows.clone()));
            let (q, dy, weights) = (from_row(q, rows.start), from_row(at.dy, rows.start), &at.weights[rows.start * keys..rows.end * keys]);
            // SAFETY: what a head's gradients are added to is its own, and is looked at by one product after the other.
            unsafe {
                if let Some(dv) = to.rows(self.v, 0) {
                    gemm_rows(Size { m: seen, n: d_v, k: m }, Mat::rows(weights, keys).transposed(), dy, true, dv); // [seen, dv]
                }
                gemm(Size { m, n: seen, k: d_v }, dy, v, false, block); // [m, seen]
                let d_mask = self.mask.and_then(|mask| to.mask(mask, &self.scores, rows.clone()));
                with_best(WeighBack { scale, keys, seen, weights, d: &mut block[..m * seen], d_mask });
                let scores = Mat::rows(&*block, seen);
                if let Some(dq) = to.rows(self.q, rows.start) {
                    gemm_rows(Size { m, n: d, k: seen }, scores, k, true, dq); // [m, d]
                }
                if let Some(dk) = to.rows(self.k, 0) {
                    gemm_rows(Size { m: seen, n: d, k: m }, scores.transposed(), q, true, dk); // [seen, d]
                }
            }
        }
    }
}
