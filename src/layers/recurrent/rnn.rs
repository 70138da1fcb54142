//! The plain recurrent layer.

use super::super::elementwise::Elementwise;
use super::super::tanh::Tanh;
use super::super::{Leaf, generic};
use super::{Cell, Kind, RecurrentSpec, Slopes};
use crate::engine::Flat;
use crate::float::Float;
use crate::kernels::numbers::Numbers;
use crate::types::{Layer, Size, Spec};
use dfdx::prelude::TryAdd;
use dfdx::shapes::Const;
use dfdx::tensor::Tape;
use dfdx::tensor_ops::Device;

/// A recurrent layer: `h_t = tanh(W_ih x_t + b_ih + W_hh h_{t-1} + b_hh)`, step by step along the sequence.
///
/// Arguments: features of a step, features of the state, layers stacked upon one another (1). `h_0` is zero unless
/// [`WithState`](super::WithState) says otherwise.
///
/// # Shapes
/// `[T, I] -> [T, H]`; `weight_ih_l0` is `[H, I]`, `weight_hh_l0` is `[H, H]`, `bias_ih_l0` and `bias_hh_l0` are `[H]`, and so
/// on for `l1`, as in PyTorch's `nn.RNN` with `batch_first=True`. Where `padding: [T]` is beside the input, a padded step keeps
/// the state, and its output is zero.
///
/// # Examples
/// ```
/// use formwork::prelude::*;
///
/// #[network([17, 3] => [17, 4])]
/// type Remembering = Rnn<3, 4>;
/// assert_eq!(Remembering::SCALARS, 4 * 3 + 4 * 4 + 4 + 4);
/// ```
///
/// Elman, "Finding structure in time", 1990. Course notes: recurrent networks.
pub type Rnn<const I: usize, const H: usize, const LAYERS: usize = 1> = generic::Rnn<Const<I>, Const<H>, Const<LAYERS>>;

impl<I: Size, H: Size, Layers: Size> Layer for generic::Rnn<I, H, Layers> {
    const SPEC: &'static Spec = &Spec::Leaf(Leaf::Recurrent(RecurrentSpec::new(Kind::Rnn, [I::SIZE, H::SIZE, Layers::SIZE])));
}

/// Keeps `h`.
#[derive(Clone, Copy)]
pub(super) struct RnnCell;

impl Cell<1, 1, 1> for RnnCell {
    const GATES_SEE_SUMS: bool = true;

    #[inline(always)]
    fn forward<N: Numbers>([x]: [N; 1], [r]: [N; 1], _before: [N; 1]) -> ([N; 1], [N; 1]) {
        let h = Tanh.value(x + r);
        ([h], [h])
    }

    #[inline(always)]
    fn backward<N: Numbers>([h]: [N; 1], _before: [N; 1], [dh]: [N; 1]) -> Slopes<N, 1, 1> {
        let d = dh * (N::of(1.0) - h * h);
        Slopes { x: [d], r: [d], before: [N::of(0.0)] }
    }

    fn taped<E: Float, D: Device<E>, T: Tape<E, D>>(
        [x]: [Flat<E, D, T>; 1],
        [r]: [Flat<E, D, T>; 1],
        _before: [Flat<E, D, T>; 1],
    ) -> Result<[Flat<E, D, T>; 1], D::Err> {
        Ok([x.try_add(r)?.try_tanh()?])
    }
}
