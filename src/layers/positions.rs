//! Vectors that tell the places of a sequence apart.

use super::{Leaf, generic};
use crate::cpu::steps::{Backward, Forward, Step};
use crate::cpu::{Planner, Stream, Value};
use crate::engine::Flat;
use crate::float::Float;
use crate::gpu;
use crate::onnx::{self, Graph, Samples};
use crate::portable::{Site, Var};
use crate::types::{Dims, Init, Label, Layer, Message, Param, Problem, Reach, Size, Spec};
use dfdx::prelude::{BroadcastTo, ReshapeTo, TryAdd};
use dfdx::shapes::{Axis, Const};
use dfdx::tensor::{Tape, Tensor};
use dfdx::tensor_ops::Device;

/// Adds waves to a sequence: `y[t, 2i] = x[t, 2i] + sin(t / 10000^(2i / D))`, and likewise `y[t, 2i + 1]` with the cosine.
///
/// # Shapes
/// `[T, D]`, kept.
///
/// # Examples
/// ```
/// use formwork::prelude::*;
///
/// #[network([ids < 65; 16] => [16, 32])]
/// type Tokens = (Embedding<65, 32>, SinusoidalPositions);
/// ```
///
/// Vaswani et al., [Attention is all you need](https://arxiv.org/abs/1706.03762), 2017, section 3.5. Course notes: transformer.
#[derive(Clone, Copy, Debug, Default)]
pub struct SinusoidalPositions;

/// Adds a learned vector to each place of a sequence: `y[t] = x[t] + weight[t]`.
///
/// # Shapes
/// `[t, D]`, kept, with at most `T` places; `weight` is `[T, D]`, and begins normal as that of PyTorch's `nn.Embedding`.
///
/// # Examples
/// ```
/// use formwork::prelude::*;
///
/// #[network([ids < 65; 16] => [16, 32])]
/// type Tokens = (Embedding<65, 32>, LearnedPositions<16, 32>);
/// assert_eq!(Tokens::SCALARS, 65 * 32 + 16 * 32);
/// ```
///
/// Gehring et al., [Convolutional sequence to sequence learning](https://arxiv.org/abs/1705.03122), 2017.
pub type LearnedPositions<const T: usize, const D: usize> = generic::LearnedPositions<Const<T>, Const<D>>;

impl Layer for SinusoidalPositions {
    const SPEC: &'static Spec = &Spec::Leaf(Leaf::Positions(PositionsSpec::Sinusoidal));
}

impl<T: Size, D: Size> Layer for generic::LearnedPositions<T, D> {
    const SPEC: &'static Spec = &Spec::Leaf(Leaf::Positions(PositionsSpec::Learned { places: T::SIZE, features: D::SIZE }));
}

/// What a [`SinusoidalPositions`] or a [`LearnedPositions`] is.
#[derive(Clone, Copy, Debug)]
pub enum PositionsSpec {
    /// Waves.
    Sinusoidal,
    /// Parameters.
    Learned {
        /// `T`.
        places: usize,
        /// `D`.
        features: usize,
    },
}

impl PositionsSpec {
    /// `SinusoidalPositions` or `LearnedPositions<T, D>`.
    pub const fn label(&self) -> Label {
        match *self {
            PositionsSpec::Sinusoidal => Label::new("SinusoidalPositions", &[]),
            PositionsSpec::Learned { places, features } => Label::new("LearnedPositions", &[places, features]),
        }
    }

    /// Keeps the shape; every place must have a vector.
    pub const fn infer(&self, x: Dims) -> Result<Dims, Problem> {
        if x.rank() != 2 {
            return Err(Problem::rank("a sequence [T, D]", x));
        }
        if x.numel() == 0 {
            return Err(Problem::rank("a sequence of at least one number", x));
        }
        let PositionsSpec::Learned { places, features } = *self else { return Ok(x) };
        if features != x.size(1) {
            let fitting = PositionsSpec::Learned { places, features: x.size(1) };
            return Err(Problem::features(features, x.size(1)).fits(fitting.label()));
        }
        if places < x.size(0) {
            let message = Message::new("has vectors for ").num(places).str(" places, but is given ").num(x.size(0)).str(": ").dims(x);
            return Err(Problem::new(message).fits(PositionsSpec::Learned { places: x.size(0), features }.label()));
        }
        Ok(x)
    }

    /// `weight`, where it is learned.
    pub const fn param(&self, i: usize) -> Option<Param> {
        match *self {
            PositionsSpec::Learned { places, features } if i == 0 => {
                Some(Param { init: Init::Normal, ..Param::zeros("weight", &[places, features]) })
            }
            _ => None,
        }
    }

    /// An addition for each number.
    pub const fn flops(&self, _x: Dims, y: Dims) -> usize {
        y.numel()
    }

    /// The number in the same place.
    pub const fn reach(&self) -> Reach {
        Reach::Point
    }

