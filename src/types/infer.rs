//! The shape that layers make of a shape: what proves networks at compile time, and plans them at run time.

use super::fault::{ARGUMENT, MAX_DEPTH, Step};
use super::{Branch, Dims, Fault, Join, Message, Problem, Spec};

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
    pub(crate) const fn infer(self, x: Dims, a: Dims, b: Dims) -> Result<Dims, Problem> {
        match self {
            Join::Add if a.same(&b) => Ok(a),
            Join::Add => Err(crate::layers::residual::differ(x, a, b)),
            Join::Concat => crate::layers::skip_concat::concatenated(a, b),
        }
    }
}
