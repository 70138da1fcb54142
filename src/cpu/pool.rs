//! Threads that take numbered tasks.
//!
//! Tasks are claimed by counting up, without a lock, and each thread begins in a share of its own: what it has written in
//! one job it finds in its cache in the next. A thread that waits looks about for some microseconds before it sleeps, since
//! the phases of a training step follow one another faster than a thread wakes up.

use std::any::Any;
use std::cell::UnsafeCell;
use std::mem::MaybeUninit;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, OnceLock, PoisonError};
use std::thread::Thread;
use std::time::{Duration, Instant};

/// A task by the seat of the thread that does it and its number. The lifetime is erased while a job is posted; see
/// [`Pool::run`].
type Job = *const (dyn Fn(usize, usize) + Sync);

/// How long a thread looks about before it sleeps.
const PATIENCE: Duration = Duration::from_micros(40);

/// The threads of the process, one less than it has processors; the caller of [`Pool::run`] is the last one.
pub(crate) struct Pool {
    shared: Arc<Shared>,
    workers: Vec<Thread>,
}

struct Shared {
    /// Whether the pool is at somebody's tasks.
    is_busy: AtomicBool,
    /// What the tasks are, while any can be claimed or is not done.
    job: UnsafeCell<MaybeUninit<Job>>,
    /// How many threads may work at the job.
    threads: AtomicUsize,
    /// How many jobs have been posted.
    jobs: AtomicUsize,
    /// How many tasks are not done.
    left: AtomicUsize,
    /// A share of the tasks for each seat; the caller has the first.
    seats: Vec<Seat>,
    /// Whether the caller sleeps until all tasks are done.
    is_awaited: AtomicBool,
    sleep: Mutex<()>,
    finished: Condvar,
    panic: Mutex<Option<Box<dyn Any + Send>>>,
}

// SAFETY: `job` is written by the one caller that holds `is_busy` while no task can be claimed, and read only by threads
// that have claimed a task, which happens behind the writing and before the next one; it points to a `Sync` closure.
unsafe impl Send for Shared {}
// SAFETY: as above.
unsafe impl Sync for Shared {}

/// Alone on its cache lines, since one thread writes it again and again.
#[repr(align(128))]
#[derive(Default)]
struct Seat {
    /// The tasks that nobody has claimed: where they begin, in the upper half, and end.
    tasks: AtomicU64,
    is_asleep: AtomicBool,
}

impl Seat {
    fn post(&self, begin: usize, end: usize) {
        self.tasks.store((begin as u64) << 32 | end as u64, Ordering::Release);
    }

    /// A task that is nobody else's. It may be one of a later job than the thread has come for, which is as good.
    fn claim(&self) -> Option<usize> {
        let mut tasks = self.tasks.load(Ordering::Acquire);
        while tasks >> 32 < tasks & u64::from(u32::MAX) {
            match self.tasks.compare_exchange_weak(tasks, tasks + (1 << 32), Ordering::AcqRel, Ordering::Acquire) {
                Ok(_) => return Some((tasks >> 32) as usize),
                Err(now) => tasks = now,
            }
        }
        None
    }
}