    pub(crate) fn portable<E: Float, D: Device<E>, T: Tape<E, D>>(
        &self,
        site: &Site<'_, E, D, T>,
        x: Var<E, D, T>,
        y: Dims,
    ) -> Result<Var<E, D, T>, D::Err> {
        let (samples, numel) = (x.samples(), y.numel());
        let x = x.view(&(samples, numel))?;
        let sum = match *self {
            PositionsSpec::Sinusoidal => x.try_add(site.constant(waves(y), (numel,))?.try_broadcast_like::<_, Axis<0>>(&(samples, numel))?)?,
            PositionsSpec::Learned { places, features } => {
                let used: Tensor<(usize, usize), E, D, T> = site.param(0, &(places, features))?.try_slice((0..y.size(0), 0..features))?;
                let used: Flat<E, D, T> = used.try_reshape_like(&(numel,))?;
                x.try_add(used.try_broadcast_like::<_, Axis<0>>(&(samples, numel))?)?
            }
        };
        Var::new(sum, samples, y)
    }

    pub(crate) fn onnx(&self, graph: &mut Graph, x: Samples, y: Dims) -> onnx::Tensor {
        let added = match *self {
            PositionsSpec::Sinusoidal => graph.constant(&waves(y), y.sizes()),
            PositionsSpec::Learned { places, .. } if places == y.size(0) => graph.param(0),
            PositionsSpec::Learned { .. } => {
                let weight = graph.param(0);
                graph.slice(weight, 0, [0, y.size(0)])
            }
        };
        graph.node("Add", &[x.tensor, added], &[])
    }

    pub(crate) fn plan<E: Float>(&self, planner: &mut Planner<E>, x: Value, y: Dims) -> Value {
        if let Some(Stream { position, capacity }) = planner.stream() {
            let waves = matches!(self, PositionsSpec::Sinusoidal).then(|| waves(y.with(0, capacity)));
            return planner.onward(move |at| add_at(waves.as_deref(), at), &[x, position], y);
        }
        let waves = matches!(self, PositionsSpec::Sinusoidal).then(|| waves(y));
        planner.step(AddToEach { waves }, &[x], y)
    }

    pub(crate) fn fused(&self, planner: &mut gpu::Planner, x: gpu::Value, y: Dims) -> Option<gpu::Value> {
        let (out, numel, samples) = (planner.value(y), y.numel(), planner.samples());
        let learned = matches!(self, PositionsSpec::Learned { .. }).then(|| planner.param(0));
        let added = learned.map_or_else(|| planner.constants(waves::<f64>(y)), |weight| weight.at);
        planner.each("add_each", samples * numel, &[planner.at(x).into(), added.into(), planner.at(out).into(), numel.into()]);
        planner.back(out, move |p, dy| {
            if let Some(weight) = learned {
                p.each("sum_slots", numel, &[dy.into(), weight.d.into(), samples.into(), numel.into(), true.into()]);
            }
            if let Some(dx) = p.d(x) {
                p.copy(dy, dx.at, numel, [numel, numel], dx.add);
            }
        });
        Some(out)
    }
}

/// The waves, place by place.
fn waves<E: Float>(dims: Dims) -> Vec<E> {
    let features = dims.size(1);
    let wave = |t: usize, i: usize| {
        let angle = t as f64 / 1e4f64.powf((i - i % 2) as f64 / features as f64);
        E::of(if i.is_multiple_of(2) { angle.sin() } else { angle.cos() })
    };
    (0..dims.numel()).map(|i| wave(i / features, i % features)).collect()
}

/// Adds the same numbers to each sample: waves, or the first ones of the parameters.
struct AddToEach<E> {
    waves: Option<Vec<E>>,
}

/// Adds the vector of one position, whose number is the second input.
fn add_at<E: Float>(waves: Option<&[E]>, at: Forward<'_, E>) {
    let [x, position, ..] = at.inputs;
    let added = &waves.unwrap_or(at.params)[position[0].f64() as usize * x.len()..];
    at.output.iter_mut().zip(x.iter().zip(added)).for_each(|(y, (&x, &added))| *y = x + added);
}

impl<E: Float> Step<E> for AddToEach<E> {
    fn forward(&self, at: Forward<'_, E>) {
        let width = at.output.len() / at.samples;
        let added = self.waves.as_deref().unwrap_or(at.params);
        for (y, x) in at.output.chunks_exact_mut(width).zip(at.inputs[0].chunks_exact(width)) {
            y.iter_mut().zip(x.iter().zip(added)).for_each(|(y, (&x, &added))| *y = x + added);
        }
    }

    fn backward(&self, mut at: Backward<'_, E>) {
        let width = at.d_output.len() / at.samples;
        if self.waves.is_none() {
            for dy in at.d_output.chunks_exact(width) {
                at.d_params.iter_mut().zip(dy).for_each(|(sum, &dy)| *sum += dy);
            }
        }
        if let Some(mut dx) = at.d_input() {
            dx.put_all(at.d_output);
        }
    }
}
