//! The parameters of a network under their full names.

use super::{Branch, Chain, Dims, Field, Init, Prefix, Spec};

/// One tensor of a network's parameters.
#[derive(Clone, Debug, PartialEq)]
pub struct NamedParam {
    /// Its full name, as in a PyTorch `state_dict`: `0.weight`, `layer1.conv1.weight`.
    pub name: String,
    /// Its shape.
    pub dims: Dims,
    /// Where its numbers begin in the flat buffer of all parameters.
    pub offset: usize,
    /// How it begins.
    pub init: Init,
}

impl NamedParam {
    /// Where its numbers are in the flat buffer of all parameters.
    pub fn range(&self) -> core::ops::Range<usize> {
        self.offset..self.offset + self.dims.numel()
    }
}

/// All parameters of `spec`, in the order of the flat buffer.
pub fn parameters(spec: &Spec) -> Vec<NamedParam> {
    let mut list = Vec::new();
    collect(spec, "", &mut list);
    list
}

fn collect(spec: &Spec, prefix: &str, list: &mut Vec<NamedParam>) {
    match spec.unnamed() {
        Spec::Leaf(leaf) => {
            for param in (0..).map_while(|i| leaf.param(i)) {
                let offset = list.last().map_or(0, |last| last.range().end);
                list.push(NamedParam { name: format!("{prefix}{}", param.name), dims: param.dims, offset, init: param.init });
            }
        }
        Spec::Chain(Chain { fields }) | Spec::Branch(Branch { fields, .. }) => {
            for (i, field) in fields.iter().enumerate() {
                collect(field.spec, &field.extend(prefix, i), list);
            }
        }
        Spec::Repeat { body, times } => {
            for i in 0..*times {
                collect(body, &format!("{prefix}{i}."), list);
            }
        }
        Spec::Named { .. } | Spec::Misfit { .. } => {}
    }
}

impl Field {
    /// The prefix of this part's parameters; `number` is its place among its siblings.
    pub(crate) fn extend(&self, prefix: &str, number: usize) -> String {
        match self.prefix {
            Prefix::Flat => prefix.to_owned(),
            Prefix::Renamed(name) => format!("{prefix}{name}."),
            Prefix::Name if self.name.is_empty() => format!("{prefix}{number}."),
            Prefix::Name => format!("{prefix}{}.", self.name),
        }
    }
}
