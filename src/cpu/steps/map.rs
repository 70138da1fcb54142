//! One number at a time.

use super::{Backward, Forward, Gradient, Step};
use crate::cpu::pieces::{in_pairs, in_pieces};
use crate::float::Float;
use crate::kernels::numbers::{Each, Numbers, Register, each};
use crate::kernels::simd::{Job, Kernel, Lanes, with_best};
use crate::layers::elementwise::Elementwise;

/// `y = f(x)`, number by number.
pub(crate) struct Map<F> {
    f: F,
    /// How many slopes are kept for each sample.
    kept: usize,
}

impl<F: Elementwise> Map<F> {
    /// For samples of so many numbers.
    pub(crate) fn new(f: F, numel: usize) -> Self {
        Map { f, kept: if F::KEEPS_SLOPE { numel } else { 0 } }
    }
}

/// How many numbers are worth waking a thread.
const WORTH: usize = 8 * 1024;

/// Calls `work` with pieces of numbers, and where they begin, on up to `threads` threads; with `None` on this one.
pub(crate) fn number_by_number<E: Float>(threads: Option<usize>, numbers: &mut [E], work: &(dyn Fn(usize, &mut [E]) + Sync)) {
    match threads {
        Some(threads) => in_pieces(threads, numbers, WORTH, work),
        None => work(0, numbers),
    }
}

impl<E: Float, F: Elementwise> Step<E> for Map<F> {
    fn is_shared_out(&self) -> bool {
        true
    }

    fn saved(&self) -> usize {
        self.kept
    }

    fn forward(&self, at: Forward<'_, E>) {
        let (f, x) = (self.f, at.input());
        if self.kept > 0 {
            return in_pairs(at.threads.unwrap_or(1), [at.output, at.saved], WORTH, &|first, [y, slope]| {
                E::run(Both { f, x: &x[first..], y, slope });
            });
        }
        number_by_number(at.threads, at.output, &|first, y| E::run(Values { f, x: &x[first..], y }));
    }

    fn backward(&self, mut at: Backward<'_, E>) {
        let (f, x, y, dy, slope) = (self.f, at.input, at.output, at.d_output, at.saved);
        let Some(Gradient { to, add }) = at.d_input() else { return };
        number_by_number(at.threads, to, &|first, to| {
            let (dy, dx) = (&dy[first..], Gradient { to, add });
            if self.kept > 0 {
                return with_best(Kept { slope: &slope[first..], dy, dx });
            }
            E::run(Slopes { f, x: &x[first..], y: &y[first..], dy, dx });
        });
    }
}

struct Values<'a, E, F> {
    f: F,
    x: &'a [E],
    y: &'a mut [E],
}

impl<E: Float, F: Elementwise> Kernel<E> for Values<'_, E, F> {
    type Output = ();

    #[inline(always)]
    unsafe fn run<V: Lanes<E>>(mut self) {
        assert!(self.x.len() >= self.y.len(), "a number for each value");
        // SAFETY: as just asserted; and the caller's contract.
        unsafe { each::<E, V>(self.y.len(), &mut self) };
    }
}

impl<E: Float, F: Elementwise> Each<E> for Values<'_, E, F> {
    #[inline(always)]
    unsafe fn at<V: Lanes<E>>(&mut self, i: usize, n: usize) {
        // SAFETY: the caller's contract.
        unsafe { self.f.value(Register::<E, V>::read(self.x.as_ptr().add(i), n)).write(self.y.as_mut_ptr().add(i), n) };
    }
}

/// Values, and the slopes where they are.
struct Both<'a, E, F> {
    f: F,
    x: &'a [E],
    y: &'a mut [E],
    slope: &'a mut [E],
}

impl<E: Float, F: Elementwise> Kernel<E> for Both<'_, E, F> {
    type Output = ();

    #[inline(always)]
    unsafe fn run<V: Lanes<E>>(mut self) {
        assert!(self.x.len() >= self.y.len() && self.slope.len() >= self.y.len(), "a number and a slope for each value");
        // SAFETY: as just asserted; and the caller's contract.
        unsafe { each::<E, V>(self.y.len(), &mut self) };
    }
}

impl<E: Float, F: Elementwise> Each<E> for Both<'_, E, F> {
    #[inline(always)]
    unsafe fn at<V: Lanes<E>>(&mut self, i: usize, n: usize) {
        // SAFETY: the caller's contract.
        unsafe {
            let x = Register::<E, V>::read(self.x.as_ptr().add(i), n);
            let y = self.f.value(x);
            y.write(self.y.as_mut_ptr().add(i), n);
            self.f.slope(x, y).write(self.slope.as_mut_ptr().add(i), n);
        }
    }
}

/// The way back with slopes that were kept.
struct Kept<'a, E> {
    slope: &'a [E],
    dy: &'a [E],
    dx: Gradient<'a, E>,
}

impl<E: Float> Job for Kept<'_, E> {
    #[inline(always)]
    fn run(self) {
        let add = self.dx.add;
        for ((dx, &slope), &dy) in self.dx.to.iter_mut().zip(self.slope).zip(self.dy) {
            let before = if add { *dx } else { E::zero() };
            *dx = before + dy * slope;
        }
    }
}

struct Slopes<'a, E, F> {
    f: F,
    x: &'a [E],
    y: &'a [E],
    dy: &'a [E],
    dx: Gradient<'a, E>,
}

impl<E: Float, F: Elementwise> Kernel<E> for Slopes<'_, E, F> {
    type Output = ();

    #[inline(always)]
    unsafe fn run<V: Lanes<E>>(mut self) {
        let numbers = self.dx.to.len();
        assert!([self.x, self.y, self.dy].iter().all(|of| of.len() >= numbers), "a number, a value and its gradient for each");
        // SAFETY: as just asserted; and the caller's contract.
        unsafe { each::<E, V>(numbers, &mut self) };
    }
}

impl<E: Float, F: Elementwise> Each<E> for Slopes<'_, E, F> {
    #[inline(always)]
    unsafe fn at<V: Lanes<E>>(&mut self, i: usize, n: usize) {
        // SAFETY: the caller's contract.
        unsafe {
            let (x, y) = (Register::<E, V>::read(self.x.as_ptr().add(i), n), Register::read(self.y.as_ptr().add(i), n));
            let (dy, to) = (Register::read(self.dy.as_ptr().add(i), n), self.dx.to.as_mut_ptr().add(i));
            let before = if self.dx.add { Register::read(to, n) } else { Register::of(0.0) };
            dy.mul_add(self.f.slope(x, y), before).write(to, n);
        }
    }
}
