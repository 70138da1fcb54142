//! A step of a network and a batch size, ready to run again and again.

use super::call::Space;
use super::machine::{Machine, Memory};
use super::planner::{Plan, Purpose};
use crate::error::Error;
use crate::float::Float;
use crate::learn::LossKernel;
use core::mem::{discriminant, swap};

/// A step that was planned, and the memory that is its own.
pub(super) struct Step<E: Float, M: Machine<E>> {
    pub purpose: Purpose,
    pub plan: Plan,
    /// What of it was asked for already: one of each kind.
    pub recordings: Vec<(Way, M::Recording)>,
    /// While it rests its own memory, and else that of none.
    pub numbers: [M::Numbers; 3],
    pub table: M::Table,
}

/// A part of a step.
#[derive(Clone, Copy, PartialEq)]
pub(super) enum Way {
    There,
    Back,
    /// Both, with a loss between them and what it is multiplied by.
    Both(LossKernel, f64),
}

impl<E: Float, M: Machine<E>> Step<E, M> {
    /// A part as it was recorded before, or is now.
    pub(super) fn recording(&mut self, way: Way, record: impl FnOnce(&Plan) -> Result<M::Recording, Error>) -> Result<&M::Recording, Error> {
        let known = self.recordings.iter().position(|(recorded, _)| *recorded == way);
        let at = match known {
            Some(at) => at,
            None => {
                let new = record(&self.plan)?;
                self.recordings.retain(|(recorded, _)| discriminant(recorded) != discriminant(&way));
                self.recordings.push((way, new));
                self.recordings.len() - 1
            }
        };
        Ok(&self.recordings[at].1)
    }

    /// Puts its memory where calls look for it, or takes it from there. Recordings find it at the same address each time.
    pub(super) fn change_places(&mut self, memory: &mut Memory<E, M>) {
        let own = [Space::Given, Space::Work, Space::Constants];
        own.into_iter().zip(&mut self.numbers).for_each(|(space, numbers)| swap(memory.space(space), numbers));
        swap(&mut memory.table, &mut self.table);
    }
}
