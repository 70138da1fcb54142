//! Attention with several heads.

use super::groups::possible;
use super::linear::{Matrix, affine, projected};
use super::scaled_dot_product::{Heads4, Hidden, Scores, flops};
use super::{Leaf, generic};
use crate::cpu::steps::{Attend, Dense, Forward, Heads, Operand, Part};
use crate::cpu::{Planner, Stream, Value};
use crate::float::Float;
use crate::gpu;
use crate::onnx::{Attribute, Graph, Samples, Tensor};
use crate::portable::{Site, Var};
use crate::types::{Dims, Label, Layer, Message, Param, Parts, Problem, Reach, Size, Slot, Spec};
use dfdx::prelude::{PermuteTo, ReshapeTo};
use dfdx::shapes::{Axes4, Const};
use dfdx::tensor::Tape;
use dfdx::tensor_ops::Device;

/// Attention of the places of a sequence to one another, in `H` heads:
/// `y = [softmax(q₁ k₁ᵀ / √d) v₁, .. , softmax(q_H k_Hᵀ / √d) v_H] Wᵒᵀ + bᵒ`, where `q`, `k` and `v` are `x Wᵀ + b`, each with
/// its own third of `in_proj_weight`, and `d = D / H`.
///
/// Where there is `padding` beside the sequence, nobody attends to the places where it is 1; a place that has nobody to attend
/// to takes the mean of no values, zeros. [`Model::attention`](crate::Model::attention) shows the weights.
///
/// # Shapes
/// `[T, D] -> [T, D]`, with `padding` `[T]`; `in_proj_weight` is `[3 D, D]`, `in_proj_bias` is `[3 D]`, `out_proj.weight` is
/// `[D, D]`, `out_proj.bias` is `[D]`, as in PyTorch's `nn.MultiheadAttention(D, H, batch_first=True)`.
///
/// # Examples
/// ```
/// use formwork::prelude::*;
///
/// #[network({ x: [16, 32], padding: [16] } => [16, 32])]
/// type Encoder = Residual<(LayerNorm<32>, SelfAttention<32, 4>)>;
/// assert_eq!(Encoder::SCALARS, 2 * 32 + 4 * (32 * 32 + 32));
/// ```
/// `generic::SelfAttention<D, H>` is the same layer with its sizes as types.
///
/// Vaswani et al., [Attention is all you need](https://arxiv.org/abs/1706.03762), 2017. Course notes: transformer.
pub type SelfAttention<const D: usize, const H: usize> = generic::SelfAttention<Const<D>, Const<H>>;

/// [`SelfAttention`] in which each place attends to itself and to those before it.
///
/// # Shapes
/// Those of [`SelfAttention`].
///
/// # Examples
/// ```
/// use formwork::prelude::*;
///
/// #[network([16, 32] => [16, 32])]
/// type Decoder = Residual<(LayerNorm<32>, CausalSelfAttention<32, 4>)>;
/// ```
///
/// Radford et al., "Improving language understanding by generative pre-training", 2018. Course notes: transformer.
pub type CausalSelfAttention<const D: usize, const H: usize> = generic::CausalSelfAttention<Const<D>, Const<H>>;

