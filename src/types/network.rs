//! Networks: layers with declared shapes, checked by the compiler.

use super::cost::{Field2d, receptive_field};
use super::explain::explain;
use super::fault::{Fault, OUTPUT, Problem, Step};
use super::{Cost, Dims, Layer, Message, NamedParam, Parts, Sample, Slot, Spec, buffers, cost, infer, parameters, scalars};
use crate::diagram::Diagram;
use crate::engine::Architecture;
use crate::summary::Summary;
use core::marker::PhantomData;

/// Layers with declared sample shapes: what [`#[network]`](macro@crate::network) makes of a type alias or a struct.
///
/// # Examples
/// ```
/// use formwork::prelude::*;
///
/// #[network([1, 28, 28] => [10])]
/// type Classifier = (Conv2d<1, 6, 5>, Relu, MaxPool2d<2>, Flatten, Linear<864, 10>);
///
/// const _: () = assert!(Classifier::SCALARS < 10_000); // a budget is a line of code
/// assert_eq!(Classifier::SCALARS, 6 * 25 + 6 + 864 * 10 + 10);
/// assert_eq!(Classifier::RECEPTIVE_FIELD, Some([28, 28]));
/// assert_eq!(Classifier::parameters()[0].name, "0.weight");
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a network",
    label = "expected a network: layers with declared shapes",
    note = "declare one with `#[network([1, 28, 28] => [10])]` on a type alias or a struct, or as `Net<Layers, Input, Output>`"
)]
pub trait Network: Layer + 'static {
    /// What the source calls it.
    const NAME: &'static str;
    /// The shape of one input sample.
    type Input: Sample;
    /// The shape of what one sample becomes.
    type Output: Sample;

    /// How many numbers the parameters have together.
    const SCALARS: usize = scalars(Self::SPEC);

    /// Floating-point operations for one sample, forward: a multiplication and an addition count one each.
    const FLOPS: usize = network_cost::<Self>().flops;

    /// Numbers that the layers write for one sample, and that training keeps for the way back.
    const ACTIVATIONS: usize = network_cost::<Self>().activations;

    /// Height and width of the part of an input image that one output number depends on; `None` for other inputs.
    const RECEPTIVE_FIELD: Option<[usize; 2]> = seen::<Self>();

    /// The parameters, with their names as in a PyTorch `state_dict`, in the order of the flat buffer.
    fn parameters() -> Vec<NamedParam> {
        parameters(Self::SPEC)
    }

    /// The buffers, which layers such as batch norm write themselves while they are trained.
    fn buffers() -> Vec<NamedParam> {
        buffers(Self::SPEC)
    }

    /// A table of the layers: output shapes, parameters, FLOPs and memory.
    fn summary() -> Summary {
        Summary::of(Self::NAME, Architecture::of::<Self>())
    }

    /// The layers as a drawing: an SVG file, or text in the language of Mermaid.
    fn diagram() -> Diagram {
        Diagram::of(Self::NAME, Architecture::of::<Self>())
    }
}

const fn network_cost<N: Network + ?Sized>() -> Cost {
    cost(N::SPEC, N::Input::PARTS)
}

const fn seen<N: Network + ?Sized>() -> Option<[usize; 2]> {
    let image = N::Input::PARTS.x;
    if image.rank() != 3 {
        return None;
    }
    let whole = [image.size(1), image.size(2)];
    match receptive_field(N::SPEC, Field2d::POINT).size {
        // Padding lets a window reach beyond the image.
        Some([h, w]) => Some([if h < whole[0] { h } else { whole[0] }, if w < whole[1] { w } else { whole[1] }]),
        None => Some(whole),
    }
}

/// A network without a declaration of its own, for generic code and for one-off use.
///
/// # Examples
/// ```
/// use formwork::prelude::*;
/// type Line = Net<Linear<3, 1>, Rank1<3>, Rank1<1>>;
/// formwork::check!(Line);
/// assert_eq!(Line::SCALARS, 4);
/// ```
#[derive(Clone, Copy, Debug, Default)]
pub struct Net<L, I, O>(PhantomData<fn() -> (L, I, O)>);

impl<L: Layer, I, O> Layer for Net<L, I, O> {
    const SPEC: &'static Spec = L::SPEC;
}

impl<L: Layer + 'static, I: Sample, O: Sample> Network for Net<L, I, O> {
    const NAME: &'static str = "Net";
    type Input = I;
    type Output = O;
}

const fn fault<N: Network>() -> Option<Fault> {
    match infer(N::SPEC, N::Input::PARTS) {
        Ok(y) => match undeclared(N::Output::PARTS, y) {
            Some(problem) => Some(Fault::here(problem).within(OUTPUT)),
            None => None,
        },
        Err(fault) => Some(fault),
    }
}

/// What is wrong with the declared output, if anything is. What is beside the output need not be declared.
const fn undeclared(declared: Parts<Dims>, y: Parts<Dims>) -> Option<Problem> {
    if !declared.x.same(&y.x) {
        let message = Message::new("is declared to return ").dims(declared.x).str(", but returns ").dims(y.x);
        let help = Message::new("if the layers are right, declare `=> ").dims(y.x).str("`");
        return Some(Problem::new(message).help(help));
    }
    let mut i = 0;
    while i < Slot::ALL.len() {
        let slot = Slot::ALL[i];
        match (declared.beside(slot), y.beside(slot)) {
            (Some(declared), Some(y)) if !declared.same(y) => {
                let message = Message::new("is declared to return the ").str(slot.name()).str(" ").dims(*declared);
                return Some(Problem::new(message.str(", but returns ").dims(*y)));
            }
            (Some(declared), None) => {
                let message = Message::new("is declared to return the ").str(slot.name()).str(" ").dims(*declared);
                return Some(Problem::new(message.str(", but returns none")));
            }
            _ => i += 1,
        }
    }
    None
}

/// Proves a network in a constant: panics with the whole story where its layers do not fit.
///
/// `#[network]` does this by itself; [`check!`](crate::check) does it for types written otherwise.
#[track_caller]
pub const fn check<N: Network>() {
    if let Some(fault) = fault::<N>() {
        let text = explain(N::NAME, N::SPEC, [N::Input::PARTS, N::Output::PARTS], &fault);
        panic!("{}", text.as_str());
    }
}

/// Which of these places in the source holds the fault: the longest that leads there. `usize::MAX` without a fault.
#[doc(hidden)]
pub const fn site<N: Network>(sites: &[&[Step]]) -> usize {
    let Some(fault) = fault::<N>() else { return usize::MAX };
    let path = fault.path();
    let (mut best, mut best_len, mut i) = (usize::MAX, 0, 0);
    while i < sites.len() {
        let (site, mut k) = (sites[i], 0);
        while k < site.len() && k < path.len() && site[k] == path[k] {
            k += 1;
        }
        if k == site.len() && (best == usize::MAX || k > best_len) {
            (best, best_len) = (i, k);
        }
        i += 1;
    }
    best
}

/// Proves at `cargo check` that the layers of a network fit: for [`Net`], and for generic networks with their sizes put in.
///
/// # Examples
/// ```
/// use formwork::prelude::*;
/// formwork::check!(Net<(Linear<784, 128>, Relu, Linear<128, 10>), Rank1<784>, Rank1<10>>);
/// ```
/// ```compile_fail
/// use formwork::prelude::*;
/// formwork::check!(Net<(Linear<784, 128>, Relu, Linear<64, 10>), Rank1<784>, Rank1<10>>);
/// ```
#[macro_export]
macro_rules! check {
    ($Network:ty) => {
        const _: () = $crate::types::check::<$Network>();
    };
}