/// A panic inside a task is kept and raised again by the caller, so a poisoned lock holds nothing that is broken.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Pool {
    /// The pool that the whole process shares.
    pub(crate) fn global() -> &'static Pool {
        static POOL: OnceLock<Pool> = OnceLock::new();
        POOL.get_or_init(|| Pool::new(available().saturating_sub(1)))
    }

    fn new(workers: usize) -> Pool {
        let shared = Arc::new(Shared::new(workers));
        let spawn = |seat: usize| {
            let shared = Arc::clone(&shared);
            std::thread::Builder::new().name(format!("formwork-{seat}")).spawn(move || work(&shared, seat)).ok()
        };
        // A machine that gives no more threads leaves the work to those that there are.
        let workers = (1..=workers).map_while(spawn).map(|handle| handle.thread().clone()).collect();
        Pool { shared, workers }
    }

    /// How many threads work together where up to `threads` may.
    pub(crate) fn seats(&self, threads: usize) -> usize {
        threads.clamp(1, self.workers.len() + 1)
    }

    /// Calls `task(seat, 0)`, .., `task(seat, total - 1)`, each once, on up to `threads` threads, and returns when all are
    /// done. Threads that work at the same time have different seats, below [`Pool::seats`], and each takes the tasks of its
    /// own share first; a caller that finds the pool busy has seat 0.
    ///
    /// The caller works too and waits only for tasks that another thread has begun. While the pool is busy with another
    /// caller's tasks, or within a task, the caller does all of its own.
    pub(crate) fn run(&self, threads: usize, total: usize, task: &(dyn Fn(usize, usize) + Sync)) {
        self.run_shared(threads, total, &|part, parts| part * total / parts, task);
    }

    /// The same for tasks that differ: `ends` are the sums of their costs up to each of them, and shares cost about the same.
    pub(crate) fn run_weighted(&self, threads: usize, ends: &[usize], task: &(dyn Fn(usize, usize) + Sync)) {
        let all = ends.last().copied().unwrap_or(0);
        let begins_at = |part: usize, parts: usize| {
            // A task is where its middle is.
            let middle = |i: usize| (if i == 0 { 0 } else { ends[i - 1] }) + ends[i];
            (0..ends.len()).take_while(|&i| middle(i) * parts < 2 * part * all).count()
        };
        self.run_shared(threads, ends.len(), &begins_at, task);
    }

    /// The same where `begins_at(part, parts)` says with which task one of so many shares begins.
    fn run_shared(&self, threads: usize, total: usize, begins_at: &dyn Fn(usize, usize) -> usize, task: &(dyn Fn(usize, usize) + Sync)) {
        let threads = self.seats(threads).min(total);
        if threads <= 1 || total > u32::MAX as usize || self.shared.is_busy.swap(true, Ordering::Acquire) {
            (0..total).for_each(|i| task(0, i));
            return;
        }
        let posting = Posting { pool: self, threads };
        posting.post(total, begins_at, task);
        while let Some(i) = self.shared.claim(0, threads) {
            let done = Done(&self.shared);
            task(0, i);
            drop(done);
        }
        drop(posting);
        if let Some(panic) = lock(&self.shared.panic).take() {
            resume_unwind(panic);
        }
    }
}

/// How many threads the machine runs at once.
pub(crate) fn available() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from)
}

/// A job that is posted; dropped, it is taken back, and nobody runs it any more.
struct Posting<'a> {
    pool: &'a Pool,
    threads: usize,
}

impl Posting<'_> {
    fn post(&self, total: usize, begins_at: &dyn Fn(usize, usize) -> usize, task: &(dyn Fn(usize, usize) + Sync)) {
        let Pool { shared, workers } = self.pool;
        // SAFETY: only the lifetime changes. `Posting` takes the tasks back and waits for those that have begun before
        // `Pool::run` returns or unwinds, and only who has claimed a task reads the pointer.
        let job = unsafe { std::mem::transmute::<&(dyn Fn(usize, usize) + Sync), Job>(task) };
        // SAFETY: the pool is this caller's, all tasks of the job before are done, and none can be claimed yet.
        unsafe { (*shared.job.get()).write(job) };
        shared.left.store(total, Ordering::Relaxed);
        shared.threads.store(self.threads, Ordering::Relaxed);
        for (i, seat) in shared.seats[..self.threads].iter().enumerate() {
            let end = if i + 1 < self.threads { begins_at(i + 1, self.threads) } else { total };
            seat.post(begins_at(i, self.threads), end);
        }
        // In one order with what a worker does before it sleeps: either it sees the job, or it is seen asleep.
        shared.jobs.fetch_add(1, Ordering::SeqCst);
        for (seat, worker) in shared.seats[1..self.threads].iter().zip(workers) {
            if seat.is_asleep.load(Ordering::SeqCst) && seat.is_asleep.swap(false, Ordering::SeqCst) {
                worker.unpark();
            }
        }
    }
}

