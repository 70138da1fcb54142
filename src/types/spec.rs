//! What a layer is, as data.

use super::Text;
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
/// Leaves compute; the other variants put layers together, and only the walks in this file and in the three lowerings
/// know them apart.
#[derive(Clone, Copy)]
pub enum Spec {
    /// A layer that computes.
    Leaf(Leaf),
    /// Layers one behind the other: a tuple, or the fields of a struct.
    Chain(Chain),
    /// Layers side by side on the same input, and how their outputs are joined.
    Branch(Branch),
    /// The same layers several times.
    Repeat(Repeat),
    /// Layers one behind the other, the last of which has the first one's weight.
    Tied(Tied),
    /// Layers that work on the memory beside a value, and not on the value.
    Encode {
        /// The layers.
        body: &'static Spec,
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

/// The same layers several times, one behind the other.
#[derive(Clone, Copy)]
pub struct Repeat {
    /// What is repeated.
    pub body: &'static Spec,
    /// How often.
    pub times: usize,
    /// Whether all repetitions have the same parameters; else each has its own.
    pub shared: bool,
}

impl Repeat {
    /// The type's name.
    pub(crate) const fn name(&self) -> &'static str {
        if self.shared { "RepeatShared" } else { "Repeat" }
    }
}

/// Layers one behind the other, the last of which has the first one's weight.
#[derive(Clone, Copy)]
pub struct Tied {
    /// The first layer, those between, and the last.
    pub fields: &'static [Field; 3],
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
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
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

    /// A layer that the source calls `text`, an alias perhaps. One that is called by its own `name` is written as it writes
    /// itself, with its sizes in decimal.
    #[doc(hidden)]
    pub const fn called(name: &str, text: &'static str, body: &'static Spec) -> Spec {
        let own = match body {
            Spec::Leaf(leaf) => leaf.label().outer_name(),
            Spec::Named { name, .. } => name,
            _ => "",
        };
        if same(own, name) { *body } else { Spec::Named { name: text, args: &[], body } }
    }

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
            Spec::Branch(branch) => write_labels(text, branch.name, branch.fields),
            Spec::Repeat(repeat) => {
                text.str(repeat.name());
                text.str("<");
                repeat.body.write_label(text);
                text.str(", ");
                text.num(repeat.times);
                text.str(">");
            }
            Spec::Tied(tied) => write_labels(text, "Tied", tied.fields),
            Spec::Encode { body } => {
                text.str("Encode<");
                body.write_label(text);
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

/// `Residual<(2 layers), Linear<4, 5>>`; a part that does nothing is left out.
const fn write_labels(text: &mut Text, name: &str, fields: &[Field]) {
    text.str(name);
    text.str("<");
    let (mut i, mut written) = (0, false);
    while i < fields.len() {
        if !fields[i].spec.is_identity() {
            if written {
                text.str(", ");
            }
            fields[i].spec.write_label(text);
            written = true;
        }
        i += 1;
    }
    text.str(">");
}

/// A layer under the name that the source gives it: what `#[network]` makes of layers inside others.
#[doc(hidden)]
pub struct Called<L, Name>(core::marker::PhantomData<fn() -> (L, Name)>);

/// A name as a type.
#[doc(hidden)]
pub trait SourceName {
    /// The name.
    const NAME: &'static str;
    /// The name with its arguments.
    const TEXT: &'static str;
}

impl<L: Layer, Name: SourceName> Layer for Called<L, Name> {
    const SPEC: &'static Spec = &Spec::called(Name::NAME, Name::TEXT, L::SPEC);
}

/// `==` for constants.
const fn same(a: &str, b: &str) -> bool {
    let (a, b) = (a.as_bytes(), b.as_bytes());
    let mut i = 0;
    while i < a.len() && i < b.len() && a[i] == b[i] {
        i += 1;
    }
    i == a.len() && i == b.len()
}
