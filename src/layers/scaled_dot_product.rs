//! Attention without parameters.

use super::Leaf;
use crate::cpu::steps::{Attend, Heads, Operand};
use crate::cpu::{Planner, Value};
use crate::float::Float;
use crate::gpu;
use crate::onnx::{self, Attribute, Graph, Samples};
use crate::portable::{Site, Var, detached};
use crate::types::{Dims, Label, Layer, Message, Param, Parts, Problem, Reach, Slot, Spec};
use core::ops::Range;
use dfdx::prelude::{BroadcastTo, PermuteTo, ReshapeTo, TryAdd, TryMatMul, TryMul, TrySub};
use dfdx::shapes::{Axes2, Axes4, Axis, HasShape};
use dfdx::tensor::{NoneTape, Tape, Tensor};
use dfdx::tensor_ops::Device;

/// The scale is `1/√d` and no fraction.
const ROOT: usize = usize::MAX;

/// Attention without parameters: `y = softmax(s q kᵀ + m) v`, the mean of the values whose keys are like the query.
///
/// `s` is `1/√d`, or the fraction `N / DEN`: `ScaledDotProductAttention<1, 2>`.
///
/// # Shapes
/// `[H, T, d] -> [H, T, dv]` with `H` heads, or `[T, d] -> [T, dv]`. The memory beside the queries holds keys and values side
/// by side, `[H, S, d + dv]` or `[S, d + dv]`. Two more slots are looked at where they are there: `memory_padding` `[S]` is 1
/// for keys that are not attended to, and `attention_mask` `[H, T, S]` or `[T, S]` is `m`. A query whose keys are all padding
/// becomes zeros.
///
/// # Examples
/// ```
/// use formwork::prelude::*;
///
/// /// Five queries of 4 numbers to six keys of 4 numbers, with values of 3.
/// #[network({ x: [5, 4], memory: [6, 7], memory_padding: [6] } => [5, 3])]
/// type Lookup = ScaledDotProductAttention;
/// ```
///
/// Vaswani et al., [Attention is all you need](https://arxiv.org/abs/1706.03762), 2017; PyTorch's
/// `scaled_dot_product_attention`, whose boolean masks are 1 where this one's padding is 0. Course notes: attention.
#[derive(Clone, Copy, Debug, Default)]
pub struct ScaledDotProductAttention<const N: usize = 1, const DEN: usize = ROOT>;

/// [`ScaledDotProductAttention`] in which query `i` sees the keys up to number `i`.
///
/// # Shapes
/// Those of [`ScaledDotProductAttention`].
///
/// # Examples
/// ```
/// use formwork::prelude::*;
///
/// #[network({ x: [2, 5, 4], memory: [2, 5, 8] } => [2, 5, 4])]
/// type Past = CausalScaledDotProductAttention;
/// ```
///
/// PyTorch's `is_causal=True`.
#[derive(Clone, Copy, Debug, Default)]
pub struct CausalScaledDotProductAttention<const N: usize = 1, const DEN: usize = ROOT>;

impl<const N: usize, const DEN: usize> Layer for ScaledDotProductAttention<N, DEN> {
    const SPEC: &'static Spec = &Spec::Leaf(Leaf::ScaledDotProduct(ScaledDotProductSpec { numerator: N, denominator: DEN, causal: false }));
}

impl<const N: usize, const DEN: usize> Layer for CausalScaledDotProductAttention<N, DEN> {
    const SPEC: &'static Spec = &Spec::Leaf(Leaf::ScaledDotProduct(ScaledDotProductSpec { numerator: N, denominator: DEN, causal: true }));
}

/// What a [`ScaledDotProductAttention`] is.
#[derive(Clone, Copy, Debug)]
pub struct ScaledDotProductSpec {
    numerator: usize,
    denominator: usize,
    causal: bool,
}

impl ScaledDotProductSpec {
    /// `ScaledDotProductAttention`, with its scale where it is a fraction.
    pub const fn label(&self) -> Label {
        let name = if self.causal { "CausalScaledDotProductAttention" } else { "ScaledDotProductAttention" };
        Label::new(name, &[self.numerator, self.denominator]).without_defaults(&[1, ROOT])
    }