/// Attention of the places of a sequence to those of another, the memory: as [`SelfAttention`], where `q` is made of the
/// sequence, and `k` and `v` of the memory.
///
/// Where there is `memory_padding` beside the memory, nobody attends to the places where it is 1.
///
/// # Shapes
/// `[T, D] -> [T, D]`, with `memory` `[S, D]` and `memory_padding` `[S]`; parameters as those of [`SelfAttention`].
///
/// `generic::CrossAttention<D, H, K>` takes a memory `[S, K]` of another width, and `generic::CrossAttention<D, H, K, V>` a memory
/// `[S, K + V]` that holds what keys are made of beside what values are made of. Instead of `in_proj_weight` these have
/// `q_proj_weight` `[D, D]`, `k_proj_weight` `[D, K]` and `v_proj_weight` `[D, K]` or `[D, V]`: PyTorch's `kdim` and `vdim`.
///
/// # Examples
/// ```
/// use formwork::prelude::*;
///
/// #[network({ x: [5, 8], memory: [7, 8], memory_padding: [7] } => [5, 8])]
/// type Reading = Residual<CrossAttention<8, 2>>;
///
/// #[network({ x: [5, 8], memory: [7, 3] } => [5, 8])]
/// type OfAnotherWidth = generic::CrossAttention<Const<8>, Const<2>, Const<3>>;
/// ```
///
/// Vaswani et al., [Attention is all you need](https://arxiv.org/abs/1706.03762), 2017. Course notes: transformer.
pub type CrossAttention<const D: usize, const H: usize> = generic::CrossAttention<Const<D>, Const<H>>;

/// Values are made of the same numbers as keys.
pub type SameAsKeys = Const<{ usize::MAX }>;

impl<D: Size, H: Size> Layer for generic::SelfAttention<D, H> {
    const SPEC: &'static Spec = &AttentionSpec::spec::<D, H>(Source::Itself { causal: false });
}

impl<D: Size, H: Size> Layer for generic::CausalSelfAttention<D, H> {
    const SPEC: &'static Spec = &AttentionSpec::spec::<D, H>(Source::Itself { causal: true });
}

impl<D: Size, H: Size, K: Size, V: Size> Layer for generic::CrossAttention<D, H, K, V> {
    const SPEC: &'static Spec = &AttentionSpec::spec::<D, H>(Source::Memory { key_dim: K::SIZE, value_dim: V::SIZE });
}

/// What a [`SelfAttention`], a [`CausalSelfAttention`] or a [`CrossAttention`] is.
#[derive(Clone, Copy, Debug)]
pub struct AttentionSpec {
    /// `D`.
    pub embed_dim: usize,
    /// `H`.
    pub num_heads: usize,
    /// What is attended to.
    pub source: Source,
    /// Whether `b` and `bᵒ` are there.
    pub bias: bool,
}

/// What is attended to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Source {
    /// The sequence itself.
    Itself {
        /// Whether a place sees only itself and those before it.
        causal: bool,
    },
    /// The memory.
    Memory {
        /// How many of its numbers keys are made of.
        key_dim: usize,
        /// How many numbers behind these values are made of; [`SameAsKeys`] if of the same.
        value_dim: usize,
    },
}

/// What the three projections make.
#[derive(Clone, Copy)]
enum Role {
    Query,
    Key,
    Value,
}

const ROLES: [Role; 3] = [Role::Query, Role::Key, Role::Value];

impl AttentionSpec {
    const fn spec<D: Size, H: Size>(source: Source) -> Spec {
        Spec::Leaf(Leaf::Attention(AttentionSpec { embed_dim: D::SIZE, num_heads: H::SIZE, source, bias: true }))
    }

    /// `SelfAttention<D, H>`, `CausalSelfAttention<D, H>` or `CrossAttention<D, H>`.
    pub const fn label(&self) -> Label {
        let (d, h) = (self.embed_dim, self.num_heads);
        let label = match self.source {
            Source::Itself { causal: false } => Label::new("SelfAttention", &[d, h]),
            Source::Itself { causal: true } => Label::new("CausalSelfAttention", &[d, h]),
            Source::Memory { key_dim, value_dim } => {
                Label::new("CrossAttention", &[d, h, key_dim, value_dim]).without_defaults(&[d, SameAsKeys::SIZE])
            }
        };
        if self.bias { label } else { label.wrapped("NoBias") }
    }

