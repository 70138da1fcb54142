//! A vector for each token.

use super::Leaf;
use super::generic;
use crate::cpu::steps::{Backward, Forward, Step};
use crate::cpu::{Planner, Value};
use crate::float::Float;
use crate::gpu;
use crate::onnx::{self, Graph, Samples};
use crate::portable::{Site, Var, detached};
use crate::types::{Dims, Init, Label, Layer, MAX_RANK, Message, Param, Problem, Reach, Size, Spec};
use dfdx::prelude::{TryAdd, TryMul};
use dfdx::shapes::Const;
use dfdx::tensor::{Tape, Tensor};
use dfdx::tensor_ops::{Device, GatherTo};

/// No row of an [`Embedding`] is for padding.
const NONE: usize = usize::MAX;

/// A vector for each token id, learned: `y = weight[id]`.
///
/// Arguments: how many ids there are, how many numbers a vector has, and the id of padding, whose row is used but not
/// learned (none).
///
/// # Shapes
/// `[ids < V; T] -> [T, D]`; `weight` is `[V, D]`, as in PyTorch's `nn.Embedding`, and begins normal.
///
/// # Examples
/// ```
/// use formwork::prelude::*;
///
/// #[network([ids < 65; 16] => [16, 8])]
/// type Letters = Embedding<65, 8>;
///
/// let model = Model::<Letters>::new(0);
/// let text = model.device().tensor([[3usize; 16]; 2]); // [B, T]
/// let vectors: Tensor<Rank3<2, 16, 8>, f32, _> = model.forward(text);
/// ```
///
/// Course notes: attention.
pub type Embedding<const V: usize, const D: usize, const PADDING_IDX: usize = NONE> = generic::Embedding<Const<V>, Const<D>, Const<PADDING_IDX>>;

impl<V: Size, D: Size, P: Size> Layer for generic::Embedding<V, D, P> {
    const SPEC: &'static Spec = &Spec::Leaf(Leaf::Embedding(EmbeddingSpec { num_embeddings: V::SIZE, embedding_dim: D::SIZE, padding_idx: P::SIZE }));
}

/// What an [`Embedding`] is.
#[derive(Clone, Copy, Debug)]
pub struct EmbeddingSpec {
    /// `V`.
    pub num_embeddings: usize,
    /// `D`.
    pub embedding_dim: usize,
    padding_idx: usize,
}

impl EmbeddingSpec {
    /// `Embedding<V, D>`
    pub const fn label(&self) -> Label {
        Label::new("Embedding", &[self.num_embeddings, self.embedding_dim, self.padding_idx]).without_defaults(&[NONE])
    }

    /// Adds a dimension; every id must have a row.
    pub const fn infer(&self, x: Dims) -> Result<Dims, Problem> {
        let Some(vocabulary) = x.vocabulary() else {
            let help = Message::new("declare them: `#[network([ids < ").num(self.num_embeddings).str("; T] => ..)]`");
            return Err(Problem::new(Message::new("expects token ids, but is given the numbers ").dims(x)).help(help));
        };
        if self.embedding_dim == 0 {
            return Err(Problem::zero("vector size"));
        }
        if vocabulary > self.num_embeddings {
            let message = Message::new("has ").num(self.num_embeddings).str(" vectors, but is given ids below ").num(vocabulary);
            return Err(Problem::new(message).fits(EmbeddingSpec { num_embeddings: vocabulary, ..*self }.label()));
        }
        if x.rank() == MAX_RANK {
            return Err(Problem::rank("at most 4 dimensions", x));
        }
        let (mut sizes, mut i) = ([self.embedding_dim; MAX_RANK], 0);
        while i < x.rank() {
            sizes[i] = x.size(i);
            i += 1;
        }
        Ok(Dims::new(sizes.split_at(i + 1).0))
    }

    /// `weight`
    pub const fn param(&self, i: usize) -> Option<Param> {
        match i {
            0 => Some(Param { init: Init::Normal, ..Param::zeros("weight", &[self.num_embeddings, self.embedding_dim]) }),
            _ => None,
        }
    }

