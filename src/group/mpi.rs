//! The processes that `mpirun` has started.

use super::{Compute, Group};
use core::cell::RefCell;
use core::fmt::Display;
use mpi::collective::SystemOperation;
use mpi::environment::Universe;
use mpi::request::{Request, Scope, scope};
use mpi::topology::SimpleCommunicator;
use mpi::traits::{Communicator, CommunicatorCollectives, Equivalence, Root};
use mpi::{Threading, initialize_with_threading};
use std::io::Write;
use std::rc::Rc;

/// MPI counts in `i32`: longer buffers go in pieces.
const PIECE: usize = 1 << 28;

/// All processes that `mpirun` has started together, on one machine or on many; a program that was started without it is alone.
///
/// MPI ends when this and its clones are dropped, which waits for the other ranks; a panic ends all of them at once. A rank that
/// cannot do its part calls [`Group::abort`], since the others would wait for it.
///
/// # Examples
/// ```no_run
/// use formwork::group::{Group, Mpi};
///
/// let group = Mpi::begin();
/// println!("rank {} of {}", group.rank(), group.size());
/// ```
/// ```text
/// $ mpirun -n 2 target/release/program
/// rank 0 of 2
/// rank 1 of 2
/// ```
#[derive(Clone)]
pub struct Mpi(Rc<Begun>);

/// MPI, from its beginning to its end.
struct Begun {
    world: SimpleCommunicator,
    /// Where sums are received: MPI does not read and write one buffer.
    sums: (RefCell<Vec<f32>>, RefCell<Vec<f64>>),
    /// Ends MPI when it is dropped, after all else.
    _universe: Universe,
}

impl Mpi {
    /// Begins MPI, which is done once in a program.
    ///
    /// # Panics
    /// If MPI has begun before.
    #[allow(clippy::expect_used, reason = "a second beginning is a mistake in the program, and nothing that it could go on from")]
    pub fn begin() -> Self {
        // Samples are read by a thread of its own, which asks nothing of MPI.
        let (universe, _) = initialize_with_threading(Threading::Funneled).expect("MPI begins once in a program");
        Mpi(Rc::new(Begun { world: universe.world(), sums: Default::default(), _universe: universe }))
    }
}

impl Begun {
    fn sum<E: Equivalence + Copy + Default>(&self, numbers: &mut [E], sums: &RefCell<Vec<E>>)
    where
        [E]: mpi::traits::Buffer + mpi::traits::BufferMut,
    {
        self.sum_parts(numbers, &[0], &mut |_, _, _| (), sums);
    }

