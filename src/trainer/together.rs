//! What the ranks of a group tell one another while they train together, besides gradients.

use super::state::{Identity, Run, State};
use crate::engine::{Backend, Engine};
use crate::error::{Error, Mismatch};
use crate::float::Float;
use crate::group::{Group, Normalized, Ranks, Share, part};
use crate::learn::Optimizer;
use crate::model::Model;
use crate::types::Network;
use core::cell::Cell;

/// The ranks of a group, as the trainer of one of them sees them.
#[derive(Clone, Copy)]
pub(super) struct Together<'a> {
    pub group: &'a dyn Group,
    pub normalized: Normalized,
}

impl<'a> Together<'a> {
    /// Whether this rank writes what is written once: checkpoints, logs, progress.
    pub fn writes(self) -> bool {
        self.group.rank() == 0
    }

    /// The share of this rank in a batch; all of it where there is no other.
    pub fn share<'s>(self, batch: usize, stop: &'s Cell<bool>) -> Share<'s>
    where
        'a: 's,
    {
        match self.group.size() {
            1 => Share::whole(batch),
            _ => Share::of(batch, Ranks { group: self.group, normalized: self.normalized, stop }),
        }
    }

    /// Those of these samples that this rank reads.
    pub fn own(self, samples: &[usize]) -> &[usize] {
        &samples[part(samples.len(), self.group.rank(), self.group.size())]
    }

    /// Makes an error that this rank has had by itself the end of all, which would wait for it otherwise. Of others all ranks know.
    pub fn outcome<T>(self, result: Result<T, Error>) -> Result<T, Error> {
        match result {
            Err(error) if self.group.size() > 1 && !matches!(error, Error::Diverged { .. } | Error::Apart { .. }) => self.group.abort(&error),
            result => result,
        }
    }

    /// Begins on all ranks where rank 0 is: with its parameters, its optimizer's memory, its place in the run.
    pub fn begin<N: Network, E: Float, D: Backend<E>, G: Engine<E, D>>(
        self,
        identity: &Identity,
        model: &mut Model<N, E, D, G>,
        optimizer: &mut impl Optimizer<E>,
        run: &mut Run<E>,
    ) -> Result<(), Error> {
        if self.group.size() == 1 {
            return Ok(());
        }
        let mut bytes = if self.writes() { State::of(identity, model, optimizer, run).to_bytes() } else { Vec::new() };
        self.group.broadcast(&mut bytes);
        let rank = self.group.rank();
        let begun = if self.writes() { Ok(()) } else { State::from_bytes(&bytes).restore(identity, model, optimizer, run) };
        self.group.agreed(begun.map_err(|mismatches| Error::Apart { rank, mismatches }))
    }

    /// Numbers that all ranks are to have: those of rank 0.
    pub fn of_first<E: Float>(self, numbers: Vec<E>) -> Vec<E> {
        if self.group.size() == 1 {
            return numbers;
        }
        let mut bytes = E::to_le_bytes(&numbers);
        self.group.broadcast(&mut bytes);
        E::from_le_bytes(&bytes)
    }

    /// Gives all ranks the running statistics of rank 0, where each has its own.
    pub fn share_buffers<N: Network, E: Float, D: Backend<E>, G: Engine<E, D>>(self, model: &mut Model<N, E, D, G>) -> Result<(), Error> {
        if self.group.size() == 1 || self.normalized == Normalized::OverAll {
            return Ok(());
        }
        let buffers = self.of_first(model.buffers());
        model.set_buffers(&buffers)
    }

    /// Checks that all ranks have the same parameters to the last bit: memory that fails, or a source that is not the same on all
    /// ranks, would go unnoticed otherwise.
    pub fn check<N: Network, E: Float, D: Backend<E>, G: Engine<E, D>>(self, model: &Model<N, E, D, G>) -> Result<(), Error> {
        if self.group.size() == 1 {
            return Ok(());
        }
        let own = crc32fast::hash(&E::to_le_bytes(&model.parameters()));
        let all = self.group.gather(&own.to_le_bytes());
        let all: Vec<u32> = all.as_chunks().0.iter().map(|&sum| u32::from_le_bytes(sum)).collect();
        let Some(rank) = all.iter().position(|&sum| sum != all[0]) else { return Ok(()) };
        let name = format!("checksum of the parameters after step {}", model.progress().0);
        let [expected, given] = [all[0], all[rank]].map(|sum| format!("{sum:08x}"));
        Err(Error::Apart { rank, mismatches: vec![Mismatch::Value { name, expected, given }] })
    }
}