    /// Keeps the shape; the heads share the features evenly, and what is attended to has the width it should have.
    pub const fn infer(&self, x: Parts<Dims>) -> Result<Parts<Dims>, Problem> {
        if let Some(problem) = self.problem() {
            return Err(problem);
        }
        if x.x.rank() != 2 {
            return Err(Problem::rank("a sequence [T, D]", x.x));
        }
        if x.x.size(0) == 0 {
            return Err(Problem::rank("a sequence of at least one place", x.x));
        }
        if x.x.size(1) != self.embed_dim {
            return Err(self.another_width(x.x.size(1)));
        }
        let misfit = match self.source {
            Source::Itself { .. } => x.misfit(Slot::Padding, Dims::new(&[x.x.size(0)])),
            Source::Memory { .. } => match x.beside(Slot::Memory) {
                None => return Err(Problem::missing(Slot::Memory)),
                Some(memory) if memory.size(0) == 0 => return Err(Problem::rank("a memory of at least one place", *memory)),
                Some(memory) => match x.misfit(Slot::Memory, Dims::new(&[memory.size(0), self.memory_width()])) {
                    None => x.misfit(Slot::MemoryPadding, Dims::new(&[memory.size(0)])),
                    problem => problem,
                },
            },
        };
        match misfit {
            None => Ok(x),
            Some(problem) => Err(problem),
        }
    }

    /// What is wrong with the layer's own numbers, if anything is.
    const fn problem(&self) -> Option<Problem> {
        let (d, h) = (self.embed_dim, self.num_heads);
        if d == 0 || self.input(Role::Key) == 0 || self.input(Role::Value) == 0 {
            return Some(Problem::zero("number of features"));
        }
        if h == 0 {
            return Some(Problem::zero("number of heads"));
        }
        if d.is_multiple_of(h) {
            return None;
        }
        let message = Message::new("cannot split ").num(d).str(" features evenly among ").num(h).str(" heads");
        let [fewer, more] = possible(d, h);
        let help = Message::new("").num(d).str(" features split evenly among ").num(fewer);
        let help = if fewer == more { help } else { help.str(" or ").num(more) };
        Some(Problem::new(message).help(help.str(if more == 1 { " head" } else { " heads" })))
    }

    /// The problem of a sequence of `given` features; the same layer fits where its heads can share them.
    const fn another_width(&self, given: usize) -> Problem {
        let fitting = AttentionSpec { embed_dim: given, ..*self };
        let problem = Problem::features(self.embed_dim, given);
        match fitting.problem() {
            None if matches!(self.source, Source::Itself { .. }) => problem.fits(fitting.label()),
            _ => problem,
        }
    }

    /// How many numbers a projection reads.
    const fn input(&self, role: Role) -> usize {
        match (self.source, role) {
            (Source::Memory { key_dim, .. }, Role::Key) => key_dim,
            (Source::Memory { key_dim, value_dim: SameAsKeys::SIZE }, Role::Value) => key_dim,
            (Source::Memory { value_dim, .. }, Role::Value) => value_dim,
            _ => self.embed_dim,
        }
    }

    /// How many numbers a place of the memory has.
    const fn memory_width(&self) -> usize {
        match self.source {
            Source::Memory { key_dim, value_dim } if value_dim != SameAsKeys::SIZE => key_dim + value_dim,
            _ => self.input(Role::Key),
        }
    }

    /// Whether all projections have one weight, as those that read as many numbers have.
    const fn is_packed(&self) -> bool {
        self.input(Role::Key) == self.embed_dim && self.input(Role::Value) == self.embed_dim
    }

