//! What is wrong with a network, and where, as values.

use super::{Dims, Label, Message, Slot, Text};

/// Why a layer does not accept what it is given: what its shape rule answers instead of a shape.
///
/// # Examples
/// ```
/// use formwork::types::{Message, Problem};
/// let problem = Problem::new(Message::new("expects ").num(3).str(" channels, but is given ").num(1));
/// assert_eq!(problem.to_string(), "expects 3 channels, but is given 1");
/// ```
#[derive(Clone, Copy)]
pub struct Problem {
    pub(crate) message: Message,
    pub(crate) help: Help,
}

/// The way out, where one can be computed.
#[derive(Clone, Copy)]
#[allow(clippy::large_enum_variant, reason = "it lives in constants, where nothing can be boxed")]
pub(crate) enum Help {
    None,
    Fits(Label),
    Say(Message),
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

impl Problem {
    /// A problem; the message is a sentence without its subject, which is the layer.
    pub const fn new(message: Message) -> Self {
        Problem { message, help: Help::None }
    }

    /// Offers a layer that would fit in this place.
    pub const fn fits(mut self, label: Label) -> Self {
        self.help = Help::Fits(label);
        self
    }

    /// Offers advice.
    pub const fn help(mut self, message: Message) -> Self {
        self.help = Help::Say(message);
        self
    }

    /// The sample has another number of dimensions than the layer works on; `wanted` names them.
    pub const fn rank(wanted: &'static str, given: Dims) -> Self {
        Problem::new(Message::new("expects ").str(wanted).str(", but is given ").dims(given))
    }

    /// The layer works on images, and is given something else.
    pub const fn image(given: Dims) -> Self {
        let problem = Problem::rank("an image [C, H, W]", given);
        if given.rank() == 1 { problem.help(Message::new("Reshape<Rank3<C, H, W>> before it makes an image of features")) } else { problem }
    }

    /// The layer works on `expected` features, and is given another number.
    pub const fn features(expected: usize, given: usize) -> Self {
        Problem::new(Message::new("expects ").num(expected).str(" features, but is given ").num(given))
    }

    /// The layer works on `expected` channels, and is given an image with another number.
    pub const fn channels(expected: usize, given: Dims) -> Self {
        let message = Message::new("expects ").num(expected).str(" channels, but is given ").num(given.size(0));
        Problem::new(message.str(": ").dims(given))
    }

    /// The layer works on numbers, and is given token ids.
    pub const fn ids(given: Dims) -> Self {
        Problem::new(Message::new("works on numbers, but is given ").dims(given)).help(Message::new("Embedding before it makes vectors of token ids"))
    }

    /// The layer looks at something beside its input, and it is not there.
    pub const fn missing(slot: Slot) -> Self {
        let message = Message::new("looks at the ").str(slot.name()).str(" beside its input, and there is none");
        Problem::new(message).help(Message::new("declare it: `#[network({ x: [..], ").str(slot.name()).str(": [..] } => [..])]`"))
    }

    /// What is beside the input has another shape than the layer wants.
    pub const fn beside(slot: Slot, expected: Dims, given: Dims) -> Self {
        Problem::new(Message::new("expects the ").str(slot.name()).str(" ").dims(expected).str(" beside its input, but is given ").dims(given))
    }

    /// One of the layer's own numbers is zero and must not be.
    pub const fn zero(what: &'static str) -> Self {
        Problem::new(Message::new("has a ").str(what).str(" of 0, and it must be at least 1"))
    }
}

impl core::fmt::Display for Problem {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        self.message.fmt(f)
    }
}

/// A step from a layer down to one of its parts.
///
/// Numbers below [`ARGUMENT`] go into a tuple or a struct, those from it on into a generic argument (`Residual<F>`).
pub type Step = u16;

/// The first generic argument; `ARGUMENT + 1` is the second.
pub const ARGUMENT: Step = 0x8000;

/// Not a part of the network, but its declared output.
pub const OUTPUT: Step = 0xFFFF;

/// How deep layers may be nested: const evaluation allows 128 nested calls, and each level takes up to three.
pub const MAX_DEPTH: usize = 32;

/// A [`Problem`] and the way to the layer that has it.
#[derive(Clone, Copy)]
pub struct Fault {
    pub(crate) problem: Problem,
    path: [Step; MAX_DEPTH + 2],
    len: usize,
}

impl Fault {
    pub(crate) const fn here(problem: Problem) -> Self {
        Fault { problem, path: [0; MAX_DEPTH + 2], len: 0 }
    }

    /// The same fault seen from one level above.
    pub(crate) const fn within(mut self, step: Step) -> Self {
        let mut i = self.len;
        while i > 0 {
            self.path[i] = self.path[i - 1];
            i -= 1;
        }
        self.path[0] = step;
        self.len += 1;
        self
    }

    pub(crate) const fn path(&self) -> &[Step] {
        self.path.split_at(self.len).0
    }
}
