//! What is wrapped around recurrent layers.

use super::RecurrentSpec;
use crate::layers::Leaf;
use crate::types::{Layer, Spec};
use core::marker::PhantomData;

/// A recurrent layer in both directions: what it knows of all steps before stands beside what it knows of all behind.
///
/// # Shapes
/// `[T, I] -> [T, 2 H]`, and each layer of a stack but the first reads `2 H` features. The parameters of the way back end in
/// `_reverse`, as with PyTorch's `bidirectional=True`.
///
/// # Examples
/// ```
/// use formwork::prelude::*;
///
/// #[network([17, 3] => [17, 8])]
/// type Tagger = Bidirectional<Lstm<3, 4>>;
/// assert_eq!(Tagger::parameters()[4].name, "weight_ih_l0_reverse");
/// ```
///
/// Schuster and Paliwal, "Bidirectional recurrent neural networks", 1997.
pub struct Bidirectional<L>(PhantomData<fn() -> L>);

/// A recurrent layer that begins with states that are given beside its input, and leaves there those that it ends with.
///
/// # Shapes
/// `[T, I] -> [T, H]`; `hidden` and, for [`Lstm`](super::Lstm), `cell` are `[LAYERS, H]`, or `[2 LAYERS, H]` in both directions:
/// layer by layer, forward before back.
///
/// # Examples
/// A network that is shown one step at a time, and remembers:
/// ```
/// use formwork::prelude::*;
///
/// #[network({ x: [1, 3], hidden: [1, 4], cell: [1, 4] } => { x: [1, 4], hidden: [1, 4], cell: [1, 4] })]
/// type OneStep = WithState<Lstm<3, 4>>;
///
/// let model = Model::<OneStep>::new(0);
/// let x: Tensor<Rank3<1, 1, 3>, f32, _> = model.device().tensor([[[0.5, -1.0, 2.0]]]);
/// let (hidden, cell): (Tensor<Rank3<1, 1, 4>, f32, _>, _) = (model.device().zeros(), model.device().zeros());
/// let (_, hidden, cell) = model.forward::<Const<1>>((x.clone(), hidden, cell));
/// let (y, _, _) = model.forward::<Const<1>>((x, hidden.clone(), cell));
/// assert_ne!(y.array(), hidden.array());
/// ```
///
/// What PyTorch's `nn.LSTM` takes and returns as `(h_0, c_0)` and `(h_n, c_n)`.
pub struct WithState<L>(PhantomData<fn() -> L>);

/// Of a recurrent layer's output the last step alone: what it knows when it has seen all.
///
/// # Shapes
/// `[T, I] -> [H]`; in both directions `[2 H]`, and the way back has then come to the first step.
///
/// # Examples
/// ```
/// use formwork::prelude::*;
///
/// #[network([ids < 12; 8] => [4])]
/// type Sentiment = (Embedding<12, 6>, Last<Bidirectional<Gru<6, 7>>>, Linear<14, 4>);
/// ```
///
/// `torch.cat([h_n[-2], h_n[-1]], 1)`, or `h_n[-1]`.
pub struct Last<L>(PhantomData<fn() -> L>);

impl<L: Layer> Layer for Bidirectional<L> {
    const SPEC: &'static Spec = &match recurrent(L::SPEC) {
        Some(layer) => Spec::Leaf(Leaf::Recurrent(RecurrentSpec { bidirectional: true, ..layer })),
        None => Spec::Misfit { wrapper: "Bidirectional", problem: "runs an Rnn, an Lstm or a Gru in both directions, and this is none of them" },
    };
}

impl<L: Layer> Layer for WithState<L> {
    const SPEC: &'static Spec = &match recurrent(L::SPEC) {
        Some(layer) => Spec::Leaf(Leaf::Recurrent(RecurrentSpec { with_state: true, ..layer })),
        None => Spec::Misfit { wrapper: "WithState", problem: "gives an Rnn, an Lstm or a Gru its states, and this is none of them" },
    };
}

impl<L: Layer> Layer for Last<L> {
    const SPEC: &'static Spec = &match recurrent(L::SPEC) {
        Some(layer) => Spec::Leaf(Leaf::Recurrent(RecurrentSpec { last: true, ..layer })),
        None => Spec::Misfit { wrapper: "Last", problem: "takes the last step of an Rnn, an Lstm or a Gru, and this is none of them" },
    };
}

const fn recurrent(spec: &Spec) -> Option<RecurrentSpec> {
    match *spec.unnamed() {
        Spec::Leaf(Leaf::Recurrent(layer)) => Some(layer),
        _ => None,
    }
}
