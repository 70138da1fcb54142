//! Means of values, weighted by a softmax of scores.

use crate::gpu::call::{Arg, Place};
use crate::gpu::{Planner, Value};
use crate::layers::scaled_dot_product::Scores;
use crate::types::Dims;

/// A matrix for each head, somewhere in a value: where it begins in a sample, how far the next head's is, how far the next row is,
/// and how many numbers a row has.
#[derive(Clone, Copy)]
pub(crate) struct Operand {
    pub value: Value,
    pub begin: usize,
    pub head: usize,
    pub row: usize,
    pub cols: usize,
}

impl Operand {
    /// The struct of that name in `attention.cu`.
    fn sizes(&self) -> [usize; 3] {
        [self.value.dims.numel(), self.head, self.row]
    }
}

/// `y = softmax(scale q kᵀ + mask) v` in each head.
#[derive(Clone, Copy)]
pub(crate) struct Attention {
    pub scores: Scores,
    pub q: Operand,
    pub k: Operand,
    pub v: Operand,
    /// Which keys are padding: `[S]`.
    pub padding: Option<Value>,
    /// What is added to the scores: `[H, T, S]`.
    pub mask: Option<Value>,
}

/// How many numbers a query, a key and a value can have.
const HEAD: usize = 128;

/// Queries, or on the way back for keys keys, that a block has.
const OWN: usize = 64;

/// What the kernels of the way back read.
#[derive(Clone, Copy)]
struct Left {
    sizes: Arg,
    dy: Place,
    log_sums: Place,
    products: Place,
}

impl Attention {
    fn blocks(&self, samples: usize, rows: usize) -> usize {
        samples * self.scores.heads * rows.div_ceil(OWN)
    }
}

impl Planner {
    /// The means, of shape `dims`, where each head's matrix lies as `head` and `row` say; none where heads are too wide.
    pub(crate) fn attend(&mut self, of: Attention, dims: Dims, [head, row]: [usize; 2]) -> Option<Value> {
        if of.q.cols.max(of.v.cols) > HEAD {
            return None;
        }
        let (out, samples, scores) = (self.value(dims), self.samples(), of.scores);
        let y = Operand { value: out, begin: 0, head, row, cols: of.v.cols };
        let sizes = [samples, scores.heads, scores.queries, scores.keys, of.q.cols, of.v.cols, scores.causal.into()];
        let sizes = self.table(sizes.into_iter().chain([of.q, of.k, of.v, y].iter().flat_map(Operand::sizes)));
        let (y_at, log_sums) = (self.at(out), self.room(samples * scores.heads * scores.queries));
        let args = [&self.operands(&of, sizes)[..], &[y_at.into(), log_sums.into(), scores.scale.into()]].concat();
        self.blocks("attend", of.blocks(samples, scores.queries), &args);
        if let Some(weights) = self.show([scores.heads, scores.queries, scores.keys]) {
            let args = [&self.operands(&of, sizes)[..], &[log_sums.into(), weights.into(), scores.scale.into()]].concat();
            self.each("attend_weights", samples * scores.numel(), &args);
        }
        self.back(out, move |p, dy| {
            let count = samples * scores.heads * scores.queries;
            let products = p.room(count);
            p.each("attend_products", count, &[sizes, y_at.into(), dy.into(), products.into()]);
            p.attend_back(&of, Left { sizes, dy, log_sums, products });
        });
        Some(out)
    }

    /// What all kernels begin with.
    fn operands(&self, of: &Attention, sizes: Arg) -> [Arg; 6] {
        let [q, k, v] = [of.q, of.k, of.v].map(|operand| self.at(operand.value).behind(operand.begin).into());
        let [padding, mask] = [of.padding, of.mask].map(|value| value.map(|value| self.at(value)).into());
        [sizes, q, k, v, padding, mask]
    }

    fn attend_back(&mut self, of: &Attention, left: Left) {
        let (samples, scores) = (self.samples(), of.scores);
        let d_values = self.d_operands(&[of.q, of.k, of.v]);
        let d_mask = of.mask.and_then(|mask| self.d(mask));
        if let Some(d) = of.padding.and_then(|padding| self.d(padding)).filter(|d| !d.add) {
            self.zero(d.at, samples * scores.keys);
        }
        let common = [&self.operands(of, left.sizes)[..], &[left.dy.into(), left.log_sums.into(), left.products.into()]].concat();
        let [dq, dk, dv] = d_values;
        let of_mask: [Arg; 2] = [d_mask.map(|d| d.at).into(), d_mask.is_some_and(|d| d.add).into()];
        if dq.is_some() || d_mask.is_some() {
            let args =
                [&common[..], &[dq.map(|(at, _)| at).into(), dq.is_some_and(|(_, add)| add).into()], &of_mask, &[scores.scale.into()]].concat();
            self.blocks("attend_back_queries", of.blocks(samples, scores.queries), &args);
        }
        if dk.is_some() || dv.is_some() {
            let [dk, dv]: [[Arg; 2]; 2] = [dk, dv].map(|d| [d.map(|(at, _)| at).into(), d.is_some_and(|(_, add)| add).into()]);
            let args = [&common[..], &dk, &dv, &[scores.scale.into()]].concat();
            self.blocks("attend_back_keys", of.blocks(samples, scores.keys), &args);
        }
    }

    /// Where the gradients of operands go, and whether they are added: those of one value share its numbers out.
    fn d_operands(&mut self, operands: &[Operand; 3]) -> [Option<(Place, bool)>; 3] {
        let mut known: Vec<(Place, Option<crate::gpu::Gradient>)> = Vec::new();
        operands.map(|operand| {
            let at = self.at(operand.value);
            let d = match known.iter().find(|(value, _)| *value == at) {
                Some(&(_, d)) => d,
                None => {
                    let d = self.d(operand.value);
                    known.push((at, d));
                    d
                }
            };
            d.map(|d| (d.at.behind(operand.begin), d.add))
        })
    }
}
