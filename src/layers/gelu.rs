//! Gaussian error linear unit.

use super::elementwise::{Elementwise, elementwise};
use super::leaf;
use crate::engine::Flat;
use crate::float::Float;
use crate::kernels::exp;
use crate::kernels::numbers::Numbers;
use crate::onnx::{Attribute, Graph, Tensor};
use crate::portable::detached;
use crate::types::Label;
use core::f64::consts::{FRAC_1_PI, FRAC_1_SQRT_2, FRAC_2_PI};
use dfdx::prelude::{TryAdd, TryMul, TrySub};
use dfdx::tensor::Tape;
use dfdx::tensor_ops::Device;

/// The Gaussian error linear unit: `y = x Φ(x)`, with `Φ(x) = (1 + erf(x / √2)) / 2`.
///
/// # Shapes
/// Any, kept.
///
/// # Examples
/// ```
/// use formwork::prelude::*;
///
/// #[network([16] => [16])]
/// type FeedForward = (Linear<16, 64>, Gelu, Linear<64, 16>);
/// ```
///
/// Hendrycks and Gimpel, [Gaussian error linear units](https://arxiv.org/abs/1606.08415), 2016.
#[derive(Clone, Copy, Debug, Default)]
pub struct Gelu;

/// [`Gelu`] with the normal distribution approximated: `y = x (1 + tanh(√(2/π) (x + 0.044715 x³))) / 2`.
///
/// # Shapes
/// Any, kept.
///
/// # Examples
/// ```
/// use formwork::prelude::*;
///
/// #[network([16] => [16])]
/// type FeedForward = (Linear<16, 64>, GeluTanh, Linear<64, 16>);
/// ```
///
/// PyTorch's `nn.GELU(approximate="tanh")`.
#[derive(Clone, Copy, Debug, Default)]
pub struct GeluTanh;

leaf!(Gelu);
leaf!(GeluTanh);
elementwise!(Gelu, |_this| Label::new("Gelu", &[]), flops: 5);
elementwise!(GeluTanh, |_this| Label::new("GeluTanh", &[]), flops: 9);

/// The factor of `exp(-x²/2)` by which dfdx's derivative is too large, over `-x`: see [`Gelu::taped`].
fn excess() -> f64 {
    FRAC_1_PI.sqrt() * (1.0 - FRAC_1_SQRT_2)
}

impl Elementwise for Gelu {
    const KEEPS_SLOPE: bool = true;
    const KERNELS: [&'static str; 2] = ["gelu", "gelu_back"];

    #[inline(always)]
    fn value<N: Numbers>(&self, x: N) -> N {
        let [cdf, _] = exp::normal(x);
        x * cdf
    }

    #[inline(always)]
    fn slope<N: Numbers>(&self, x: N, _y: N) -> N {
        let [cdf, bell] = exp::normal(x);
        (x * N::of((FRAC_1_PI / 2.0).sqrt())).mul_add(bell, cdf)
    }

    /// dfdx 0.13.0 computes `accurate_gelu` right, and its derivative as `Φ(x) + x exp(-x²/2) / √π`, where the last term
    /// should be divided by √2 as well. The term that is too much is the derivative of `-k exp(-x²/2)`, so that function
    /// is added, and its value is taken off again where no tape sees it.
    fn taped<E: Float, D: Device<E>, T: Tape<E, D>>(&self, x: Flat<E, D, T>) -> Result<Flat<E, D, T>, D::Err> {
        let bell = x.retaped::<T>().try_square()?.try_mul(E::of(-0.5))?.try_exp()?.try_mul(E::of(excess()))?;
        let (value, bell) = detached(bell)?;
        x.try_accurate_gelu()?.try_add(bell)?.try_sub(value)
    }

    fn node(&self, graph: &mut Graph, x: Tensor) -> Tensor {
        graph.node("Gelu", &[x], &[])
    }
}

/// Beyond this the tangent is 1 to the last bit of an `f64`, and cubes do not overflow.
const FAR: f64 = 10.0;
const CUBIC: f64 = 0.044715;

impl GeluTanh {
    /// `x`, but not farther than [`FAR`], and the tangent there.
    #[inline(always)]
    fn tangent<N: Numbers>(x: N) -> [N; 2] {
        let (least, most) = (N::of(-FAR), N::of(FAR));
        let near = x.if_greater(most, most, least.if_greater(x, least, x));
        [near, exp::tanh(N::of(FRAC_2_PI.sqrt()) * (N::of(CUBIC) * near * near).mul_add(near, near))]
    }
}

impl Elementwise for GeluTanh {
    const KEEPS_SLOPE: bool = true;
    const KERNELS: [&'static str; 2] = ["gelu_tanh", "gelu_tanh_back"];

    #[inline(always)]
    fn value<N: Numbers>(&self, x: N) -> N {
        let [_, tangent] = Self::tangent(x);
        N::of(0.5) * x * (N::of(1.0) + tangent)
    }

    #[inline(always)]
    fn slope<N: Numbers>(&self, x: N, _y: N) -> N {
        let [x, tangent] = Self::tangent(x);
        let inner = N::of(FRAC_2_PI.sqrt()) * (N::of(3.0 * CUBIC) * x).mul_add(x, N::of(1.0));
        N::of(0.5) * (x * (N::of(1.0) - tangent * tangent)).mul_add(inner, N::of(1.0) + tangent)
    }

    fn taped<E: Float, D: Device<E>, T: Tape<E, D>>(&self, x: Flat<E, D, T>) -> Result<Flat<E, D, T>, D::Err> {
        let near = x.retaped::<T>().try_clamp(-FAR, FAR)?;
        let cube = near.retaped::<T>().try_powi(3)?.try_mul(E::of(CUBIC))?;
        let tangent = near.try_add(cube)?.try_mul(E::of(FRAC_2_PI.sqrt()))?.try_tanh()?;
        x.try_mul(tangent.try_add(E::one())?)?.try_mul(E::of(0.5))
    }

    fn node(&self, graph: &mut Graph, x: Tensor) -> Tensor {
        graph.node("Gelu", &[x], &[("approximate", Attribute::Text("tanh"))])
    }
}
