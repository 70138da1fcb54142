//! The parameters of a network under their full names.

use super::{Branch, Chain, Dims, Field, Init, Prefix, Role, Spec, Tied};

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
}

/// All parameters of `spec`, in the order of the flat buffer.
pub fn parameters(spec: &Spec) -> Vec<NamedParam> {
    tensors(spec).into_iter().filter(|param| param.role == Role::Trained).collect()
}

/// All buffers of `spec`: what its layers write themselves while they are trained, in the order of their own flat buffer.
pub fn buffers(spec: &Spec) -> Vec<NamedParam> {
    tensors(spec).into_iter().filter(|param| param.role != Role::Trained).collect()
}

/// All parameters and buffers of `spec`, in the order of a PyTorch `state_dict`.
pub fn tensors(spec: &Spec) -> Vec<NamedParam> {
    let mut list = List { tensors: Vec::new(), ends: [0, 0] };
    list.collect(spec, "");
    list.tensors
}

struct List {
    tensors: Vec<NamedParam>,
    /// Where the flat buffers of parameters and of buffers end so far.
    ends: [usize; 2],
}

impl List {
    fn collect(&mut self, spec: &Spec, prefix: &str) {
        match spec.unnamed() {
            Spec::Leaf(leaf) => {
                for param in (0..).map_while(|i| leaf.param(i)) {
                    let end = &mut self.ends[usize::from(!param.is_trained())];
                    let tensor =
                        NamedParam { name: format!("{prefix}{}", param.name), dims: param.dims, offset: *end, init: param.init, role: param.role };
                    *end = tensor.range().end;
                    self.tensors.push(tensor);
                }
            }
            Spec::Chain(Chain { fields }) | Spec::Branch(Branch { fields, .. }) => self.collect_fields(fields, prefix),
            // The last layer has the first one's parameters.
            Spec::Tied(Tied { fields: [first, body, _] }) => self.collect_fields(&[*first, *body], prefix),
            Spec::Repeat(repeat) if repeat.shared => self.collect(repeat.body, prefix),
            Spec::Repeat(repeat) => (0..repeat.times).for_each(|i| self.collect(repeat.body, &format!("{prefix}{i}."))),
            Spec::Encode { body } => self.collect(body, prefix),
            Spec::Named { .. } | Spec::Misfit { .. } => {}
        }
    }

    fn collect_fields(&mut self, fields: &[Field], prefix: &str) {
        for (i, field) in fields.iter().enumerate() {
            self.collect(field.spec, &field.extend(prefix, i));
        }
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
