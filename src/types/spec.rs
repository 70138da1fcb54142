//! What a layer is, as data, and the questions that the compiler can answer about it.

use super::fault::{ARGUMENT, Help, MAX_DEPTH, Step};
use super::{Dims, Fault, Label, Message, Problem, Reach, Text};
use crate::layers::Leaf;

/// A layer, or layers put together, as a type.
///
/// Its one item is data, and everything reads that data: the compile-time check, the parameter table, the summary, the
/// lowering to a machine. Nothing of this type ever exists at run time.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a layer",
    label = "expected a layer, a tuple of up to 24 layers, or a struct with `#[derive(Layer)]`",
    note = "layers are types of `formwork::prelude`; write one of your own with `formwork::layers::custom`"
)]
pub trait Layer {
    /// What the layer is.
    const SPEC: &'static Spec;
}

/// What a layer is, as data.
///
/// Leaves compute; the other variants put layers together, and only the walks in this file and in the two lowerings
/// know them apart.
#[derive(Clone, Copy)]
pub enum Spec {
    /// A layer that computes.
    Leaf(Leaf),
    /// Layers one behind the other: a tuple, or the fields of a struct.
    Chain(Chain),
    /// Layers side by side on the same input, and how their outputs are joined.
    Branch(Branch),
    /// The same layers several times, each time with parameters of their own.
    Repeat {
        /// What is repeated.
        body: &'static Spec,
        /// How often.
        times: usize,
    },
    /// A layer under the name that the source gives it.
    Named {
        /// The name.
        name: &'static str,
        /// The numbers behind it: `FeedForward<128>`.
        args: &'static [usize],
        /// What it stands for.
        body: &'static Spec,
    },
    /// A wrapper around a layer that it does not fit: `NoBias<Relu>`.
    Misfit {
        /// The wrapper.
        wrapper: &'static str,
        /// What is wrong with it.
        problem: &'static str,
    },
}

/// Layers one behind the other.
#[derive(Clone, Copy)]
pub struct Chain {
    /// The layers, in order.
    pub fields: &'static [Field],
}

/// Layers side by side on the same input.
#[derive(Clone, Copy)]
pub struct Branch {
    /// The type's name: `Residual`.
    pub name: &'static str,
    /// The layers; their names are what a trace calls them.
    pub fields: &'static [Field],
    /// What becomes of their outputs.
    pub join: Join,
}

/// How the outputs of a [`Branch`] become one.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Join {
    /// They are added.
    Add,
    /// They are laid one behind the other along their first dimension, the channels of an image.
    Concat,
}

/// A part of a layer.
#[derive(Clone, Copy)]
pub struct Field {
    /// Its name in the source; empty in a tuple, where its number is its name.
    pub name: &'static str,
    /// What stands before its parameters' names.
    pub prefix: Prefix,
    /// What it is.
    pub spec: &'static Spec,
}

/// What a part adds to the names of its parameters.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Prefix {
    /// The field's name, or its number: `conv1.weight`, `0.weight`.
    Name,
    /// Nothing: the parameters are named as if they were the parent's own.
    Flat,
    /// This instead of the field's name.
    Renamed(&'static str),
}

impl Field {
    /// A part with a name of its own.
    pub const fn named(name: &'static str, spec: &'static Spec) -> Self {
        Field { name, prefix: Prefix::Name, spec }
    }

    /// A part without a name: an item of a tuple.
    pub const fn item(spec: &'static Spec) -> Self {
        Self::named("", spec)
    }

    /// The same part with another prefix.
    pub const fn prefixed(mut self, prefix: Prefix) -> Self {
        self.prefix = prefix;
        self
    }
}

impl Spec {
    /// The layers that do nothing: what `()` is.
    pub const IDENTITY: &'static Spec = &Spec::Chain(Chain { fields: &[] });

    /// Whether this is [`Spec::IDENTITY`].
    pub(crate) const fn is_identity(&self) -> bool {
        matches!(self, Spec::Chain(Chain { fields: [] }))
    }

    /// The same layer without the names that the source gives it.
    pub(crate) const fn unnamed(&self) -> &Spec {
        let mut spec = self;
        while let Spec::Named { body, .. } = spec {
            spec = body;
        }
        spec
    }

    /// Writes the layer as its user would: `Conv2d<1, 6, 5>`, `(3 layers)`, `Residual<(2 layers)>`.
    pub(crate) const fn write_label(&self, text: &mut Text) {
        match self {
            Spec::Leaf(leaf) => text.label(&leaf.label()),
            Spec::Chain(chain) => {
                text.str("(");
                text.num(chain.fields.len());
                text.str(if chain.fields.len() == 1 { " layer)" } else { " layers)" });
            }
            Spec::Branch(branch) => {
                text.str(branch.name);
                text.str("<");
                let (mut i, mut written) = (0, false);
                while i < branch.fields.len() {
                    if !branch.fields[i].spec.is_identity() {
                        if written {
                            text.str(", ");
                        }
                        branch.fields[i].spec.write_label(text);
                        written = true;
                    }
                    i += 1;
                }
                text.str(">");
            }
            Spec::Repeat { body, times } => {
                text.str("Repeat<");
                body.write_label(text);
                text.str(", ");
                text.num(*times);
                text.str(">");
            }
            Spec::Named { name, args, .. } => {
                text.str(name);
                if !args.is_empty() {
                    text.str("<");
                    text.list(args);
                    text.str(">");
                }
            }
            Spec::Misfit { wrapper, .. } => text.str(wrapper),
        }
    }
}

