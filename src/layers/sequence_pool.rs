//! One vector for a whole sequence.

use super::Leaf;
use crate::cpu::steps::{Backward, Forward, Step};
use crate::cpu::{Planner, Value};
use crate::float::Float;
use crate::gpu;
use crate::onnx::{Attribute, Graph, Samples, Tensor};
use crate::portable::{Site, Var};
use crate::types::{Dims, Label, Layer, Param, Parts, Problem, Reach, Slot, Spec};
use dfdx::prelude::{BroadcastTo, SumTo, TryMul};
use dfdx::shapes::Axis;
use dfdx::tensor::Tape;
use dfdx::tensor_ops::Device;

/// The mean of the places of a sequence that are not padding: `y = Σ_t x[t] / n`; zeros where all are.
///
/// # Shapes
/// `[T, D] -> [D]`, with `padding` `[T]` where there is some.
///
/// # Examples
/// ```
/// use formwork::prelude::*;
///
/// #[network({ x: [16, 8], padding: [16] } => [3])]
/// type Classifier = (TransformerEncoderLayer<8, 2, 16>, MeanOverTime, Linear<8, 3>);
/// ```
///
/// PyTorch's `x.mean(dim=1)`. Course notes: transformer.
#[derive(Clone, Copy, Debug, Default)]
pub struct MeanOverTime;

/// The last place of a sequence that is not padding: `y = x[T - 1]`; zeros where all are.
///
/// # Shapes
/// `[T, D] -> [D]`, with `padding` `[T]` where there is some.
///
/// # Examples
/// ```
/// use formwork::prelude::*;
///
/// #[network([16, 8] => [3])]
/// type Classifier = (TransformerEncoderLayer<8, 2, 16, PreNorm, Gelu, Causal>, LastStep, Linear<8, 3>);
/// ```
///
/// PyTorch's `x[:, -1]`. Course notes: recurrent networks.
#[derive(Clone, Copy, Debug, Default)]
pub struct LastStep;

impl Layer for MeanOverTime {
    const SPEC: &'static Spec = &Spec::Leaf(Leaf::SequencePool(SequencePoolSpec::Mean));
}

impl Layer for LastStep {
    const SPEC: &'static Spec = &Spec::Leaf(Leaf::SequencePool(SequencePoolSpec::Last));
}

/// What a [`MeanOverTime`] or a [`LastStep`] is.
#[derive(Clone, Copy, Debug)]
pub enum SequencePoolSpec {
    /// The mean.
    Mean,
    /// The last.
    Last,
}

impl SequencePoolSpec {
    /// `MeanOverTime` or `LastStep`.
    pub const fn label(&self) -> Label {
        Label::new(if matches!(self, SequencePoolSpec::Mean) { "MeanOverTime" } else { "LastStep" }, &[])
    }

    /// Takes off the first dimension, of which something must be there.
    pub const fn infer(&self, x: Parts<Dims>) -> Result<Parts<Dims>, Problem> {
        if x.x.rank() != 2 {
            return Err(Problem::rank("a sequence [T, D]", x.x));
        }
        if x.x.size(0) == 0 {
            return Err(Problem::rank("a sequence of at least one place", x.x));
        }
        match x.misfit(Slot::Padding, Dims::new(&[x.x.size(0)])) {
            None => Ok(x.with_x(Dims::new(&[x.x.size(1)]))),
            Some(problem) => Err(problem),
        }
    }

    /// None.
    pub const fn param(&self, _i: usize) -> Option<Param> {
        None
    }

    /// A multiplication and an addition for each number.
    pub const fn flops(&self, x: Parts<Dims>, _y: Parts<Dims>) -> usize {
        2 * x.x.numel()
    }

    /// All places.
    pub const fn reach(&self) -> Reach {
        Reach::All
    }

    /// What each of `len` places counts.
    fn weights<E: Float>(self, len: usize, padding: Option<&[E]>) -> impl Iterator<Item = E> {
        let is_kept = move |t: usize| padding.is_none_or(|padding| padding[t] == E::zero());
        let kept = (0..len).filter(|&t| is_kept(t));
        let (count, last) = kept.fold((0, len), |(count, _), t| (count + 1, t));
        let share = E::one() / E::of(count as f64);
        (0..len).map(move |t| match self {
            SequencePoolSpec::Mean if is_kept(t) => share,
            SequencePoolSpec::Last if t == last => E::one(),
            _ => E::zero(),
        })
    }

    pub(crate) fn portable<E: Float, D: Device<E>, T: Tape<E, D>>(
        &self,
        site: &Site<'_, E, D, T>,
        x: Parts<Var<E, D, T>>,
        y: Parts<Dims>,
    ) -> Result<Parts<Var<E, D, T>>, D::Err> {
        let (samples, len, features) = (x.x.samples(), x.x.dims().size(0), y.x.numel());
        let padding = x.beside(Slot::Padding).map(|padding| padding.fork().flat().as_vec());
        let of = |sample: usize| padding.as_ref().map(|padding| &padding[sample * len..(sample + 1) * len]);
        let weights = (0..samples).flat_map(|sample| self.weights(len, of(sample))).collect();
        let shape = (samples, len, features);
        let weights = site.constant(weights, (samples, len))?.try_broadcast_like::<_, Axis<2>>(&shape)?;
        x.try_map_x(|x| {
            let sum = x.view(&shape)?.try_mul(weights)?.try_sum::<(usize, usize), Axis<1>>()?; // [B, T, D] -> [B, D]
            Var::new(sum, samples, y.x)
        })
    }

