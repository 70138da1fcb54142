//! Which networks can be shown a sequence position by position.

use super::{Branch, Chain, Dims, Join, Label, Network, Parts, Sample, Spec, Text, Tied, infer};
use crate::layers::Leaf;

/// The first layer that needs more of a sequence than the positions up to the one it is at.
const fn obstacle(spec: &Spec, x: Parts<Dims>) -> Option<Label> {
    match spec.unnamed() {
        Spec::Leaf(leaf) => {
            if leaf.streams(x.x) {
                None
            } else {
                Some(leaf.label())
            }
        }
        Spec::Chain(Chain { fields }) => obstacle_in_chain(fields, x),
        Spec::Tied(Tied { fields }) => obstacle_in_chain(*fields, x),
        Spec::Branch(Branch { join: Join::Add, fields, .. }) => {
            let mut i = 0;
            while i < fields.len() {
                let found = obstacle(fields[i].spec, x);
                if found.is_some() {
                    return found;
                }
                i += 1;
            }
            None
        }
        Spec::Repeat(repeat) => obstacle(repeat.body, x),
        Spec::Branch(branch) => Some(Label::new(branch.name, &[])),
        Spec::Encode { .. } => Some(Label::new("Encode", &[])),
        Spec::Named { .. } | Spec::Misfit { .. } => None,
    }
}

const fn obstacle_in_chain(fields: &[super::Field], x: Parts<Dims>) -> Option<Label> {
    let (mut given, mut i) = (x, 0);
    while i < fields.len() {
        let found = obstacle(fields[i].spec, given);
        if found.is_some() {
            return found;
        }
        given = match infer(fields[i].spec, given) {
            Ok(y) => y,
            Err(_) => return None, // a fault that is told elsewhere
        };
        i += 1;
    }
    None
}

/// Proves in a constant that a network can be shown a sequence position by position.
pub(crate) const fn check_stream<N: Network>() {
    let Some(label) = obstacle(N::SPEC, N::Input::PARTS) else { return };
    let mut text = Text::new();
    text.str(N::NAME);
    text.str(" cannot be shown a sequence position by position: ");
    text.label(&label);
    text.str(" needs more of it than the positions so far");
    panic!("{}", text.as_str());
}

impl Leaf {
    /// Whether each position of a sequence `[T, ..]` becomes something by itself and by those before it.
    const fn streams(&self, x: Dims) -> bool {
        let is_sequence = x.rank() == 2;
        match self {
            Leaf::Embedding(_) => x.rank() == 1,
            Leaf::Linear(_) | Leaf::Dropout(_) | Leaf::Positions(_) | Leaf::Scale(_) => is_sequence,
            Leaf::Relu(_) | Leaf::LeakyRelu(_) | Leaf::Sigmoid(_) | Leaf::Tanh(_) | Leaf::Gelu(_) | Leaf::GeluTanh(_) | Leaf::Silu(_) => is_sequence,
            Leaf::LayerNorm(norm) => is_sequence && norm.shape.rank() == 1,
            Leaf::Softmax(softmax) => is_sequence && softmax.keeps_rows(x),
            Leaf::Attention(attention) => attention.streams(),
            Leaf::Recurrent(recurrent) => recurrent.streams(),
            _ => false,
        }
    }
}