/// The shape that `spec` makes of `x`, or what is wrong and where.
///
/// The one function that proves networks at compile time and plans them at run time.
pub const fn infer(spec: &Spec, x: Dims) -> Result<Dims, Fault> {
    infer_at(spec, x, 0)
}

const fn infer_at(spec: &Spec, x: Dims, depth: usize) -> Result<Dims, Fault> {
    if depth > MAX_DEPTH {
        let message = Message::new("is nested more than ").num(MAX_DEPTH).str(" levels deep");
        return Err(Fault::here(
            Problem::new(message).help(Message::new("write a tuple instead of layers inside layers, or #[network] on a part of it")),
        ));
    }
    match spec.unnamed() {
        Spec::Leaf(leaf) => match leaf.infer(x) {
            Ok(y) => Ok(y),
            Err(problem) => Err(Fault::here(problem)),
        },
        Spec::Chain(chain) => {
            let (mut y, mut i) = (x, 0);
            while i < chain.fields.len() {
                y = match infer_at(chain.fields[i].spec, y, depth + 1) {
                    Ok(y) => y,
                    Err(fault) => return Err(fault.within(i as Step)),
                };
                i += 1;
            }
            Ok(y)
        }
        Spec::Branch(branch) => infer_branch(branch, x, depth),
        Spec::Repeat { body, times } => {
            let (mut y, mut i) = (x, 0);
            while i < *times {
                let next = match infer_at(body, y, depth + 1) {
                    Ok(next) => next,
                    Err(fault) => return Err(fault.within(ARGUMENT)),
                };
                if next.same(&y) {
                    break; // and so for all the repetitions that are left
                }
                y = next;
                i += 1;
            }
            Ok(y)
        }
        Spec::Misfit { problem, .. } => Err(Fault::here(Problem::new(Message::new(problem)))),
        Spec::Named { .. } => panic!("unnamed() leaves no name"),
    }
}

const fn infer_branch(branch: &Branch, x: Dims, depth: usize) -> Result<Dims, Fault> {
    let (mut joined, mut i) = (x, 0);
    while i < branch.fields.len() {
        let y = match infer_at(branch.fields[i].spec, x, depth + 1) {
            Ok(y) => y,
            Err(fault) => return Err(fault.within(branch.argument(i))),
        };
        joined = if i == 0 {
            y
        } else {
            match branch.join.infer(x, joined, y) {
                Ok(joined) => joined,
                Err(problem) => return Err(Fault::here(problem)),
            }
        };
        i += 1;
    }
    Ok(joined)
}

impl Branch {
    /// Which generic argument field `i` is: the identity that a skip takes is none.
    pub(crate) const fn argument(&self, field: usize) -> Step {
        let (mut argument, mut i) = (ARGUMENT, 0);
        while i < field {
            if !self.fields[i].name.is_empty() {
                argument += 1;
            }
            i += 1;
        }
        argument
    }

    /// The field that a generic argument stands for.
    pub(crate) const fn field(&self, argument: Step) -> usize {
        let mut i = 0;
        while i < self.fields.len() {
            if !self.fields[i].name.is_empty() && self.argument(i) == argument {
                return i;
            }
            i += 1;
        }
        panic!("no such argument")
    }
}

impl Join {
    const fn infer(self, x: Dims, a: Dims, b: Dims) -> Result<Dims, Problem> {
        match self {
            Join::Add if a.same(&b) => Ok(a),
            Join::Add => Err(crate::layers::residual::differ(x, a, b)),
            Join::Concat => crate::layers::skip_concat::concatenated(a, b),
        }
    }
}

/// How many numbers the parameters of `spec` have together.
pub const fn scalars(spec: &Spec) -> usize {
    match spec.unnamed() {
        Spec::Leaf(leaf) => {
            let (mut sum, mut i) = (0, 0);
            while let Some(param) = leaf.param(i) {
                sum += param.dims.numel();
                i += 1;
            }
            sum
        }
        Spec::Chain(Chain { fields }) | Spec::Branch(Branch { fields, .. }) => {
            let (mut sum, mut i) = (0, 0);
            while i < fields.len() {
                sum += scalars(fields[i].spec);
                i += 1;
            }
            sum
        }
        Spec::Repeat { body, times } => *times * scalars(body),
        Spec::Named { .. } | Spec::Misfit { .. } => 0,
    }
}

/// What one sample costs on its way through a layer, forward.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cost {
    /// The shape that comes out.
    pub output: Dims,
    /// Floating-point operations: a multiplication and an addition count one each, a function such as `exp` one.
    pub flops: usize,
    /// Numbers that the layers write, and that training keeps for the way back.
    pub activations: usize,
}