    /// Sums in the background all parts but the last, behind which there is nothing to be computed.
    fn sum_parts<E: Equivalence + Copy + Default>(&self, numbers: &mut [E], begins: &[usize], compute: &mut Compute<'_, E>, sums: &RefCell<Vec<E>>)
    where
        [E]: mpi::traits::Buffer + mpi::traits::BufferMut,
    {
        let Some((&last, background)) = begins.split_last() else { return };
        // Not borrowed: what is computed may ask for sums as well.
        let mut of_parts = sums.take();
        of_parts.resize(numbers.len(), E::default());
        let first = background.last().copied().unwrap_or(numbers.len());
        let (front, behind) = numbers.split_at_mut(first);
        let (front_sums, behind_sums) = of_parts.split_at_mut(first);
        scope(|scope| {
            let under_way: RefCell<Vec<Request<'_, [E], _>>> = RefCell::default();
            let (mut numbers, mut sums) = (&mut *behind, &mut *behind_sums);
            for (i, begin) in background.iter().map(|begin| begin - first).enumerate() {
                let (before, part) = numbers.split_at_mut(begin);
                let (sums_before, sums_of_part) = sums.split_at_mut(begin);
                compute(i, part, &|| go_on(&under_way));
                for (piece, sum) in part.chunks(PIECE).zip(sums_of_part.chunks_mut(PIECE)) {
                    let request = self.world.immediate_all_reduce_into(scope, piece, sum, SystemOperation::sum());
                    under_way.borrow_mut().push(request);
                }
                (numbers, sums) = (before, sums_before);
            }
            compute(background.len(), &mut front[last..], &|| go_on(&under_way));
            for (piece, sum) in front.chunks(PIECE).zip(front_sums.chunks_mut(PIECE)) {
                self.world.all_reduce_into(piece, sum, SystemOperation::sum());
            }
            under_way.into_inner().into_iter().for_each(|request| _ = request.wait());
        });
        numbers.copy_from_slice(&of_parts);
        sums.replace(of_parts);
    }

    fn abort(&self, problem: &dyn Display) -> ! {
        let line = format!("error: rank {} of {}: {problem}\n", self.world.rank(), self.world.size());
        // In one write: `eprintln` makes one for each part of it, and `mpirun` has a message of its own to put between them.
        _ = std::io::stderr().write_all(line.as_bytes());
        self.world.abort(1)
    }
}

/// Lets MPI work on what is under way, which it does when it is asked.
fn go_on<'a, E, S: Scope<'a>>(under_way: &RefCell<Vec<Request<'a, [E], S>>>) {
    let mut under_way = under_way.borrow_mut();
    if let Some(Err(request)) = under_way.pop().map(Request::test) {
        under_way.push(request);
    }
}

impl Group for Mpi {
    fn rank(&self) -> usize {
        self.0.world.rank() as usize
    }

    fn size(&self) -> usize {
        self.0.world.size() as usize
    }

    fn handle(&self) -> Rc<dyn Group> {
        Rc::new(self.clone())
    }

    fn sum_f32(&self, numbers: &mut [f32]) {
        self.0.sum(numbers, &self.0.sums.0);
    }

    fn sum_f64(&self, numbers: &mut [f64]) {
        self.0.sum(numbers, &self.0.sums.1);
    }

    fn sum_parts_f32(&self, numbers: &mut [f32], begins: &[usize], compute: &mut Compute<'_, f32>) {
        self.0.sum_parts(numbers, begins, compute, &self.0.sums.0);
    }

    fn sum_parts_f64(&self, numbers: &mut [f64], begins: &[usize], compute: &mut Compute<'_, f64>) {
        self.0.sum_parts(numbers, begins, compute, &self.0.sums.1);
    }

    fn gather(&self, own: &[u8]) -> Vec<u8> {
        let mut all = vec![0; own.len() * self.size()];
        let most = PIECE / self.size();
        if own.len() <= most {
            self.0.world.all_gather_into(own, &mut all[..]);
            return all;
        }
        let mut gathered = Vec::new();
        for begin in (0..own.len()).step_by(most) {
            let piece = &own[begin..own.len().min(begin + most)];
            gathered.resize(piece.len() * self.size(), 0);
            self.0.world.all_gather_into(piece, &mut gathered[..]);
            for (rank, of_rank) in gathered.chunks_exact(piece.len()).enumerate() {
                all[rank * own.len() + begin..][..piece.len()].copy_from_slice(of_rank);
            }
        }
        all
    }

    fn broadcast(&self, bytes: &mut Vec<u8>) {
        let root = self.0.world.process_at_rank(0);
        let mut len = bytes.len() as u64;
        root.broadcast_into(&mut len);
        bytes.resize(len as usize, 0);
        bytes.chunks_mut(PIECE).for_each(|piece| root.broadcast_into(piece));
    }

    fn abort(&self, problem: &dyn Display) -> ! {
        self.0.abort(problem)
    }
}

impl Drop for Begun {
    /// To end MPI waits for all ranks, and they would wait for what this one has not done.
    fn drop(&mut self) {
        if std::thread::panicking() && self.world.size() > 1 {
            self.abort(&"it has panicked");
        }
    }
}