    /// Replaces the last dimension by that of the values.
    pub const fn infer(&self, x: Parts<Dims>) -> Result<Parts<Dims>, Problem> {
        let (queries, rank) = (x.x, x.x.rank());
        if self.denominator == 0 {
            return Err(Problem::zero("denominator"));
        }
        if rank != 2 && rank != 3 {
            return Err(Problem::rank("queries [T, d] or [H, T, d]", queries));
        }
        if queries.numel() == 0 {
            return Err(Problem::rank("at least one query of at least one number", queries));
        }
        let Some(&memory) = x.beside(Slot::Memory) else { return Err(Problem::missing(Slot::Memory)) };
        let (d, width) = (queries.size(rank - 1), memory.size(rank - 1));
        // All but how many keys there are, and how many numbers a value has, is known of the queries.
        let keys = if rank == memory.rank() { memory.size(rank - 2) } else { 0 };
        if keys == 0 || width <= d || !queries.with(rank - 2, keys).with(rank - 1, width).same(&memory) {
            let message = Message::new("expects the memory ").str(if rank == 2 { "[S, " } else { "[H, S, " }).num(d);
            let message = message.str(" + dv], keys beside values, for queries ").dims(queries);
            return Err(Problem::new(message.str(", but is given ").dims(memory)));
        }
        if let Some(problem) = x.misfit(Slot::MemoryPadding, Dims::new(&[keys])) {
            return Err(problem);
        }
        if let Some(problem) = x.misfit(Slot::AttentionMask, queries.with(rank - 1, keys)) {
            return Err(problem);
        }
        Ok(x.with_x(queries.with(rank - 1, width - d)))
    }

    /// None.
    pub const fn param(&self, _i: usize) -> Option<Param> {
        None
    }

    /// Those of the scores, of their softmax, and of the means.
    pub const fn flops(&self, x: Parts<Dims>, y: Parts<Dims>) -> usize {
        let rank = x.x.rank();
        let keys = match x.beside(Slot::Memory) {
            Some(memory) => memory.size(rank - 2),
            None => 0,
        };
        flops(x.x.numel() / x.x.size(rank - 1) * keys, [x.x.size(rank - 1), y.x.size(rank - 1)])
    }

    /// All keys and values.
    pub const fn reach(&self) -> Reach {
        Reach::All
    }

    fn scores(&self, queries: Dims, memory: Dims) -> Scores {
        let rank = queries.rank();
        let scale = match self.denominator {
            ROOT => 1.0 / (queries.size(rank - 1) as f64).sqrt(),
            denominator => self.numerator as f64 / denominator as f64,
        };
        let heads = if rank == 2 { 1 } else { queries.size(0) };
        Scores { heads, queries: queries.size(rank - 2), keys: memory.size(rank - 2), scale, causal: self.causal }
    }

    pub(crate) fn portable<E: Float, D: Device<E>, T: Tape<E, D>>(
        &self,
        site: &Site<'_, E, D, T>,
        x: Parts<Var<E, D, T>>,
        y: Parts<Dims>,
    ) -> Result<Parts<Var<E, D, T>>, D::Err> {
        let [memory, padding, mask] = [Slot::Memory, Slot::MemoryPadding, Slot::AttentionMask].map(|slot| x.beside(slot).map(Var::fork));
        let Some(memory) = memory else { unreachable!("a network is checked before it is lowered") };
        let (samples, scores) = (memory.samples(), self.scores(x.x.dims(), memory.dims()));
        let [d, d_v] = [x.x.dims(), y.x].map(|dims| dims.size(dims.rank() - 1));
        let Scores { heads, queries, keys, .. } = scores;
        let both = (samples, heads, keys, d + d_v);
        let columns = |memory: Var<E, D, T>, columns: Range<usize>| memory.view(&both)?.try_slice((0..samples, 0..heads, 0..keys, columns));
        let (k, v) = (columns(memory.fork(), 0..d)?, columns(memory, d..d + d_v)?); // [B, H, S, d], [B, H, S, dv]
        x.try_map_x(|x| {
            let q = x.view(&(samples, heads, queries, d))?; // [B, H, T, d]
            Var::new(scores.portable(site, [q, k, v], Hidden { padding, mask })?, samples, y.x)
        })
    }

    pub(crate) fn onnx(&self, graph: &mut Graph, x: Parts<Samples>, y: Parts<Dims>) -> Parts<Samples> {
        let Some(&memory) = x.beside(Slot::Memory) else { unreachable!("a network is checked before it is exported") };
        let scores = self.scores(x.x.dims, memory.dims);
        let [d, width] = [x.x.dims, memory.dims].map(|dims| dims.size(dims.rank() - 1));
        let q = graph.reshape_samples(x.x.tensor, &[scores.heads, scores.queries, d]); // [B, H, T, d]
        let memory = graph.reshape_samples(memory.tensor, &[scores.heads, scores.keys, width]);
        let [k, v] = [[0, d], [d, width]].map(|columns| graph.slice(memory, 3, columns)); // [B, H, S, d], [B, H, S, dv]
        let [padding, mask] = [Slot::MemoryPadding, Slot::AttentionMask].map(|slot| x.beside(slot).map(|side| side.tensor));
        let means = scores.onnx(graph, [q, k, v], Hidden { padding, mask });
        let tensor = graph.reshape_samples(means, y.x.sizes());
        x.with_x(Samples { tensor, dims: y.x })
    }

