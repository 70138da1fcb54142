//! Several processes that train one model together: each has all of it, and a share of every batch.
//!
//! A process of such a group is called a rank, as MPI calls it, and the ranks are counted from 0. Each of them runs the same program on
//! the same data: it draws the same order of samples, reads those of its share, and computes their gradients. The gradients are summed
//! over all ranks before the optimizer sees them, so that all ranks make the same step.
//!
//! | file | what is in it |
//! | --- | --- |
//! | `mod.rs` | [`Group`]: what has to be asked of the others; [`Alone`] has none |
//! | `share.rs` | [`Share`]: which samples of a batch are whose |
//! | `local.rs` | with the feature `cuda`: which of a machine's GPUs a rank takes |
//! | `mpi.rs` | `Mpi`, with the feature `mpi`: the processes that `mpirun` has started |

#[cfg(any(feature = "cuda", test))]
mod local;
#[cfg(feature = "mpi")]
mod mpi;
mod share;

#[cfg(feature = "cuda")]
pub(crate) use local::{local_rank, taken_by};
#[cfg(feature = "mpi")]
pub use mpi::Mpi;
pub(crate) use share::part;
pub use share::{Normalized, Ranks, Share};

use crate::error::Error;
use core::fmt::Display;
use std::rc::Rc;

/// The processes that train together, as one of them sees them.
///
/// All of its methods but the first three and the last are collective: each rank calls them, in the same order, and none goes on before
/// the others have come. What they leave behind is the same on all ranks, to the last bit.
///
/// # Examples
/// ```
/// use formwork::group::{Alone, Group};
///
/// let group: &dyn Group = &Alone;
/// let mut numbers = [1.0, 2.0];
/// group.sum_f32(&mut numbers);
/// assert_eq!((group.rank(), group.size(), numbers), (0, 1, [1.0, 2.0]));
/// ```
pub trait Group {
    /// Which one this is, counted from 0.
    fn rank(&self) -> usize;

    /// How many there are.
    fn size(&self) -> usize;

    /// The same group, to be kept for as long as one likes: by what has to ask the others later.
    fn handle(&self) -> Rc<dyn Group>;

    /// Replaces numbers by their sums over all ranks.
    fn sum_f32(&self, numbers: &mut [f32]);

    /// Replaces numbers by their sums over all ranks.
    fn sum_f64(&self, numbers: &mut [f64]);

    /// Calls `compute` for each part of the numbers, the last one first, and replaces them by their sums over all ranks. Parts begin at
    /// `begins`, which fall to 0. While a part is computed, those before it may be summed already: a group that sends in the background
    /// does that, all others sum when all is computed.
    ///
    /// # Examples
    /// ```
    /// use formwork::group::{Alone, Group};
    ///
    /// let mut numbers = [0.0; 3];
    /// Alone.sum_parts_f32(&mut numbers, &[2, 0], &mut |i, part, _| part.fill(i as f32));
    /// assert_eq!(numbers, [1.0, 1.0, 0.0]);
    /// ```
    fn sum_parts_f32(&self, numbers: &mut [f32], begins: &[usize], compute: &mut Compute<'_, f32>) {
        compute_all(numbers, begins, compute);
        self.sum_f32(numbers);
    }

    /// The same for double precision.
    fn sum_parts_f64(&self, numbers: &mut [f64], begins: &[usize], compute: &mut Compute<'_, f64>) {
        compute_all(numbers, begins, compute);
        self.sum_f64(numbers);
    }

    /// The bytes of all ranks, in their order; each gives as many.
    fn gather(&self, own: &[u8]) -> Vec<u8>;

    /// Replaces the bytes by those of rank 0, which may be more or fewer.
    fn broadcast(&self, bytes: &mut Vec<u8>);

    /// Says what went wrong, and on which rank, and ends all ranks, wherever they are.
    ///
    /// A rank that cannot go on has to call this, so that the others do not wait for it for ever.
    fn abort(&self, problem: &dyn Display) -> !;
}

/// Computes part `i` of some numbers, in `compute(i, part, go_on)`; it calls `go_on` now and then, so that what is sent in the
/// background goes on.
pub type Compute<'a, E> = dyn FnMut(usize, &mut [E], &dyn Fn()) + 'a;

/// Computes parts that nobody sums meanwhile.
fn compute_all<E>(numbers: &mut [E], begins: &[usize], compute: &mut Compute<'_, E>) {
    let mut left = numbers;
    for (i, &begin) in begins.iter().enumerate() {
        let (before, part) = left.split_at_mut(begin);
        compute(i, part, &|| ());
        left = before;
    }
}

/// A group of one: a program that runs by itself.
#[derive(Clone, Copy, Debug, Default)]
pub struct Alone;

impl Group for Alone {
    fn rank(&self) -> usize {
        0
    }

    fn size(&self) -> usize {
        1
    }

    fn handle(&self) -> Rc<dyn Group> {
        Rc::new(*self)
    }

    fn sum_f32(&self, _numbers: &mut [f32]) {}

    fn sum_f64(&self, _numbers: &mut [f64]) {}

    fn gather(&self, own: &[u8]) -> Vec<u8> {
        own.to_vec()
    }

    fn broadcast(&self, _bytes: &mut Vec<u8>) {}

    fn abort(&self, problem: &dyn Display) -> ! {
        eprintln!("error: {problem}");
        std::process::exit(1)
    }
}

impl dyn Group + '_ {
    /// Whether any rank says so.
    pub(crate) fn any(&self, own: bool) -> bool {
        self.gather(&[own.into()]).contains(&1)
    }

    /// The bytes of each rank, as many as it likes.
    pub(crate) fn gather_each(&self, own: &[u8]) -> Vec<Vec<u8>> {
        let lens = self.gather(&(own.len() as u64).to_le_bytes());
        let lens: Vec<usize> = lens.as_chunks().0.iter().map(|&len| u64::from_le_bytes(len) as usize).collect();
        let longest = lens.iter().copied().max().unwrap_or(0);
        if longest == 0 {
            return vec![Vec::new(); lens.len()];
        }
        let mut padded = own.to_vec();
        padded.resize(longest, 0);
        let all = self.gather(&padded);
        all.chunks_exact(longest).zip(lens).map(|(bytes, len)| bytes[..len].to_vec()).collect()
    }

    /// What all ranks have done well; otherwise the error of this rank, or else of the first that has one.
    pub(crate) fn agreed<T>(&self, own: Result<T, Error>) -> Result<T, Error> {
        let problem = own.as_ref().err().map(ToString::to_string).unwrap_or_default();
        let problems = self.gather_each(problem.as_bytes());
        let other = problems.iter().position(|problem| !problem.is_empty());
        match (own, other) {
            (Ok(_), Some(rank)) => Err(Error::Rank { rank, problem: String::from_utf8_lossy(&problems[rank]).into_owned() }),
            (own, _) => own,
        }
    }
}
