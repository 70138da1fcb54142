//! Which samples of a batch are whose.

use super::{Compute, Group};
use crate::float::Float;
use core::cell::Cell;
use core::ops::Range;

/// What batch normalization looks at, in a group of ranks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Normalized {
    /// The samples of all ranks, so that the result does not depend on their number. Each such layer exchanges its statistics twice in
    /// a step: on the way forward and on the way back.
    #[default]
    OverAll,
    /// The samples of the rank alone: nothing is exchanged, and the statistics are those of a smaller batch. The running statistics are
    /// those of rank 0, which has seen as many batches as the others.
    OverRank,
}

/// The ranks that a step is made with.
#[derive(Clone, Copy)]
pub struct Ranks<'a> {
    /// All of them.
    pub group: &'a dyn Group,
    /// What batch normalization looks at.
    pub normalized: Normalized,
    /// Whether this rank wants to stop after the step, and behind the step whether any does.
    pub stop: &'a Cell<bool>,
}

impl Ranks<'_> {
    /// Sums gradients, which `compute` writes part by part as [`Group::sum_parts_f32`] asks for them, and the loss over all ranks, and
    /// asks all of them whether they want to stop: with the first part, since what a small step waits for is the answer, however short
    /// it is.
    pub(crate) fn sum<E: Float>(&self, gradients: &mut Vec<E>, loss: E, begins: &[usize], compute: &mut Compute<'_, E>) -> E {
        let parameters = gradients.len();
        gradients.extend([loss, if self.stop.get() { E::one() } else { E::zero() }]);
        E::sum_parts_over(self.group, gradients, begins, &mut |i, part, go_on| {
            let of_gradients = if i == 0 { part.len() - 2 } else { part.len() };
            compute(i, &mut part[..of_gradients], go_on);
        });
        let (loss, stop) = (gradients[parameters], gradients[parameters + 1]);
        gradients.truncate(parameters);
        self.stop.set(stop > E::zero());
        loss
    }
}

/// The samples of a batch that a step is made with here: all of them, or those of one rank.
#[derive(Clone)]
pub struct Share<'a> {
    /// Which of the batch they are.
    pub samples: Range<usize>,
    /// How many the batch has.
    pub batch: usize,
    /// Who has the others.
    pub ranks: Option<Ranks<'a>>,
}

impl<'a> Share<'a> {
    /// All samples of a batch.
    pub fn whole(batch: usize) -> Self {
        Share { samples: 0..batch, batch, ranks: None }
    }

    /// The share of this rank: samples that follow one another, of which the first ranks have one more where they cannot be divided.
    pub fn of(batch: usize, ranks: Ranks<'a>) -> Self {
        Share { samples: part(batch, ranks.group.rank(), ranks.group.size()), batch, ranks: Some(ranks) }
    }

    /// How many samples there are here.
    pub fn len(&self) -> usize {
        self.samples.len()
    }

    /// Whether there is none: where a batch has fewer samples than the group has ranks.
    pub fn is_empty(&self) -> bool {
        self.samples.is_empty()
    }

    /// The ranks, if batch normalization looks at all of them.
    pub(crate) fn normalized_over(&self) -> Option<&'a dyn Group> {
        self.ranks.filter(|ranks| ranks.normalized == Normalized::OverAll).map(|ranks| ranks.group)
    }

    /// Of how many samples batch normalization takes the statistics.
    pub(crate) fn normalized(&self) -> usize {
        if self.normalized_over().is_some() { self.batch } else { self.len() }
    }
}

/// One of `parts` almost equal parts of so many things, in order. The first is never the smaller.
pub(crate) fn part(things: usize, part: usize, parts: usize) -> Range<usize> {
    let (each, more) = (things / parts, things % parts);
    let begin = |part: usize| part * each + part.min(more);
    begin(part)..begin(part + 1)
}

#[cfg(test)]
mod tests {
    use super::part;

    #[test]
    fn parts_follow_one_another_and_the_first_are_larger() {
        let parts = |things: usize, of: usize| (0..of).map(|i| part(things, i, of)).collect::<Vec<_>>();
        assert_eq!(parts(10, 4), [0..3, 3..6, 6..8, 8..10]);
        assert_eq!(parts(2, 4), [0..1, 1..2, 2..2, 2..2]);
        assert_eq!(parts(5, 1).first(), Some(&(0..5)));
    }
}