    pub(crate) fn plan<E: Float>(&self, planner: &mut Planner<E>, x: Parts<Value>, y: Parts<Dims>) -> Parts<Value> {
        let Some(&memory) = x.beside(Slot::Memory) else { unreachable!("a network is checked before it is lowered") };
        let scores = self.scores(x.x.dims, memory.dims);
        let [d, d_v] = [x.x.dims, y.x].map(|dims| dims.size(dims.rank() - 1));
        let rows = |begin: usize, rows: usize, row: usize, cols: usize| Heads { begin, head: rows * row, row, cols };
        let q = Operand { input: 0, at: rows(0, scores.queries, d, d) };
        let k = Operand { input: 1, at: rows(0, scores.keys, d + d_v, d) };
        let v = Operand { input: 1, at: rows(d, scores.keys, d + d_v, d_v) };
        let mut inputs = vec![x.x, memory];
        let [padding, mask] = [Slot::MemoryPadding, Slot::AttentionMask].map(|slot| {
            inputs.push(*x.beside(slot)?);
            Some(inputs.len() - 1)
        });
        let attend = Attend { scores, q, k, v, y: rows(0, scores.queries, d_v, d_v), padding, mask };
        x.with_x(planner.step(attend, &inputs, y.x))
    }

    pub(crate) fn fused(&self, planner: &mut gpu::Planner, x: Parts<gpu::Value>, y: Parts<Dims>) -> Option<Parts<gpu::Value>> {
        let &memory = x.beside(Slot::Memory)?;
        let scores = self.scores(x.x.dims, memory.dims);
        let [d, d_v] = [x.x.dims, y.x].map(|dims| dims.size(dims.rank() - 1));
        let rows = |value: gpu::Value, begin: usize, rows: usize, row: usize, cols: usize| gpu::Operand { value, begin, head: rows * row, row, cols };
        let q = rows(x.x, 0, scores.queries, d, d);
        let k = rows(memory, 0, scores.keys, d + d_v, d);
        let v = rows(memory, d, scores.keys, d + d_v, d_v);
        let [padding, mask] = [Slot::MemoryPadding, Slot::AttentionMask].map(|slot| x.beside(slot).copied());
        let attention = gpu::Attention { scores, q, k, v, padding, mask };
        Some(x.with_x(planner.attend(attention, y.x, [scores.queries * d_v, d_v])?))
    }
}

/// The operations of this many scores: a product of keys of `d` numbers, five for the softmax, a mean of values of `d_v`.
pub(crate) const fn flops(scores: usize, [d, d_v]: [usize; 2]) -> usize {
    scores * (2 * d + 5 + 2 * d_v)
}

/// The scores of keys for queries, in each head.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Scores {
    pub heads: usize,
    pub queries: usize,
    pub keys: usize,
    pub scale: f64,
    /// Whether query `i` sees the keys up to number `i`, and no others.
    pub causal: bool,
}

/// What keeps queries from keys.
#[derive(Clone, Copy)]
pub(crate) struct Hidden<X> {
    /// 1 where a key is not attended to.
    pub padding: Option<X>,
    /// Numbers that are added to the scores.
    pub mask: Option<X>,
}

/// What is added to the score of a key that is not attended to: enough, and yet finite, so that no difference is NaN.
const FAR: f64 = -1e30;

impl Scores {
    /// How many there are for each sample.
    pub(crate) fn numel(&self) -> usize {
        self.heads * self.queries * self.keys
    }

    /// How many keys are seen by any of these queries.
    pub(crate) fn seen(&self, queries: Range<usize>) -> usize {
        if self.causal { queries.end.min(self.keys) } else { self.keys }
    }