    /// None: numbers are copied.
    pub const fn flops(&self, _x: Dims, _y: Dims) -> usize {
        0
    }

    /// The id in the same place.
    pub const fn reach(&self) -> Reach {
        Reach::Point
    }

    pub(crate) fn portable<E: Float, D: Device<E>, T: Tape<E, D>>(
        &self,
        site: &Site<'_, E, D, T>,
        x: Var<E, D, T>,
        y: Dims,
    ) -> Result<Var<E, D, T>, D::Err> {
        let (samples, ids) = (x.samples(), ids(&x.fork().flat().as_vec()).collect::<Vec<usize>>());
        let (rows, d) = (ids.len(), self.embedding_dim);
        let learned: Vec<E> = ids.iter().flat_map(|&id| core::iter::repeat_n(if id == self.padding_idx { E::zero() } else { E::one() }, d)).collect();
        let index = x.device().try_tensor_from_vec(ids, (rows,))?;
        let vectors: Tensor<(usize, usize), E, D, T> = site.param(0, &(self.num_embeddings, d))?.try_gather(index)?; // [B T, D]
        // The rows of padding without their history, and the others with it.
        let fixed = learned.iter().map(|&learned| E::one() - learned).collect();
        let (constant, vectors) = detached(vectors)?;
        let constant = constant.try_mul(site.constant(fixed, (rows, d))?)?;
        let vectors = vectors.try_mul(site.constant(learned, (rows, d))?)?.try_add(constant)?;
        Ok(Var::new(vectors, samples, y)?.absorb(x).0)
    }

    pub(crate) fn onnx(&self, graph: &mut Graph, x: Samples, _y: Dims) -> onnx::Tensor {
        graph.node("Gather", &[graph.param(0), x.tensor], &[])
    }

    pub(crate) fn plan<E: Float>(&self, planner: &mut Planner<E>, x: Value, y: Dims) -> Value {
        planner.step(*self, &[x], y)
    }

    pub(crate) fn fused(&self, planner: &mut gpu::Planner, x: gpu::Value, y: Dims) -> Option<gpu::Value> {
        let (out, weight, d) = (planner.value(y), planner.param(0), self.embedding_dim);
        let (tokens, ids) = (planner.samples() * x.dims.numel(), planner.at(x));
        planner.each("embedding", tokens * d, &[ids.into(), weight.at.into(), planner.at(out).into(), d.into()]);
        let (vectors, padding) = (self.num_embeddings, self.padding_idx);
        planner.back(out, move |p, dy| {
            p.blocks("embedding_back", vectors, &[ids.into(), dy.into(), weight.d.into(), tokens.into(), d.into(), padding.into()]);
            if let Some(dx) = p.d(x).filter(|dx| !dx.add) {
                p.zero(dx.at, tokens);
            }
        });
        Some(out)
    }
}

/// Ids, which engines hand on as numbers.
fn ids<E: Float>(numbers: &[E]) -> impl Iterator<Item = usize> {
    numbers.iter().map(|id| id.f64() as usize)
}

impl<E: Float> Step<E> for EmbeddingSpec {
    fn forward(&self, at: Forward<'_, E>) {
        for (y, id) in at.output.chunks_exact_mut(self.embedding_dim).zip(ids(at.inputs[0])) {
            y.copy_from_slice(&at.params[id * self.embedding_dim..][..self.embedding_dim]);
        }
    }

    fn backward(&self, mut at: Backward<'_, E>) {
        for (dy, id) in at.d_output.chunks_exact(self.embedding_dim).zip(ids(at.input)) {
            if id != self.padding_idx {
                let row = &mut at.d_params[id * self.embedding_dim..][..self.embedding_dim];
                row.iter_mut().zip(dy).for_each(|(sum, &d)| *sum += d);
            }
        }
        if let Some(mut dx) = at.d_input() {
            dx.put(core::iter::repeat(E::zero()));
        }
    }
}