    /// `in_proj_weight`, or the weights of the three projections; `in_proj_bias`; `out_proj.weight` and `out_proj.bias`. Biases
    /// begin as zeros.
    pub const fn param(&self, i: usize) -> Option<Param> {
        let d = self.embed_dim;
        let weights = if self.is_packed() { 1 } else { 3 };
        // Without biases there are only the even ones of those behind the weights.
        let behind = if i < weights || self.bias { i } else { weights + 2 * (i - weights) + 1 };
        match (i, self.is_packed()) {
            (0, true) => return Some(Param::weight("in_proj_weight", &[3 * d, d], d, 3 * d)),
            (0, false) => return Some(Param::weight("q_proj_weight", &[d, d], d, d)),
            (1, false) => return Some(Param::weight("k_proj_weight", &[d, self.input(Role::Key)], self.input(Role::Key), d)),
            (2, false) => return Some(Param::weight("v_proj_weight", &[d, self.input(Role::Value)], self.input(Role::Value), d)),
            _ => {}
        }
        match behind - weights {
            0 => Some(Param::zeros("in_proj_bias", &[3 * d])),
            1 => Some(Param::weight("out_proj.weight", &[d, d], d, d)),
            2 if self.bias => Some(Param::zeros("out_proj.bias", &[d])),
            _ => None,
        }
    }

    /// Those of the projections, of the scores, and of the means.
    pub const fn flops(&self, x: Parts<Dims>, y: Parts<Dims>) -> usize {
        let (d, queries, bias) = (self.embed_dim, y.x.size(0), self.bias as usize);
        let keys = match (self.source, x.beside(Slot::Memory)) {
            (Source::Memory { .. }, Some(memory)) => memory.size(0),
            _ => queries,
        };
        let of_queries = 2 * queries * d * (2 * d + bias);
        let of_keys = keys * d * (2 * self.input(Role::Key) + 2 * self.input(Role::Value) + 2 * bias);
        let head = d / self.num_heads;
        of_queries + of_keys + flops(self.num_heads * queries * keys, [head, head])
    }

    /// All places.
    pub const fn reach(&self) -> Reach {
        Reach::All
    }

    /// The scores of `keys` keys for `queries` queries.
    fn scores(&self, queries: usize, keys: usize) -> Scores {
        let scale = 1.0 / ((self.embed_dim / self.num_heads) as f64).sqrt();
        let causal = matches!(self.source, Source::Itself { causal: true });
        Scores { heads: self.num_heads, queries, keys, scale, causal }
    }

    /// The slot that says which keys are padding.
    fn padding(&self) -> Slot {
        match self.source {
            Source::Itself { .. } => Slot::Padding,
            Source::Memory { .. } => Slot::MemoryPadding,
        }
    }

    pub(crate) fn portable<E: Float, D: Device<E>, T: Tape<E, D>>(
        &self,
        site: &Site<'_, E, D, T>,
        x: Parts<Var<E, D, T>>,
        y: Parts<Dims>,
    ) -> Result<Parts<Var<E, D, T>>, D::Err> {
        let hidden = Hidden { padding: x.beside(self.padding()).map(Var::fork), mask: None };
        let source = match self.source {
            Source::Itself { .. } => x.x.fork(),
            Source::Memory { .. } => x.beside(Slot::Memory).map_or_else(|| unreachable!("a network is checked before it is lowered"), Var::fork),
        };
        let scores = self.scores(x.x.dims().size(0), source.dims().size(0));
        let (samples, d, first) = (source.samples(), self.embed_dim, if self.is_packed() { 1 } else { 3 });
        x.try_map_x(|x| {
            let [q, k, v] = [self.heads(site, Role::Query, x)?, self.heads(site, Role::Key, source.fork())?, self.heads(site, Role::Value, source)?];
            let y_heads = scores.portable(site, [q, k, v], hidden)?.try_permute::<_, Axes4<0, 2, 1, 3>>()?; // [B, T, H, d]
            let out = y_heads.try_reshape_like(&(samples * scores.queries, d))?; // [B T, D]
            let out_proj = first + usize::from(self.bias);
            let bias = if self.bias { Some(site.param(out_proj + 1, &(d,))?) } else { None };
            Var::new(affine(out, site.param(out_proj, &(d, d))?, bias)?, samples, y.x)
        })
    }

