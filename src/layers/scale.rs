//! Multiplication by a number that is not learned.

use super::Leaf;
use super::elementwise::Elementwise;
use crate::cpu::steps::Map;
use crate::cpu::{Planner, Value};
use crate::engine::Flat;
use crate::float::Float;
use crate::gpu;
use crate::kernels::numbers::Numbers;
use crate::onnx::{Graph, Samples, Tensor};
use crate::portable::{Site, Var};
use crate::types::{Dims, Label, Layer, Param, Problem, Reach, Spec};
use dfdx::prelude::TryMul;
use dfdx::tensor::Tape;
use dfdx::tensor_ops::Device;

/// Multiplication by a fraction: `y = x N / DEN`.
///
/// # Shapes
/// Any, kept.
///
/// # Examples
/// ```
/// use formwork::prelude::*;
///
/// #[network([8] => [8])]
/// type Half = Residual<(Linear<8, 8>, Scale<1, 2>)>;
/// ```
#[derive(Clone, Copy, Debug, Default)]
pub struct Scale<const N: usize, const DEN: usize = 1>;

/// Multiplication by the root of the number of features: `y = x √D`, so that vectors of tokens are not drowned by positions.
///
/// # Shapes
/// `[.., D]`, kept.
///
/// # Examples
/// ```
/// use formwork::prelude::*;
///
/// #[network([ids < 65; 16] => [16, 32])]
/// type Tokens = (Embedding<65, 32>, SqrtScale<32>, SinusoidalPositions);
/// ```
///
/// Vaswani et al., [Attention is all you need](https://arxiv.org/abs/1706.03762), 2017, section 3.4.
#[derive(Clone, Copy, Debug, Default)]
pub struct SqrtScale<const D: usize>;

impl<const N: usize, const DEN: usize> Layer for Scale<N, DEN> {
    const SPEC: &'static Spec = &Spec::Leaf(Leaf::Scale(ScaleSpec::Fraction { numerator: N, denominator: DEN }));
}

impl<const D: usize> Layer for SqrtScale<D> {
    const SPEC: &'static Spec = &Spec::Leaf(Leaf::Scale(ScaleSpec::Root { features: D }));
}

/// What a [`Scale`] or a [`SqrtScale`] is.
#[derive(Clone, Copy, Debug)]
pub enum ScaleSpec {
    /// `N / DEN`
    Fraction {
        /// `N`.
        numerator: usize,
        /// `DEN`.
        denominator: usize,
    },
    /// `√D`
    Root {
        /// `D`.
        features: usize,
    },
}

impl ScaleSpec {
    /// `Scale<N, DEN>` or `SqrtScale<D>`.
    pub const fn label(&self) -> Label {
        match *self {
            ScaleSpec::Fraction { numerator, denominator } => Label::new("Scale", &[numerator, denominator]).without_defaults(&[1]),
            ScaleSpec::Root { features } => Label::new("SqrtScale", &[features]),
        }
    }

    /// Keeps the shape; the root is that of the last dimension.
    pub const fn infer(&self, x: Dims) -> Result<Dims, Problem> {
        match (*self, x.last()) {
            (ScaleSpec::Fraction { denominator: 0, .. }, _) => Err(Problem::zero("denominator")),
            (ScaleSpec::Fraction { .. }, _) => Ok(x),
            (ScaleSpec::Root { .. }, None) => Err(Problem::rank("at least one dimension", x)),
            (ScaleSpec::Root { features }, Some(given)) if features != given => {
                Err(Problem::features(features, given).fits(ScaleSpec::Root { features: given }.label()))
            }
            (ScaleSpec::Root { .. }, Some(_)) => Ok(x),
        }
    }

    /// None.
    pub const fn param(&self, _i: usize) -> Option<Param> {
        None
    }

    /// A multiplication for each number.
    pub const fn flops(&self, _x: Dims, y: Dims) -> usize {
        y.numel()
    }

    /// The number in the same place.
    pub const fn reach(&self) -> Reach {
        Reach::Point
    }

    fn factor<E: Float>(self) -> E {
        E::of(match self {
            ScaleSpec::Fraction { numerator, denominator } => numerator as f64 / denominator as f64,
            ScaleSpec::Root { features } => (features as f64).sqrt(),
        })
    }

    pub(crate) fn portable<E: Float, D: Device<E>, T: Tape<E, D>>(
        &self,
        _site: &Site<'_, E, D, T>,
        x: Var<E, D, T>,
        _y: Dims,
    ) -> Result<Var<E, D, T>, D::Err> {
        x.map(|x| self.taped(x))
    }

    pub(crate) fn onnx(&self, graph: &mut Graph, x: Samples, _y: Dims) -> Tensor {
        self.node(graph, x.tensor)
    }

    pub(crate) fn plan<E: Float>(&self, planner: &mut Planner<E>, x: Value, y: Dims) -> Value {
        planner.step(Map::new(*self, y.numel()), &[x], y)
    }

    pub(crate) fn fused(&self, planner: &mut gpu::Planner, x: gpu::Value, _y: Dims) -> Option<gpu::Value> {
        Some(planner.map(Self::KERNELS, x, self.coefficient()))
    }
}

impl Elementwise for ScaleSpec {
    const KERNELS: [&'static str; 2] = ["scale", "scale_back"];

    fn coefficient(&self) -> f64 {
        self.factor()
    }
    #[inline(always)]
    fn value<N: Numbers>(&self, x: N) -> N {
        x * N::all(self.factor())
    }

    #[inline(always)]
    fn slope<N: Numbers>(&self, _x: N, _y: N) -> N {
        N::all(self.factor())
    }

    fn taped<E: Float, D: Device<E>, T: Tape<E, D>>(&self, x: Flat<E, D, T>) -> Result<Flat<E, D, T>, D::Err> {
        x.try_mul(self.factor::<E>())
    }

    fn node(&self, graph: &mut Graph, x: Tensor) -> Tensor {
        let factor = graph.constant(&[self.factor()], &[]);
        graph.node("Mul", &[x, factor], &[])
    }
}