impl Drop for Posting<'_> {
    fn drop(&mut self) {
        let shared = &self.pool.shared;
        // Tasks are left only where the caller's own has panicked.
        while shared.claim(0, self.threads).is_some() {
            drop(Done(shared));
        }
        shared.wait();
        if std::thread::panicking() {
            // The caller's own panic goes on, and no other is left for the next job.
            *lock(&shared.panic) = None;
        }
        shared.is_busy.store(false, Ordering::Release);
    }
}

/// A task that has been claimed; dropped, it is done.
struct Done<'a>(&'a Shared);

impl Drop for Done<'_> {
    fn drop(&mut self) {
        // In one order with what the caller does before it sleeps: either it sees that all is done, or it is seen waiting.
        if self.0.left.fetch_sub(1, Ordering::SeqCst) == 1 && self.0.is_awaited.load(Ordering::SeqCst) {
            drop(lock(&self.0.sleep));
            self.0.finished.notify_one();
        }
    }
}

impl Shared {
    fn new(workers: usize) -> Self {
        Shared {
            is_busy: AtomicBool::new(false),
            job: UnsafeCell::new(MaybeUninit::uninit()),
            threads: AtomicUsize::new(0),
            jobs: AtomicUsize::new(0),
            left: AtomicUsize::new(0),
            seats: (0..=workers).map(|_| Seat::default()).collect(),
            is_awaited: AtomicBool::new(false),
            sleep: Mutex::new(()),
            finished: Condvar::new(),
            panic: Mutex::new(None),
        }
    }

    /// A task from a seat's own share, or from the next that has any.
    fn claim(&self, seat: usize, threads: usize) -> Option<usize> {
        (0..threads).find_map(|i| self.seats[(seat + i) % threads].claim())
    }

    /// Waits for all tasks that have begun.
    fn wait(&self) {
        if look_about(|| self.left.load(Ordering::Acquire) == 0) {
            return;
        }
        let mut sleep = lock(&self.sleep);
        self.is_awaited.store(true, Ordering::SeqCst);
        while self.left.load(Ordering::SeqCst) > 0 {
            sleep = self.finished.wait(sleep).unwrap_or_else(PoisonError::into_inner);
        }
        self.is_awaited.store(false, Ordering::SeqCst);
    }
}

/// Waits a little for something to become true, and says whether it has.
fn look_about(is_true: impl Fn() -> bool) -> bool {
    const LOOKS: usize = 32;
    let mut begin = None;
    loop {
        for _ in 0..LOOKS {
            if is_true() {
                return true;
            }
            std::hint::spin_loop();
        }
        if begin.get_or_insert_with(Instant::now).elapsed() > PATIENCE {
            return false;
        }
    }
}

fn work(shared: &Shared, seat: usize) {
    let mut seen = 0;
    loop {
        await_job(shared, seat, seen);
        seen = shared.jobs.load(Ordering::SeqCst);
        loop {
            let threads = shared.threads.load(Ordering::Relaxed);
            let Some(i) = (seat < threads).then(|| shared.claim(seat, threads)).flatten() else { break };
            let done = Done(shared);
            // SAFETY: a claimed task is not done before `done` is dropped, and as long the caller leaves the job in its
            // place and alive; it was written before the task could be claimed.
            let result = catch_unwind(AssertUnwindSafe(|| unsafe { (*(*shared.job.get()).assume_init())(seat, i) }));
            if let Err(panic) = result {
                lock(&shared.panic).get_or_insert(panic);
            }
            drop(done);
        }
    }
}