    /// What a projection makes of a sequence, head by head: `[B, H, T, d]`.
    fn heads<E: Float, D: Device<E>, T: Tape<E, D>>(&self, site: &Site<'_, E, D, T>, role: Role, x: Var<E, D, T>) -> Result<Heads4<E, D, T>, D::Err> {
        let (samples, len, width) = (x.samples(), x.dims().size(0), x.dims().size(1));
        let (d, heads, inputs, number) = (self.embed_dim, self.num_heads, self.input(role), role as usize);
        let begin = self.begin(role, width);
        let x = x.view(&(samples * len, width))?;
        let x: Matrix<E, D, T> = if inputs < width { x.try_slice((0..samples * len, begin..begin + inputs))? } else { x };
        let weight: Matrix<E, D, T> = if self.is_packed() {
            site.param(0, &(3 * d, d))?.try_slice((number * d..(number + 1) * d, 0..d))?
        } else {
            site.param(number, &(d, inputs))?
        };
        let bias = if self.bias {
            let all = site.param(if self.is_packed() { 1 } else { 3 }, &(3 * d,))?;
            Some(all.try_slice((number * d..(number + 1) * d,))?)
        } else {
            None
        };
        let y = affine(x, weight, bias)?.try_reshape_like(&(samples, len, heads, d / heads))?; // [B, T, H, d]
        y.try_permute::<_, Axes4<0, 2, 1, 3>>()
    }

    /// Where what a projection reads begins in a place of `width` numbers: values are made of the last ones.
    fn begin(&self, role: Role, width: usize) -> usize {
        match role {
            Role::Value => width - self.input(Role::Value),
            _ => 0,
        }
    }

    pub(crate) fn onnx(&self, graph: &mut Graph, x: Parts<Samples>, y: Parts<Dims>) -> Parts<Samples> {
        let source = match (self.source, x.beside(Slot::Memory)) {
            (Source::Memory { .. }, Some(&memory)) => memory,
            _ => x.x,
        };
        let (scores, d) = (self.scores(x.x.dims.size(0), source.dims.size(0)), self.embed_dim);
        let (weights, biases) = self.projections(graph);
        let heads = ROLES.map(|role| {
            let from = if matches!(role, Role::Query) { x.x } else { source };
            let (len, width, inputs) = (from.dims.size(0), from.dims.size(1), self.input(role));
            let begin = self.begin(role, width);
            let read = if inputs < width { graph.slice(from.tensor, 2, [begin, begin + inputs]) } else { from.tensor };
            let projected = projected(graph, read, weights[role as usize], biases.map(|biases| biases[role as usize])); // [B, T, D]
            let heads = graph.reshape_samples(projected, &[len, self.num_heads, d / self.num_heads]);
            graph.transpose(heads, &[0, 2, 1, 3]) // [B, H, T, d]
        });
        let padding = x.beside(self.padding()).map(|padding| padding.tensor);
        let means = scores.onnx(graph, heads, Hidden { padding, mask: None });
        let means = graph.transpose(means, &[0, 2, 1, 3]); // [B, T, H, d]
        let means = graph.reshape_samples(means, y.x.sizes());
        let out_proj = if self.is_packed() { 1 } else { 3 } + usize::from(self.bias);
        let (weight, bias) = (graph.param(out_proj), self.bias.then(|| graph.param(out_proj + 1)));
        x.with_x(Samples { tensor: projected(graph, means, weight, bias), dims: y.x })
    }

    /// Weights and biases of the three projections.
    fn projections(&self, graph: &mut Graph) -> ([Tensor; 3], Option<[Tensor; 3]>) {
        let mut thirds = |i: usize| {
            let all = graph.param(i);
            graph.split_node("Split", &[all], &[("num_outputs", Attribute::Int(3))])
        };
        let (packed, biases) = (self.is_packed(), if self.is_packed() { 1 } else { 3 });
        let weights = packed.then(|| thirds(0));
        let biases = self.bias.then(|| thirds(biases));
        (weights.unwrap_or_else(|| [0, 1, 2].map(|i| graph.param(i))), biases)
    }

