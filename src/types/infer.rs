//! The shape that layers make of a shape: what proves networks at compile time, and plans them at run time.

use super::fault::{ARGUMENT, MAX_DEPTH, Step};
use super::{Branch, Chain, Dims, Fault, Field, Join, Message, Param, Parts, Problem, Repeat, Slot, Spec, Tied};

/// The shapes that `spec` makes of those in `x`, or what is wrong and where.
///
/// The one function that proves networks at compile time and plans them at run time.
pub const fn infer(spec: &Spec, x: Parts<Dims>) -> Result<Parts<Dims>, Fault> {
    infer_at(spec, x, 0)
}

const fn infer_at(spec: &Spec, x: Parts<Dims>, depth: usize) -> Result<Parts<Dims>, Fault> {
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
        Spec::Chain(Chain { fields }) => infer_chain(fields, x, 0, depth),
        Spec::Branch(branch) => infer_branch(branch, x, depth),
        Spec::Repeat(repeat) => infer_repeat(repeat, x, depth),
        Spec::Tied(tied) => match infer_chain(tied.fields, x, ARGUMENT, depth) {
            Ok(y) => match tied.problem() {
                None => Ok(y),
                Some(problem) => Err(Fault::here(problem)),
            },
            Err(fault) => Err(fault),
        },
        Spec::Encode { body } => infer_encode(body, x, depth),
        Spec::Misfit { problem, .. } => Err(Fault::here(Problem::new(Message::new(problem)))),
        Spec::Named { .. } => panic!("unnamed() leaves no name"),
    }
}

/// Layers one behind the other; `first` is the step to the first of them.
const fn infer_chain(fields: &[Field], x: Parts<Dims>, first: Step, depth: usize) -> Result<Parts<Dims>, Fault> {
    let (mut y, mut i) = (x, 0);
    while i < fields.len() {
        y = match infer_at(fields[i].spec, y, depth + 1) {
            Ok(y) => y,
            Err(fault) => return Err(fault.within(first + i as Step)),
        };
        i += 1;
    }
    Ok(y)
}

const fn infer_repeat(repeat: &Repeat, x: Parts<Dims>, depth: usize) -> Result<Parts<Dims>, Fault> {
    let (mut y, mut i) = (x, 0);
    while i < repeat.times {
        let next = match infer_at(repeat.body, y, depth + 1) {
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

/// What is beside the input stays beside the output.
const fn infer_branch(branch: &Branch, x: Parts<Dims>, depth: usize) -> Result<Parts<Dims>, Fault> {
    let (mut first, mut joined, mut i) = (x.x, x.x, 0);
    while i < branch.fields.len() {
        let y = match infer_at(branch.fields[i].spec, x, depth + 1) {
            Ok(y) => y.x,
            Err(fault) => return Err(fault.within(branch.argument(i))),
        };
        if i == 0 {
            (first, joined) = (y, y);
        } else if let Err(problem) = branch.join.infer((branch.fields[0].output_name(), first), (branch.fields[i].output_name(), y)) {
            // It does not fit to the first, and so not to any before it.
            return Err(Fault::here(problem));
        } else if let Ok(both) = branch.join.infer(("", joined), ("", y)) {
            joined = both;
        }
        i += 1;
    }
    Ok(x.with_x(joined))
}

const fn infer_encode(body: &Spec, x: Parts<Dims>, depth: usize) -> Result<Parts<Dims>, Fault> {
    let Some(memory) = x.memory() else { return Err(Fault::here(Problem::missing(Slot::Memory))) };
    match infer_at(body, memory, depth + 1) {
        Ok(memory) => Ok(x.with(Slot::Memory, memory.x)),
        Err(fault) => Err(fault.within(ARGUMENT)),
    }
}

impl Parts<Dims> {
    /// Whether two samples have the same shapes; `==` for constants.
    pub const fn same(&self, other: &Self) -> bool {
        let mut i = 0;
        while i < Slot::ALL.len() {
            let same = match (self.beside(Slot::ALL[i]), other.beside(Slot::ALL[i])) {
                (Some(a), Some(b)) => a.same(b),
                (None, None) => true,
                _ => false,
            };
            if !same {
                return false;
            }
            i += 1;
        }
        self.x.same(&other.x)
    }

    /// What is wrong with what is in a slot, if there is something in it that has not this shape.
    pub(crate) const fn misfit(&self, slot: Slot, expected: Dims) -> Option<Problem> {
        match self.beside(slot) {
            Some(given) if !given.same(&expected) => Some(Problem::beside(slot, expected, *given)),
            _ => None,
        }
    }

    /// Where a part begins in a sample, and its shape: `x`, or what is in a slot, which is not empty.
    pub(crate) fn place(&self, slot: Option<Slot>) -> (usize, Dims) {
        let Some(slot) = slot else { return (0, self.x) };
        let before = Slot::ALL[..slot as usize].iter().filter_map(|&slot| self.beside(slot)).map(Dims::numel).sum::<usize>();
        let Some(&dims) = self.beside(slot) else { unreachable!("the {} is declared", slot.name()) };
        (self.x.numel() + before, dims)
    }

    /// How many numbers a sample has.
    pub const fn numel(&self) -> usize {
        let (mut sum, mut i) = (self.x.numel(), 0);
        while i < Slot::ALL.len() {
            if let Some(part) = self.beside(Slot::ALL[i]) {
                sum += part.numel();
            }
            i += 1;
        }
        sum
    }
}

impl Tied {
    /// What is wrong with the weights, if anything is: they must be one tensor.
    const fn problem(&self) -> Option<Problem> {
        let (Some(first), Some(last)) = (weight(self.fields[0].spec), weight(self.fields[2].spec)) else {
            let message = Message::new("ties the weights of two layers, but its first or its last is none that has a weight");
            return Some(Problem::new(message).help(Message::new("Embedding and NoBias<Linear<..>> have weights that can be tied")));
        };
        if has_more(self.fields[2].spec) {
            let message = Message::new("ties the weight of its last layer, which must have no other parameter");
            return Some(Problem::new(message).help(Message::new("NoBias<..> around it takes its bias off")));
        }
        if first.dims.same(&last.dims) {
            return None;
        }
        let message = Message::new("ties its first layer's weight ").dims(first.dims).str(" to its last layer's ").dims(last.dims);
        Some(Problem::new(message.str(", but these shapes differ")))
    }
}

/// The first parameter of a layer, if it is one that computes.
const fn weight(spec: &Spec) -> Option<Param> {
    match spec.unnamed() {
        Spec::Leaf(leaf) => leaf.param(0),
        _ => None,
    }
}

const fn has_more(spec: &Spec) -> bool {
    match spec.unnamed() {
        Spec::Leaf(leaf) => leaf.param(1).is_some(),
        _ => false,
    }
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

impl Field {
    /// What the output of a branch is called; that of the identity is the input.
    const fn output_name(&self) -> &'static str {
        if self.spec.is_identity() { "" } else { self.name }
    }
}

impl Join {
    /// The shape of two outputs together, each with its name.
    pub(crate) const fn infer(self, a: (&'static str, Dims), b: (&'static str, Dims)) -> Result<Dims, Problem> {
        match self {
            Join::Add if a.1.same(&b.1) => Ok(a.1),
            Join::Add => Err(crate::layers::residual::differ(a, b)),
            Join::Concat => crate::layers::skip_concat::concatenated(a, b),
        }
    }
}