/// Waits until another job is posted than those that were seen.
fn await_job(shared: &Shared, seat: usize, seen: usize) {
    let is_posted = || shared.jobs.load(Ordering::SeqCst) != seen;
    if look_about(is_posted) {
        return;
    }
    let is_asleep = &shared.seats[seat].is_asleep;
    while !is_posted() {
        is_asleep.store(true, Ordering::SeqCst);
        if !is_posted() {
            std::thread::park();
        }
    }
    is_asleep.store(false, Ordering::SeqCst);
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Barrier;

    fn counters(n: usize) -> Vec<AtomicUsize> {
        (0..n).map(|_| AtomicUsize::new(0)).collect()
    }

    fn counts(counters: &[AtomicUsize]) -> Vec<usize> {
        counters.iter().map(|count| count.load(Ordering::Relaxed)).collect()
    }

    #[test]
    fn every_task_runs_once_whoever_calls() {
        let pool = Pool::new(3);
        let count = counters(100);
        for _ in 0..200 {
            pool.run(4, 100, &|_, i| {
                // Tasks inside tasks are done by their caller.
                pool.run(4, 2, &|_, _| {
                    count[i].fetch_add(1, Ordering::Relaxed);
                });
            });
        }
        assert_eq!(counts(&count), [400; 100]);
    }

    #[test]
    fn every_task_of_many_small_jobs_runs_once() {
        let pool = Pool::new(3);
        for job in 0..20_000 {
            let count = counters(1 + job % 7);
            pool.run(1 + job % 5, count.len(), &|seat, i| {
                assert!(seat < 4);
                count[i].fetch_add(1, Ordering::Relaxed);
            });
            assert_eq!(counts(&count), vec![1; count.len()], "job {job}");
        }
    }

    #[test]
    fn callers_at_the_same_time_do_their_own() {
        let pool = Pool::new(2);
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    for _ in 0..500 {
                        let count = counters(9);
                        pool.run(3, 9, &|_, i| _ = count[i].fetch_add(1, Ordering::Relaxed));
                        assert_eq!(counts(&count), [1; 9]);
                    }
                });
            }
        });
    }

    /// Each task once, and a heavy one alone where it is at home.
    #[test]
    fn shares_cost_about_the_same() {
        let pool = Pool::new(1);
        let (barrier, homes) = (Barrier::new(2), counters(4));
        let ends = [60, 100, 160, 161];
        pool.run_weighted(2, &ends, &|seat, i| {
            if [0, 2].contains(&i) {
                barrier.wait();
            }
            homes[i].fetch_add(1 + 10 * seat, Ordering::Relaxed);
        });
        let homes = counts(&homes);
        assert!(homes.iter().all(|count| [1, 11].contains(count)), "each task is done once: {homes:?}");
        assert_ne!(homes[0], homes[2], "the two halves begin with tasks 0 and 2");
    }

    /// One task for each seat, which all are at work at the same time: each takes the one of its own share.
    #[test]
    fn threads_begin_at_home() {
        let pool = Pool::new(2);
        let (barrier, homes) = (Barrier::new(3), counters(3));
        for _ in 0..50 {
            pool.run(3, 3, &|seat, i| {
                barrier.wait();
                homes[i].store(seat, Ordering::Relaxed);
            });
            assert_eq!(counts(&homes).iter().sum::<usize>(), 3, "three threads have three seats");
        }
    }

    #[test]
    fn the_caller_does_not_wait_for_threads_that_have_not_begun() {
        // This thread stands for two workers that never come.
        let workers = (0..2).map(|_| std::thread::current()).collect();
        let pool = Pool { shared: Arc::new(Shared::new(2)), workers };
        let count = counters(10);
        pool.run(3, 10, &|seat, i| {
            assert_eq!(seat, 0);
            count[i].fetch_add(1, Ordering::Relaxed);
        });
        assert_eq!(counts(&count), [1; 10]);
    }

    #[test]
    fn a_panic_reaches_the_caller_and_the_pool_lives_on() {
        let pool = Pool::new(2);
        for guilty in 0..8 {
            let caught = catch_unwind(AssertUnwindSafe(|| pool.run(3, 8, &|_, i| assert_ne!(i, guilty))));
            assert!(caught.is_err());
        }
        pool.run(3, 8, &|_, _| ());
    }
}
