//! Threads that take numbered tasks.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, OnceLock, PoisonError};

/// A task by its number. The lifetime is erased while a job is posted; see [`Pool::run`].
type Job = *const (dyn Fn(usize) + Sync);

/// The threads of the process, one less than it has processors; the caller of [`Pool::run`] is the last one.
pub(crate) struct Pool {
    shared: Arc<Shared>,
}

struct Shared {
    state: Mutex<State>,
    posted: Condvar,
    finished: Condvar,
}

#[derive(Default)]
struct State {
    job: Option<Posted>,
    running: usize,
    panic: Option<Box<dyn Any + Send>>,
}

struct Posted {
    job: Job,
    next: usize,
    total: usize,
    /// How many more threads may join in.
    seats: usize,
}

// SAFETY: the pointer is to a `Sync` closure, and `Pool::run` keeps it alive for as long as it is posted.
unsafe impl Send for Posted {}

/// A panic inside a task is kept and raised again by the caller, so a poisoned lock holds nothing that is broken.
fn lock(shared: &Shared) -> MutexGuard<'_, State> {
    shared.state.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Pool {
    /// The pool that the whole process shares.
    pub(crate) fn global() -> &'static Pool {
        static POOL: OnceLock<Pool> = OnceLock::new();
        POOL.get_or_init(|| Pool::new(available().saturating_sub(1)))
    }

    fn new(workers: usize) -> Pool {
        let shared = Arc::new(Shared { state: Mutex::default(), posted: Condvar::new(), finished: Condvar::new() });
        for i in 0..workers {
            let shared = Arc::clone(&shared);
            // A machine that gives no more threads leaves the work to those that there are.
            let _ = std::thread::Builder::new().name(format!("formwork-{i}")).spawn(move || work(&shared));
        }
        Pool { shared }
    }

    /// Calls `task(0)`, .., `task(total - 1)`, each once, on up to `threads` threads, and returns when all are done.
    ///
    /// The caller works too and waits only for tasks that another thread has begun. While the pool is busy with another
    /// caller's tasks, or within a task, the caller does all of its own.
    pub(crate) fn run(&self, threads: usize, total: usize, task: &(dyn Fn(usize) + Sync)) {
        let mut state = lock(&self.shared);
        if threads <= 1 || total <= 1 || state.job.is_some() {
            drop(state);
            (0..total).for_each(task);
            return;
        }
        // SAFETY: only the lifetime changes. `Posting` takes the job back and waits for the tasks that run before this
        // function returns or unwinds, so no thread holds the pointer after that.
        let job = unsafe { std::mem::transmute::<&(dyn Fn(usize) + Sync), Job>(task) };
        state.job = Some(Posted { job, next: 0, total, seats: threads - 1 });
        drop(state);
        self.shared.posted.notify_all();
        let posting = Posting(&self.shared);
        loop {
            // A statement of its own: the lock is not held while the task runs.
            let claimed = claim(&mut lock(&self.shared));
            let Some(i) = claimed else { break };
            task(i);
        }
        drop(posting);
        if let Some(panic) = lock(&self.shared).panic.take() {
            resume_unwind(panic);
        }
    }
}

/// A job that is posted; dropped, it is taken back, and nobody runs it any more.
struct Posting<'a>(&'a Shared);

impl Drop for Posting<'_> {
    fn drop(&mut self) {
        let mut state = lock(self.0);
        if let Some(posted) = &mut state.job {
            posted.next = posted.total;
        }
        while state.running > 0 {
            state = self.0.finished.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
        state.job = None;
    }
}

/// How many threads the machine runs at once.
pub(crate) fn available() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from)
}

fn claim(state: &mut State) -> Option<usize> {
    let posted = state.job.as_mut()?;
    (posted.next < posted.total).then(|| {
        posted.next += 1;
        posted.next - 1
    })
}

fn work(shared: &Shared) {
    let mut state = lock(shared);
    loop {
        if !take_seat(&mut state) {
            state = shared.posted.wait(state).unwrap_or_else(PoisonError::into_inner);
            continue;
        }
        while let (Some(job), Some(i)) = (state.job.as_ref().map(|posted| posted.job), claim(&mut state)) {
            state.running += 1;
            drop(state);
            // SAFETY: the task was claimed while the job was posted, and `running` keeps `Pool::run` from returning.
            let result = catch_unwind(AssertUnwindSafe(|| unsafe { (*job)(i) }));
            state = lock(shared);
            state.running -= 1;
            if let Err(panic) = result {
                state.panic.get_or_insert(panic);
            }
            if state.running == 0 {
                shared.finished.notify_all();
            }
        }
    }
}

/// Whether this thread may join in the job, if there is one with tasks left.
fn take_seat(state: &mut State) -> bool {
    match &mut state.job {
        Some(posted) if posted.seats > 0 && posted.next < posted.total => {
            posted.seats -= 1;
            true
        }
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicUsize, Ordering};

    #[test]
    fn every_task_runs_once_whoever_calls() {
        let pool = Pool::new(3);
        let counts: Vec<AtomicUsize> = (0..100).map(|_| AtomicUsize::new(0)).collect();
        for _ in 0..200 {
            pool.run(4, 100, &|i| {
                // Tasks inside tasks are done by their caller.
                pool.run(4, 2, &|_| {
                    counts[i].fetch_add(1, Ordering::Relaxed);
                });
            });
        }
        assert!(counts.iter().all(|count| count.load(Ordering::Relaxed) == 400));
    }

    #[test]
    fn a_panic_reaches_the_caller_and_the_pool_lives_on() {
        let pool = Pool::new(2);
        for guilty in 0..8 {
            let caught = catch_unwind(AssertUnwindSafe(|| pool.run(3, 8, &|i| assert_ne!(i, guilty))));
            assert!(caught.is_err());
        }
        pool.run(3, 8, &|_| ());
    }
}
