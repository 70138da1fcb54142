//! Gated recurrent unit.

use super::super::elementwise::Elementwise;
use super::super::sigmoid::Sigmoid;
use super::super::tanh::Tanh;
use super::super::{Leaf, generic};
use super::{Cell, Kind, RecurrentSpec, Slopes};
use crate::engine::Flat;
use crate::float::Float;
use crate::kernels::numbers::Numbers;
use crate::types::{Layer, Size, Spec};
use dfdx::prelude::{TryAdd, TryMul, TrySub};
use dfdx::shapes::Const;
use dfdx::tensor::Tape;
use dfdx::tensor_ops::Device;

/// A gated recurrent unit: a recurrent layer that chooses, number by number, how much of its state to renew.
///
/// `r, z = σ(W_ih x_t + b_ih + W_hh h_{t-1} + b_hh)`, `n = tanh(W_in x_t + b_in + r (W_hn h_{t-1} + b_hn))`,
/// `h_t = (1 - z) n + z h_{t-1}`.
///
/// Arguments: features of a step, features of the state, layers stacked upon one another (1). `h_0` is zero unless
/// [`WithState`](super::WithState) says otherwise.
///
/// # Shapes
/// `[T, I] -> [T, H]`; `weight_ih_l0` is `[3 H, I]`, `weight_hh_l0` is `[3 H, H]`, `bias_ih_l0` and `bias_hh_l0` are `[3 H]`,
/// gates in the order r, z, n, and so on for `l1`, as in PyTorch's `nn.GRU` with `batch_first=True`. Where `padding: [T]` is
/// beside the input, a padded step keeps the state, and its output is zero.
///
/// # Examples
/// ```
/// use formwork::prelude::*;
///
/// #[network([17, 3] => [17, 8])]
/// type BothWays = Bidirectional<Gru<3, 4>>;
/// assert_eq!(BothWays::SCALARS, 2 * 3 * (4 * 3 + 4 * 4 + 4 + 4));
/// ```
///
/// Cho et al., [Learning phrase representations using RNN encoder-decoder](https://arxiv.org/abs/1406.1078), 2014, with the
/// reset gate behind the product, as PyTorch has it. Course notes: recurrent networks.
pub type Gru<const I: usize, const H: usize, const LAYERS: usize = 1> = generic::Gru<Const<I>, Const<H>, Const<LAYERS>>;

impl<I: Size, H: Size, Layers: Size> Layer for generic::Gru<I, H, Layers> {
    const SPEC: &'static Spec = &Spec::Leaf(Leaf::Recurrent(RecurrentSpec::new(Kind::Gru, [I::SIZE, H::SIZE, Layers::SIZE])));
}

/// Keeps `r`, `z`, `n` and `W_hn h + b_hn`.
#[derive(Clone, Copy)]
pub(super) struct GruCell;

impl Cell<3, 1, 4> for GruCell {
    const GATES_SEE_SUMS: bool = false;

    #[inline(always)]
    fn forward<N: Numbers>(x: [N; 3], [hr, hz, hn]: [N; 3], [h]: [N; 1]) -> ([N; 1], [N; 4]) {
        let (r, z) = (Sigmoid.value(x[0] + hr), Sigmoid.value(x[1] + hz));
        let n = Tanh.value(r.mul_add(hn, x[2]));
        ([z.mul_add(h - n, n)], [r, z, n, hn])
    }

    #[inline(always)]
    fn backward<N: Numbers>([r, z, n, hn]: [N; 4], [h]: [N; 1], [dh]: [N; 1]) -> Slopes<N, 3, 1> {
        let one = N::of(1.0);
        let dn = dh * (one - z) * (one - n * n);
        let (dr, dz) = (dn * hn * r * (one - r), dh * (h - n) * z * (one - z));
        Slopes { x: [dr, dz, dn], r: [dr, dz, dn * r], before: [dh * z] }
    }

    fn taped<E: Float, D: Device<E>, T: Tape<E, D>>(
        [xr, xz, xn]: [Flat<E, D, T>; 3],
        [hr, hz, hn]: [Flat<E, D, T>; 3],
        [h]: [Flat<E, D, T>; 1],
    ) -> Result<[Flat<E, D, T>; 1], D::Err> {
        let (r, z) = (xr.try_add(hr)?.try_sigmoid()?, xz.try_add(hz)?.try_sigmoid()?);
        let n = xn.try_add(r.try_mul(hn)?)?.try_tanh()?;
        let kept = z.try_mul(h.try_sub(n.retaped::<T>())?)?;
        Ok([n.try_add(kept)?])
    }
}
