//! The parameters of a network under their full names.

use super::{Branch, Chain, Dims, Field, Init, Param, Prefix, Role, Spec, Tied};
use crate::layers::Leaf;
use std::collections::BTreeSet;

/// One tensor of a network's parameters or buffers.
#[derive(Clone, Debug, PartialEq)]
pub struct NamedParam {
    /// Its full name, as in a PyTorch `state_dict`: `0.weight`, `layer1.conv1.weight`.
    pub name: String,
    /// Its shape.
    pub dims: Dims,
    /// Where its numbers begin in the flat buffer of all parameters, or of all buffers.
    pub offset: usize,
    /// How it begins.
    pub init: Init,
    /// Whether it is learned.
    pub role: Role,
}

impl NamedParam {
    /// Where its numbers are in the flat buffer.
    pub fn range(&self) -> core::ops::Range<usize> {
        self.offset..self.offset + self.dims.numel()
    }

    /// Whether an optimizer moves it.
    pub fn is_trained(&self) -> bool {
        self.role == Role::Trained
    }
}

/// All parameters of `spec`, in the order of the flat buffer.
pub fn parameters(spec: &Spec) -> Vec<NamedParam> {
    tensors(spec).into_iter().filter(NamedParam::is_trained).collect()
}

/// All buffers of `spec`: what its layers write themselves while they are trained, in the order of their own flat buffer.
pub fn buffers(spec: &Spec) -> Vec<NamedParam> {
    tensors(spec).into_iter().filter(|param| !param.is_trained()).collect()
}

/// All parameters and buffers of `spec`, in the order of a PyTorch `state_dict`.
pub fn tensors(spec: &Spec) -> Vec<NamedParam> {
    leaves(spec).iter().filter(|leaf| !leaf.is_repeated).flat_map(NamedLeaf::tensors).collect()
}

/// The second names of tensors that are those of a layer before: of what is tied. A PyTorch `state_dict` has both.
pub(crate) fn tied(spec: &Spec) -> Vec<NamedParam> {
    let mut names: BTreeSet<String> = tensors(spec).into_iter().map(|tensor| tensor.name).collect();
    leaves(spec).iter().flat_map(NamedLeaf::tensors).filter(|tensor| names.insert(tensor.name.clone())).collect()
}

/// A layer that computes, in its place in a network.
#[derive(Clone)]
pub(crate) struct NamedLeaf<'a> {
    pub leaf: &'a Leaf,
    /// What the names of its tensors begin with: `layer1.conv1.`.
    prefix: String,
    /// Where its tensors begin in the flat buffers of parameters and of buffers.
    at: [usize; 2],
    /// Whether its tensors are those of a layer before it.
    is_repeated: bool,
}

impl NamedLeaf<'_> {
    /// Its full name.
    pub(crate) fn name(&self) -> &str {
        self.prefix.trim_end_matches('.')
    }

    /// Its parameters and buffers.
    pub(crate) fn tensors(&self) -> Vec<NamedParam> {
        let mut ends = self.at;
        let named = |param: Param| {
            let end = &mut ends[usize::from(!param.is_trained())];
            let Param { name, dims, init, role } = param;
            let tensor = NamedParam { name: format!("{}{name}", self.prefix), dims, offset: *end, init, role };
            *end = tensor.range().end;
            tensor
        };
        (0..).map_while(|i| self.leaf.param(i)).map(named).collect()
    }
}

/// The layers of `spec` that compute, in the order in which they do.
pub(crate) fn leaves(spec: &Spec) -> Vec<NamedLeaf<'_>> {
    let mut walk = Walk { leaves: Vec::new(), at: [0, 0], is_repeated: false };
    walk.collect(spec, "");
    walk.leaves
}

/// A walk over the layers: how far it has come.
struct Walk<'a> {
    leaves: Vec<NamedLeaf<'a>>,
    at: [usize; 2],
    is_repeated: bool,
}

impl<'a> Walk<'a> {
    fn collect(&mut self, spec: &'a Spec, prefix: &str) {
        match spec.unnamed() {
            Spec::Leaf(leaf) => {
                let leaf = NamedLeaf { leaf, prefix: prefix.to_owned(), at: self.at, is_repeated: self.is_repeated };
                for tensor in leaf.tensors() {
                    self.at[usize::from(!tensor.is_trained())] += tensor.dims.numel();
                }
                self.leaves.push(leaf);
            }
            Spec::Chain(Chain { fields }) | Spec::Branch(Branch { fields, .. }) => {
                fields.iter().enumerate().for_each(|(i, field)| self.collect_field(field, i, prefix));
            }
            Spec::Tied(Tied { fields: [first, body, last] }) => {
                let begin = self.at;
                self.collect_field(first, 0, prefix);
                self.collect_field(body, 1, prefix);
                self.again(begin, |walk| walk.collect_field(last, 2, prefix));
            }
            Spec::Repeat(repeat) if repeat.shared => {
                let begin = self.at;
                self.collect(repeat.body, prefix);
                (1..repeat.times).for_each(|_| self.again(begin, |walk| walk.collect(repeat.body, prefix)));
            }
            Spec::Repeat(repeat) => (0..repeat.times).for_each(|i| self.collect(repeat.body, &format!("{prefix}{i}."))),
            Spec::Encode { body } => self.collect(body, prefix),
            Spec::Named { .. } | Spec::Misfit { .. } => {}
        }
    }

    fn collect_field(&mut self, field: &'a Field, number: usize, prefix: &str) {
        self.collect(field.spec, &field.extend(prefix, number));
    }

    /// Goes over layers whose tensors are those that begin at `begin`.
    fn again(&mut self, begin: [usize; 2], over: impl FnOnce(&mut Self)) {
        let (end, is_repeated) = (core::mem::replace(&mut self.at, begin), core::mem::replace(&mut self.is_repeated, true));
        over(self);
        (self.at, self.is_repeated) = (end, is_repeated);
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