    pub(crate) fn plan<E: Float>(&self, planner: &mut Planner<E>, x: Parts<Value>, y: Parts<Dims>) -> Parts<Value> {
        let d = self.embed_dim;
        let of_head =
            |input: usize, begin: usize, row: usize| Operand { input, at: Heads { begin, head: d / self.num_heads, row, cols: d / self.num_heads } };
        if let Some(stream) = planner.stream() {
            return x.with_x(self.plan_stream(planner, stream, x.x));
        }
        let (mut inputs, source, [q, k, v]) = match (self.source, x.beside(Slot::Memory)) {
            (Source::Memory { .. }, Some(&memory)) => {
                let inputs = vec![
                    self.project(planner, x.x, Role::Query),
                    self.project(planner, memory, Role::Key),
                    self.project(planner, memory, Role::Value),
                ];
                (inputs, memory, [of_head(0, 0, d), of_head(1, 0, d), of_head(2, 0, d)])
            }
            _ => {
                let all = self.dense(x.x.dims.size(0), [d, 3 * d], Role::Query);
                let all = planner.step(all, &[x.x], x.x.dims.with(1, 3 * d)); // [T, 3 D]
                (vec![all], x.x, [of_head(0, 0, 3 * d), of_head(0, d, 3 * d), of_head(0, 2 * d, 3 * d)])
            }
        };
        let padding = x.beside(self.padding()).map(|&padding| {
            inputs.push(padding);
            inputs.len() - 1
        });
        let scores = self.scores(y.x.size(0), source.dims.size(0));
        let attend = Attend { scores, q, k, v, y: of_head(0, 0, d).at, padding, mask: None };
        let means = planner.step(attend, &inputs, y.x);
        x.with_x(self.out_proj(planner, means))
    }

    pub(crate) fn fused(&self, planner: &mut gpu::Planner, x: Parts<gpu::Value>, y: Parts<Dims>) -> Option<Parts<gpu::Value>> {
        let d = self.embed_dim;
        let of_head =
            |value: gpu::Value, begin: usize, row: usize| gpu::Operand { value, begin, head: d / self.num_heads, row, cols: d / self.num_heads };
        let (source, [q, k, v]) = match (self.source, x.beside(Slot::Memory)) {
            (Source::Memory { .. }, Some(&memory)) => {
                let sources = [(x.x, Role::Query), (memory, Role::Key), (memory, Role::Value)];
                (memory, sources.map(|(x, role)| of_head(self.fused_projection(planner, x, role), 0, d)))
            }
            _ => {
                let bias = self.bias.then(|| planner.param(1));
                let all = planner.dense(x.x, x.x.dims.with(1, 3 * d), [d, 3 * d], planner.param(0), bias); // [T, 3 D]
                (x.x, [0, d, 2 * d].map(|begin| of_head(all, begin, 3 * d)))
            }
        };
        let scores = self.scores(y.x.size(0), source.dims.size(0));
        let attention = gpu::Attention { scores, q, k, v, padding: x.beside(self.padding()).copied(), mask: None };
        let means = planner.attend(attention, y.x, [d / self.num_heads, d])?;
        let out_proj = if self.is_packed() { 1 } else { 3 } + usize::from(self.bias);
        let bias = self.bias.then(|| planner.param(out_proj + 1));
        Some(x.with_x(planner.dense(means, y.x, [d, d], planner.param(out_proj), bias)))
    }

    /// What a projection makes of a sequence: `[T, D]`.
    fn fused_projection(&self, planner: &mut gpu::Planner, x: gpu::Value, role: Role) -> gpu::Value {
        let (d, len, width, inputs, number) = (self.embed_dim, x.dims.size(0), x.dims.size(1), self.input(role), role as usize);
        let begin = self.begin(role, width);
        let x = if inputs < width { planner.columns(x, begin, x.dims.with(1, inputs)) } else { x };
        let weight = if self.is_packed() { planner.param(0).behind(number * d * d) } else { planner.param(number) };
        let bias = self.bias.then(|| planner.param(if self.is_packed() { 1 } else { 3 }).behind(number * d));
        planner.dense(x, Dims::new(&[len, d]), [inputs, d], weight, bias)
    }

