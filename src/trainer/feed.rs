//! Batches, read on a thread of its own while the last one is learned from.

use crate::data::{MiniBatch, Source};
use crate::error::Error;
use crate::float::Float;
use crate::noise::Noise;
use core::ops::ControlFlow;
use std::sync::mpsc::{channel, sync_channel};
use std::time::{Duration, Instant};

/// How many batches are read before they are asked for.
const AHEAD: usize = 2;

/// Reads batches of these samples in order and calls `each` with them, until it breaks off; returns how long it waited for them.
///
/// The memory of a batch that was used is used again.
///
/// # Errors
/// Those of the source and of `each`.
pub(super) fn feed<S: Source<E> + ?Sized, E: Float>(
    source: &S,
    batches: &[&[usize]],
    noise: Noise,
    mut each: impl FnMut(&MiniBatch<S::Input, S::Target, E>) -> Result<ControlFlow<()>, Error>,
) -> Result<Duration, Error> {
    std::thread::scope(|scope| {
        let (full, filled) = sync_channel::<Result<MiniBatch<S::Input, S::Target, E>, Error>>(AHEAD);
        let (used, empty) = channel::<MiniBatch<S::Input, S::Target, E>>();
        scope.spawn(move || {
            for samples in batches {
                let mut batch = empty.try_recv().unwrap_or_default();
                let read = batch.read(source, samples, noise).map(|()| batch);
                // Nobody takes another batch after an error, or when `each` has broken off.
                if full.send(read).is_err() {
                    return;
                }
            }
        });
        let mut waited = Duration::ZERO;
        loop {
            let begin = Instant::now();
            let Ok(batch) = filled.recv() else { return Ok(waited) };
            waited += begin.elapsed();
            let batch = batch?;
            if each(&batch)?.is_break() {
                return Ok(waited);
            }
            // The thread may have ended: then nobody needs the memory.
            let _ = used.send(batch);
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::Values;
    use dfdx::shapes::Rank1;

    /// Sample 7 cannot be read.
    struct Broken;

    impl Source for Broken {
        type Input = Rank1<1>;
        type Target = Values<Rank1<1>>;

        fn len(&self) -> usize {
            10
        }

        fn read(&self, index: usize, _: Noise, input: &mut [f32], target: &mut [f32]) -> Result<(), Error> {
            input[0] = if index == 7 { f32::NAN } else { index as f32 };
            target[0] = 0.0;
            Ok(())
        }
    }

    #[test]
    fn batches_come_in_order_up_to_the_first_error() {
        let order: Vec<usize> = (0..10).collect();
        let mut seen = Vec::new();
        let fed = feed(&Broken, &order.chunks(3).collect::<Vec<_>>(), Noise::new(0), |batch| {
            seen.extend_from_slice(batch.inputs());
            Ok(ControlFlow::Continue(()))
        });
        assert_eq!(fed.unwrap_err().to_string(), "sample 7: expected a finite number, given NaN");
        assert_eq!(seen, [0.0, 1.0, 2.0, 3.0, 4.0, 5.0]);
    }

    #[test]
    fn breaking_off_ends_the_thread() {
        let mut batches = 0;
        let order = [1; 1000];
        feed(&Broken, &order.chunks(1).collect::<Vec<_>>(), Noise::new(0), |_| {
            batches += 1;
            Ok(if batches == 3 { ControlFlow::Break(()) } else { ControlFlow::Continue(()) })
        })
        .unwrap();
        assert_eq!(batches, 3);
    }
}
