//! Long short-term memory.

use super::super::elementwise::Elementwise;
use super::super::sigmoid::Sigmoid;
use super::super::tanh::Tanh;
use super::super::{Leaf, generic};
use super::{Cell, Kind, RecurrentSpec, Slopes};
use crate::engine::Flat;
use crate::float::Float;
use crate::kernels::numbers::Numbers;
use crate::types::{Layer, Size, Spec};
use dfdx::prelude::{TryAdd, TryMul};
use dfdx::shapes::Const;
use dfdx::tensor::Tape;
use dfdx::tensor_ops::Device;

/// Long short-term memory: a recurrent layer whose cell state `c` is added to rather than overwritten, so that gradients
/// reach far back.
///
/// With `i, f, o = σ(..)` and `g = tanh(..)` of `W_ih x_t + b_ih + W_hh h_{t-1} + b_hh`:
/// `c_t = f c_{t-1} + i g`, `h_t = o tanh(c_t)`.
///
/// Arguments: features of a step, features of the state, layers stacked upon one another (1). `h_0` and `c_0` are zero unless
/// [`WithState`](super::WithState) says otherwise.
///
/// # Shapes
/// `[T, I] -> [T, H]`; `weight_ih_l0` is `[4 H, I]`, `weight_hh_l0` is `[4 H, H]`, `bias_ih_l0` and `bias_hh_l0` are `[4 H]`,
/// gates in the order i, f, g, o, and so on for `l1`, as in PyTorch's `nn.LSTM` with `batch_first=True`. Where `padding: [T]`
/// is beside the input, a padded step keeps the states, and its output is zero.
///
/// # Examples
/// ```
/// use formwork::prelude::*;
///
/// /// Classes of sequences of 9 steps, by what the layer knows behind the last one.
/// #[network([9, 5] => [3])]
/// type Classifier = (Last<Lstm<5, 10>>, Linear<10, 3>);
/// assert_eq!(Classifier::parameters()[0].name, "0.weight_ih_l0");
/// ```
///
/// Hochreiter and Schmidhuber, [Long short-term memory](https://doi.org/10.1162/neco.1997.9.8.1735), 1997; the forget gate is
/// from Gers et al., 1999. Course notes: LSTM.
pub type Lstm<const I: usize, const H: usize, const LAYERS: usize = 1> = generic::Lstm<Const<I>, Const<H>, Const<LAYERS>>;

impl<I: Size, H: Size, Layers: Size> Layer for generic::Lstm<I, H, Layers> {
    const SPEC: &'static Spec = &Spec::Leaf(Leaf::Recurrent(RecurrentSpec::new(Kind::Lstm, [I::SIZE, H::SIZE, Layers::SIZE])));
}

/// Keeps `i`, `f`, `g`, `o` and `tanh(c)`.
#[derive(Clone, Copy)]
pub(super) struct LstmCell;

impl Cell<4, 2, 5> for LstmCell {
    const GATES_SEE_SUMS: bool = true;

    #[inline(always)]
    fn forward<N: Numbers>(x: [N; 4], r: [N; 4], [_, c]: [N; 2]) -> ([N; 2], [N; 5]) {
        let (i, f, o) = (Sigmoid.value(x[0] + r[0]), Sigmoid.value(x[1] + r[1]), Sigmoid.value(x[3] + r[3]));
        let g = Tanh.value(x[2] + r[2]);
        let c = f.mul_add(c, i * g);
        let tanh_c = Tanh.value(c);
        ([o * tanh_c, c], [i, f, g, o, tanh_c])
    }

    #[inline(always)]
    fn backward<N: Numbers>([i, f, g, o, tanh_c]: [N; 5], [_, c]: [N; 2], [dh, dc]: [N; 2]) -> Slopes<N, 4, 2> {
        let one = N::of(1.0);
        let dc = (dh * o).mul_add(one - tanh_c * tanh_c, dc);
        let d = [dc * g * i * (one - i), dc * c * f * (one - f), dc * i * (one - g * g), dh * tanh_c * o * (one - o)];
        Slopes { x: d, r: d, before: [N::of(0.0), dc * f] }
    }

    fn taped<E: Float, D: Device<E>, T: Tape<E, D>>(
        [xi, xf, xg, xo]: [Flat<E, D, T>; 4],
        [ri, rf, rg, ro]: [Flat<E, D, T>; 4],
        [_, c]: [Flat<E, D, T>; 2],
    ) -> Result<[Flat<E, D, T>; 2], D::Err> {
        let (i, f) = (xi.try_add(ri)?.try_sigmoid()?, xf.try_add(rf)?.try_sigmoid()?);
        let (g, o) = (xg.try_add(rg)?.try_tanh()?, xo.try_add(ro)?.try_sigmoid()?);
        let c = f.try_mul(c)?.try_add(i.try_mul(g)?)?;
        Ok([o.try_mul(c.retaped::<T>().try_tanh()?)?, c])
    }
}