    pub(crate) fn onnx(&self, graph: &mut Graph, x: Parts<Samples>, y: Parts<Dims>) -> Parts<Samples> {
        let len = x.x.dims.size(0);
        let tensor = match (self, x.beside(Slot::Padding)) {
            (_, Some(&padding)) => self.padded(graph, x.x, padding.tensor, len),
            (SequencePoolSpec::Mean, None) => {
                let axis = graph.ints(&[1]);
                graph.node("ReduceMean", &[x.x.tensor, axis], &[("keepdims", Attribute::Int(0))])
            }
            (SequencePoolSpec::Last, None) => {
                let last = graph.slice(x.x.tensor, 1, [len - 1, len]);
                graph.reshape_samples(last, y.x.sizes())
            }
        };
        x.with_x(Samples { tensor, dims: y.x })
    }

    /// A weighted sum of the places, of which those that are padding count nothing.
    fn padded(&self, graph: &mut Graph, x: Samples, padding: Tensor, len: usize) -> Tensor {
        let (one, axis) = (graph.constant(&[1.0], &[]), graph.ints(&[1]));
        let kept = graph.node("Sub", &[one, padding], &[]); // [B, T]
        let weights = match self {
            SequencePoolSpec::Mean => {
                let count = graph.node("ReduceSum", &[kept, axis], &[]); // [B, 1]
                let count = graph.node("Max", &[count, one], &[]);
                graph.node("Div", &[kept, count], &[])
            }
            // The last one is the first of those that are counted from the end.
            SequencePoolSpec::Last => {
                let counted = graph.node("CumSum", &[kept, axis], &[("reverse", Attribute::Int(1))]);
                let is_last = graph.node("Equal", &[counted, one], &[]);
                let zero = graph.constant(&[0.0], &[]);
                graph.node("Where", &[is_last, kept, zero], &[])
            }
        };
        let weights = graph.reshape_samples(weights, &[len, 1]);
        let weighted = graph.node("Mul", &[x.tensor, weights], &[]);
        graph.node("ReduceSum", &[weighted, axis], &[("keepdims", Attribute::Int(0))])
    }

    pub(crate) fn plan<E: Float>(&self, planner: &mut Planner<E>, x: Parts<Value>, y: Parts<Dims>) -> Parts<Value> {
        let step = WeightedSum { pool: *self, features: y.x.numel(), is_padded: x.beside(Slot::Padding).is_some() };
        let inputs: Vec<Value> = core::iter::once(x.x).chain(x.beside(Slot::Padding).copied()).collect();
        x.with_x(planner.step(step, &inputs, y.x))
    }

    pub(crate) fn fused(&self, planner: &mut gpu::Planner, x: Parts<gpu::Value>, y: Parts<Dims>) -> Option<Parts<gpu::Value>> {
        let (out, of, padding) = (planner.value(y.x), x.x, x.beside(Slot::Padding).map(|&padding| planner.at(padding)));
        let (samples, [len, d]) = (planner.samples(), [of.dims.size(0), of.dims.size(1)]);
        let sizes: [gpu::Arg; 3] = [len.into(), d.into(), matches!(self, SequencePoolSpec::Last).into()];
        let args: [gpu::Arg; 3] = [planner.at(of).into(), padding.into(), planner.at(out).into()];
        planner.each("sequence_pool", samples * d, &[&args[..], &sizes].concat());
        planner.back(out, move |p, dy| {
            if let Some(dx) = p.d(of) {
                let args: [gpu::Arg; 4] = [dy.into(), padding.into(), dx.at.into(), dx.add.into()];
                p.each("sequence_pool_back", samples * len * d, &[&args[..], &sizes].concat());
            }
        });
        Some(x.with_x(out))
    }
}

/// `y = Σ_t w[t] x[t]`
struct WeightedSum {
    pool: SequencePoolSpec,
    features: usize,
    is_padded: bool,
}

impl WeightedSum {
    /// What each place of a sample counts.
    fn weights<'a, E: Float>(&self, samples: usize, [x, padding]: [&'a [E]; 2], sample: usize) -> impl Iterator<Item = E> + use<'a, E> {
        let len = x.len() / self.features / samples;
        self.pool.weights(len, self.is_padded.then(|| &padding[sample * len..(sample + 1) * len]))
    }
}

impl<E: Float> Step<E> for WeightedSum {
    fn forward(&self, at: Forward<'_, E>) {
        let [x, padding, ..] = at.inputs;
        let outputs = at.output.chunks_exact_mut(self.features).zip(x.chunks_exact(x.len() / at.samples));
        for (sample, (y, x_sample)) in outputs.enumerate() {
            y.fill(E::zero());
            for (row, weight) in x_sample.chunks_exact(self.features).zip(self.weights(at.samples, [x, padding], sample)) {
                y.iter_mut().zip(row).for_each(|(y, &x)| *y += weight * x);
            }
        }
    }

    fn backward(&self, mut at: Backward<'_, E>) {
        let ([x, padding, ..], [d_input, d_padding, ..]) = (at.inputs, &mut at.d_inputs);
        if let Some(d_padding) = d_padding {
            d_padding.put(core::iter::repeat(E::zero()));
        }
        let Some(d_input) = d_input else { return };
        let samples = at.d_output.chunks_exact(self.features).zip(d_input.accumulate().chunks_exact_mut(x.len() / at.samples));
        for (sample, (dy, dx)) in samples.enumerate() {
            for (row, weight) in dx.chunks_exact_mut(self.features).zip(self.weights(at.samples, [x, padding], sample)) {
                row.iter_mut().zip(dy).for_each(|(dx, &dy)| *dx += weight * dy);
            }
        }
    }
}
