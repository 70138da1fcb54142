//! Leaky rectified linear unit.

use super::Leaf;
use super::elementwise::{Elementwise, elementwise};
use crate::engine::Flat;
use crate::float::Float;
use crate::kernels::numbers::Numbers;
use crate::onnx::{Attribute, Graph, Tensor};
use crate::types::{Label, Layer, Problem, Spec};
use dfdx::prelude::{ChooseFrom, TryGt, TryMul};
use dfdx::tensor::Tape;
use dfdx::tensor_ops::Device;

/// The leaky rectified linear unit: `y = x` above zero and `y = a x` below, with `a = N / DEN`; its gradient at 0 is `a`.
///
/// Types carry whole numbers, so the slope is a fraction, of a hundred unless said otherwise: `LeakyRelu` has `a = 0.01`,
/// `LeakyRelu<20>` has 0.2, and `LeakyRelu<1, 3>` has a third.
///
/// # Shapes
/// Any, kept.
///
/// # Examples
/// ```
/// use formwork::prelude::*;
///
/// #[network([16] => [16])]
/// type Activation = LeakyRelu<20>;
/// ```
///
/// Maas, Hannun and Ng, "Rectifier nonlinearities improve neural network acoustic models", 2013.
#[derive(Clone, Copy, Debug, Default)]
pub struct LeakyRelu<const N: usize = 1, const DEN: usize = 100>;

impl<const N: usize, const DEN: usize> Layer for LeakyRelu<N, DEN> {
    const SPEC: &'static Spec = &Spec::Leaf(Leaf::LeakyRelu(LeakyReluSpec { numerator: N, denominator: DEN }));
}

/// What a [`LeakyRelu`] is.
#[derive(Clone, Copy, Debug)]
pub struct LeakyReluSpec {
    numerator: usize,
    denominator: usize,
}

elementwise!(
    LeakyReluSpec,
    |this| Label::new("LeakyRelu", &[this.numerator, this.denominator]).without_defaults(&[1, 100]),
    flops: 1,
    problem: if this.denominator == 0 { Some(Problem::zero("denominator")) } else { None }
);

impl LeakyReluSpec {
    fn a<E: Float>(&self) -> E {
        E::of(self.numerator as f64 / self.denominator as f64)
    }
}

impl Elementwise for LeakyReluSpec {
    const KERNELS: [&'static str; 2] = ["leaky_relu", "leaky_relu_back"];

    fn coefficient(&self) -> f64 {
        self.a()
    }
    #[inline(always)]
    fn value<N: Numbers>(&self, x: N) -> N {
        x.if_greater(N::of(0.0), x, x * N::all(self.a()))
    }

    #[inline(always)]
    fn slope<N: Numbers>(&self, x: N, _y: N) -> N {
        x.if_greater(N::of(0.0), N::of(1.0), N::all(self.a()))
    }

    fn taped<E: Float, D: Device<E>, T: Tape<E, D>>(&self, x: Flat<E, D, T>) -> Result<Flat<E, D, T>, D::Err> {
        let positive = x.try_gt(E::zero())?;
        let below = x.retaped::<T>().try_mul(self.a::<E>())?;
        positive.try_choose(x, below)
    }

    fn node(&self, graph: &mut Graph, x: Tensor) -> Tensor {
        graph.node("LeakyRelu", &[x], &[("alpha", Attribute::Float(self.a()))])
    }
}