/// What `spec` costs on samples of shape `x`, which fits it.
pub const fn cost(spec: &Spec, x: Dims) -> Cost {
    let nothing = Cost { output: x, flops: 0, activations: 0 };
    match spec.unnamed() {
        Spec::Leaf(leaf) => match leaf.infer(x) {
            Ok(y) => Cost { output: y, flops: leaf.flops(x, y), activations: if leaf.is_view() { 0 } else { y.numel() } },
            Err(_) => nothing,
        },
        Spec::Chain(chain) => {
            let (mut sum, mut i) = (nothing, 0);
            while i < chain.fields.len() {
                sum = sum.then(cost(chain.fields[i].spec, sum.output));
                i += 1;
            }
            sum
        }
        Spec::Branch(branch) => {
            let (mut sum, mut i) = (nothing, 0);
            while i < branch.fields.len() {
                sum = sum.then(cost(branch.fields[i].spec, x));
                i += 1;
            }
            let Ok(y) = infer(spec, x) else { return nothing };
            let adds = if matches!(branch.join, Join::Add) { y.numel() } else { 0 };
            sum.then(Cost { output: y, flops: adds, activations: y.numel() })
        }
        Spec::Repeat { body, times } => {
            let (mut sum, mut i) = (nothing, 0);
            while i < *times {
                sum = sum.then(cost(body, sum.output));
                i += 1;
            }
            sum
        }
        Spec::Named { .. } | Spec::Misfit { .. } => nothing,
    }
}

impl Cost {
    const fn then(self, next: Cost) -> Cost {
        Cost { output: next.output, flops: self.flops + next.flops, activations: self.activations + next.activations }
    }
}

/// The part of an image that one number behind some layers sees: `size` pixels, and `jump` pixels from one number to
/// the next; without a size it is the whole image.
#[derive(Clone, Copy)]
pub(crate) struct Field2d {
    pub size: Option<[usize; 2]>,
    jump: [usize; 2],
}

impl Field2d {
    pub(crate) const POINT: Field2d = Field2d { size: Some([1, 1]), jump: [1, 1] };

    const fn behind(self, reach: Reach) -> Field2d {
        let Some([h, w]) = self.size else { return self };
        match reach {
            Reach::Point => self,
            Reach::All => Field2d { size: None, jump: self.jump },
            Reach::Window { size, stride } => Field2d {
                size: Some([h + (size[0] - 1) * self.jump[0], w + (size[1] - 1) * self.jump[1]]),
                jump: [self.jump[0] * stride[0], self.jump[1] * stride[1]],
            },
        }
    }

    /// What one sum over two branches sees.
    const fn joined(self, other: Field2d) -> Field2d {
        let (Some([h, w]), Some([k, l])) = (self.size, other.size) else { return Field2d { size: None, jump: self.jump } };
        Field2d { size: Some([if h > k { h } else { k }, if w > l { w } else { l }]), jump: self.jump }
    }
}

/// What `spec` sees of what lies before it.
pub(crate) const fn receptive_field(spec: &Spec, field: Field2d) -> Field2d {
    match spec.unnamed() {
        Spec::Leaf(leaf) => field.behind(leaf.reach()),
        Spec::Chain(chain) => {
            let (mut field, mut i) = (field, 0);
            while i < chain.fields.len() {
                field = receptive_field(chain.fields[i].spec, field);
                i += 1;
            }
            field
        }
        Spec::Branch(branch) => {
            let mut joined = receptive_field(branch.fields[0].spec, field);
            let mut i = 1;
            while i < branch.fields.len() {
                joined = joined.joined(receptive_field(branch.fields[i].spec, field));
                i += 1;
            }
            joined
        }
        Spec::Repeat { body, times } => {
            let (mut field, mut i) = (field, 0);
            while i < *times {
                field = receptive_field(body, field);
                i += 1;
            }
            field
        }
        Spec::Named { .. } | Spec::Misfit { .. } => field,
    }
}

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
    pub init: super::Init,
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

impl Help {
    /// Writes the advice, if there is any.
    pub(crate) const fn write(&self, text: &mut Text) {
        match self {
            Help::None => {}
            Help::Fits(label) => {
                text.str("\nhelp: ");
                text.label(label);
                text.str(" fits here");
            }
            Help::Say(message) => {
                text.str("\nhelp: ");
                text.message(message);
            }
        }
    }
}

impl core::fmt::Display for Label {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        let mut text = Text::new();
        text.label(self);
        f.write_str(text.as_str())
    }
}

/// A layer under the name that the source gives it: what `#[network]` makes of a layer whose name it does not know.
#[doc(hidden)]
pub struct Called<L, Name>(core::marker::PhantomData<fn() -> (L, Name)>);

/// A name as a type.
#[doc(hidden)]
pub trait SourceName {
    /// The name.
    const NAME: &'static str;
}

impl<L: Layer, Name: SourceName> Layer for Called<L, Name> {
    const SPEC: &'static Spec = &Spec::Named { name: Name::NAME, args: &[], body: L::SPEC };
}