    fn out_proj<E: Float>(&self, planner: &mut Planner<E>, means: Value) -> Value {
        let d = self.embed_dim;
        let weight = self.bias_begin() + if self.bias { 3 * d } else { 0 };
        let step = Dense { rows_per_sample: means.dims.size(0), inputs: d, outputs: d, weight, bias: self.bias.then_some(weight + d * d) };
        planner.step(step, &[means], means.dims)
    }

    /// Whether a position is only attended to by itself and by those behind it.
    pub(crate) const fn streams(&self) -> bool {
        matches!(self.source, Source::Itself { causal: true })
    }

    /// One position: its key and value join those of the positions before, which are carried on, and it attends to them all.
    fn plan_stream<E: Float>(&self, planner: &mut Planner<E>, stream: Stream, x: Value) -> Value {
        let (d, Stream { position, capacity }) = (self.embed_dim, stream);
        let all = planner.step(self.dense(1, [d, 3 * d], Role::Query), &[x], x.dims.with(1, 3 * d)); // [1, 3 D]
        let before = planner.carried(Dims::new(&[capacity, 2 * d]));
        let append = move |at: Forward<'_, E>| {
            let [before, all, position, ..] = at.inputs;
            at.output.copy_from_slice(before);
            let begin = 2 * d * position[0].f64() as usize;
            at.output[begin..begin + 2 * d].copy_from_slice(&all[d..]);
        };
        let kept = planner.onward(append, &[before, all, position], before.dims); // [S, 2 D]
        planner.carry(kept, before);
        let ahead = move |at: Forward<'_, E>| {
            let now = at.inputs[0][0];
            at.output.iter_mut().enumerate().for_each(|(key, ahead)| *ahead = if E::of(key as f64) > now { E::one() } else { E::zero() });
        };
        let padding = planner.onward(ahead, &[position], Dims::new(&[capacity])); // [S]
        let of_head =
            |input: usize, begin: usize, row: usize| Operand { input, at: Heads { begin, head: d / self.num_heads, row, cols: d / self.num_heads } };
        let scores = Scores { causal: false, ..self.scores(1, capacity) };
        let (q, k, v) = (of_head(0, 0, 3 * d), of_head(1, 0, 2 * d), of_head(1, d, 2 * d));
        let attend = Attend { scores, q, k, v, y: of_head(0, 0, d).at, padding: Some(2), mask: None };
        let means = planner.step(attend, &[all, kept, padding], x.dims);
        self.out_proj(planner, means)
    }

    /// What a projection makes of a sequence: `[T, D]`.
    fn project<E: Float>(&self, planner: &mut Planner<E>, x: Value, role: Role) -> Value {
        let (len, width, inputs) = (x.dims.size(0), x.dims.size(1), self.input(role));
        let part = Part { begin: self.begin(role, width), numel: inputs, width };
        let x = if inputs < width { planner.step(part, &[x], x.dims.with(1, inputs)) } else { x };
        planner.step(self.dense(len, [inputs, self.embed_dim], role), &[x], x.dims.with(1, self.embed_dim))
    }

    /// The projection to the outputs that begin with those of `role`.
    fn dense(&self, rows_per_sample: usize, [inputs, outputs]: [usize; 2], role: Role) -> Dense {
        let before = ROLES[..role as usize].iter().map(|&role| self.input(role)).sum::<usize>();
        let bias = self.bias.then_some(self.bias_begin() + role as usize * self.embed_dim);
        Dense { rows_per_sample, inputs, outputs, weight: before * self.embed_dim, bias }
    }

    /// Where `in_proj_bias` begins, or what there is without it.
    fn bias_begin(&self) -> usize {
        ROLES.iter().map(|&role| self.input(role)).sum::<usize>() * self.embed_dim
    }
}