    /// `softmax(scale q kᵀ + mask) v` of `[q, k, v]`, which are `[B, H, T, d]`, `[B, H, S, d]`, `[B, H, S, dv]`.
    pub(crate) fn portable<E: Float, D: Device<E>, T: Tape<E, D>>(
        &self,
        site: &Site<'_, E, D, T>,
        [q, k, v]: [Heads4<E, D, T>; 3],
        hidden: Hidden<Var<E, D, T>>,
    ) -> Result<Heads4<E, D, T>, D::Err> {
        let (samples, ..) = *q.shape();
        let shape = (samples, self.heads, self.queries, self.keys);
        let k = k.try_permute::<_, Axes4<0, 1, 3, 2>>()?; // [B, H, d, S]
        let mut scores = q.try_matmul(k)?.try_mul(E::of(self.scale))?; // [B, H, T, S]
        if let Some(mask) = hidden.mask {
            scores = scores.try_add(mask.view(&shape)?)?;
        }
        let weights = match self.open(site, hidden.padding, samples)? {
            None => scores.try_softmax::<Axis<3>>()?,
            Some(open) => {
                let far = open.clone().try_sub(E::one())?.try_mul(E::of(-FAR))?;
                // Where no key is left the softmax knows nothing of it, and the product makes zeros.
                scores.try_add(far)?.try_softmax::<Axis<3>>()?.try_mul(open)?
            }
        };
        site.show([self.heads, self.queries, self.keys], || weights.as_vec());
        weights.try_matmul(v) // [B, H, T, dv]
    }

    /// The same as ONNX nodes.
    pub(crate) fn onnx(&self, graph: &mut Graph, [q, k, v]: [onnx::Tensor; 3], hidden: Hidden<onnx::Tensor>) -> onnx::Tensor {
        let k = graph.transpose(k, &[0, 1, 3, 2]); // [B, H, d, S]
        let (products, scale) = (graph.node("MatMul", &[q, k], &[]), graph.constant(&[self.scale], &[]));
        let mut scores = graph.node("Mul", &[products, scale], &[]); // [B, H, T, S]
        if let Some(mask) = hidden.mask {
            let mask = graph.reshape_samples(mask, &[self.heads, self.queries, self.keys]);
            scores = graph.node("Add", &[scores, mask], &[]);
        }
        let softmax = |graph: &mut Graph, scores| graph.node("Softmax", &[scores], &[("axis", Attribute::Int(3))]);
        let weights = match self.hiding(graph, hidden.padding) {
            None => softmax(graph, scores),
            Some(hiding) => {
                let (far, one) = (graph.constant(&[FAR], &[]), graph.constant(&[1.0], &[]));
                let far = graph.node("Mul", &[hiding, far], &[]);
                let scores = graph.node("Add", &[scores, far], &[]);
                let (weights, open) = (softmax(graph, scores), graph.node("Sub", &[one, hiding], &[]));
                // Where no key is left the softmax knows nothing of it, and the product makes zeros.
                graph.node("Mul", &[weights, open], &[])
            }
        };
        graph.node("MatMul", &[weights, v], &[]) // [B, H, T, dv]
    }

    /// 1 where a query does not attend to a key and 0 elsewhere, if there is any such place; it broadcasts to `[B, H, T, S]`.
    fn hiding(&self, graph: &mut Graph, padding: Option<onnx::Tensor>) -> Option<onnx::Tensor> {
        let padding = padding.map(|padding| graph.reshape_samples(padding, &[1, 1, self.keys]));
        let ahead = self.causal.then(|| {
            let is_ahead = |i: usize| f64::from(u8::from(i % self.keys >= self.seen(0..i / self.keys + 1)));
            let ahead: Vec<f64> = (0..self.queries * self.keys).map(is_ahead).collect();
            graph.constant(&ahead, &[self.queries, self.keys])
        });
        match (padding, ahead) {
            (Some(padding), Some(ahead)) => Some(graph.node("Max", &[padding, ahead], &[])),
            (padding, ahead) => padding.or(ahead),
        }
    }

    /// 1 where a query attends to a key and 0 elsewhere, if there is any such place.
    fn open<E: Float, D: Device<E>, T: Tape<E, D>>(
        &self,
        site: &Site<'_, E, D, T>,
        padding: Option<Var<E, D, T>>,
        samples: usize,
    ) -> Result<Option<Heads4<E, D>>, D::Err> {
        let shape = (samples, self.heads, self.queries, self.keys);
        let mut open = None;
        if let Some(padding) = padding {
            let (padding, _) = detached(padding.flat())?;
            let padding = padding.try_reshape_like(&(samples, self.keys))?;
            open = Some(padding.try_negate()?.try_add(E::one())?.try_broadcast_like::<_, Axes2<1, 2>>(&shape)?);
        }
        if self.causal {
            let sees = |i: usize| if i % self.keys < self.seen(0..i / self.keys + 1) { E::one() } else { E::zero() };
            let past = site.constant((0..self.queries * self.keys).map(sees).collect(), (self.queries, self.keys))?;
            let past = past.try_broadcast_like::<_, Axes2<0, 1>>(&shape)?;
            open = Some(match open {
                Some(open) => open.try_mul(past)?,
                None => past,
            });
        }
        Ok(open)
    }
}

/// A matrix for each sample and head.
pub(crate) type Heads4<E, D, T = NoneTape> = Tensor<(usize, usize, usize, usize), E, D, T>;
