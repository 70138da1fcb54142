//! One step of the walk, all units of all samples: the cell's formulas over registers of units.

use super::Cell;
use crate::float::Float;
use crate::kernels::numbers::{Each, Numbers, Register, each};
use crate::kernels::simd::{Kernel, Lanes};
use core::marker::PhantomData;

/// All samples one step on.
pub(super) struct Advance<'a, C, E, P, const G: usize, const S: usize, const K: usize> {
    pub hidden: usize,
    /// What comes from the inputs, and what comes from the state where that is kept apart.
    pub x: &'a [E],
    pub r: &'a [E],
    pub before: &'a [E],
    pub after: &'a mut [E],
    pub kept: &'a mut [E],
    /// Whether a sample has padding here.
    pub skips: P,
    pub cell: PhantomData<fn() -> C>,
}

impl<C: Cell<G, S, K>, E: Float, P: Fn(usize) -> bool, const G: usize, const S: usize, const K: usize> Kernel<E> for Advance<'_, C, E, P, G, S, K> {
    type Output = ();

    #[inline(always)]
    unsafe fn run<V: Lanes<E>>(self) {
        let hidden = self.hidden;
        for (sample, (before, after)) in self.before.chunks_exact(S * hidden).zip(self.after.chunks_exact_mut(S * hidden)).enumerate() {
            if (self.skips)(sample) {
                after.copy_from_slice(before);
                continue;
            }
            let mut units = AdvanceUnits::<C, E, G, S, K> {
                x: Runs::of(row(self.x, sample, G * hidden), hidden),
                r: Runs::of(if C::GATES_SEE_SUMS { &[] } else { row(self.r, sample, G * hidden) }, hidden),
                before: Runs::of(before, hidden),
                after: RunsMut::of(after, hidden),
                kept: RunsMut::of(row_mut(self.kept, sample, K * hidden), hidden),
                cell: PhantomData,
            };
            // SAFETY: each run has a number for each unit; and the caller's contract.
            unsafe { each::<E, V>(hidden, &mut units) };
        }
    }
}

/// One sample's part of it.
struct AdvanceUnits<'a, C, E, const G: usize, const S: usize, const K: usize> {
    x: Runs<'a, E, G>,
    r: Runs<'a, E, G>,
    before: Runs<'a, E, S>,
    after: RunsMut<'a, E, S>,
    kept: RunsMut<'a, E, K>,
    cell: PhantomData<fn() -> C>,
}

impl<C: Cell<G, S, K>, E: Float, const G: usize, const S: usize, const K: usize> Each<E> for AdvanceUnits<'_, C, E, G, S, K> {
    #[inline(always)]
    unsafe fn at<V: Lanes<E>>(&mut self, i: usize, n: usize) {
        // SAFETY: the caller's contract.
        unsafe {
            let r = if C::GATES_SEE_SUMS { [Register::<E, V>::of(0.0); G] } else { self.r.read(i, n) };
            let (states, keeps) = C::forward(self.x.read::<V>(i, n), r, self.before.read(i, n));
            self.after.write(states, i, n);
            self.kept.write(keeps, i, n);
        }
    }
}

/// All samples one step back; the gradients of the states behind the step become those of the states before it, but for what
/// comes through the gates.
pub(super) struct Retreat<'a, C, E, P, const G: usize, const S: usize, const K: usize> {
    pub hidden: usize,
    pub kept: &'a [E],
    pub before: &'a [E],
    pub d_x: &'a mut [E],
    /// Empty where it is the same.
    pub d_r: &'a mut [E],
    pub d_states: &'a mut [E],
    pub skips: P,
    pub cell: PhantomData<fn() -> C>,
}

impl<C: Cell<G, S, K>, E: Float, P: Fn(usize) -> bool, const G: usize, const S: usize, const K: usize> Kernel<E> for Retreat<'_, C, E, P, G, S, K> {
    type Output = ();

    #[inline(always)]
    unsafe fn run<V: Lanes<E>>(self) {
        let hidden = self.hidden;
        for (sample, d_state) in self.d_states.chunks_exact_mut(S * hidden).enumerate() {
            let d_x = row_mut(self.d_x, sample, G * hidden);
            let d_r = if C::GATES_SEE_SUMS { &mut [] } else { row_mut(self.d_r, sample, G * hidden) };
            if (self.skips)(sample) {
                d_x.fill(E::zero());
                d_r.fill(E::zero());
                continue;
            }
            let mut units = RetreatUnits::<C, E, G, S, K> {
                kept: Runs::of(row(self.kept, sample, K * hidden), hidden),
                before: Runs::of(row(self.before, sample, S * hidden), hidden),
                d_x: RunsMut::of(d_x, hidden),
                d_r: RunsMut::of(d_r, hidden),
                d_state: RunsMut::of(d_state, hidden),
                cell: PhantomData,
            };
            // SAFETY: each run has a number for each unit; and the caller's contract.
            unsafe { each::<E, V>(hidden, &mut units) };
        }
    }
}

/// One sample's part of it.
struct RetreatUnits<'a, C, E, const G: usize, const S: usize, const K: usize> {
    kept: Runs<'a, E, K>,
    before: Runs<'a, E, S>,
    d_x: RunsMut<'a, E, G>,
    d_r: RunsMut<'a, E, G>,
    d_state: RunsMut<'a, E, S>,
    cell: PhantomData<fn() -> C>,
}

impl<C: Cell<G, S, K>, E: Float, const G: usize, const S: usize, const K: usize> Each<E> for RetreatUnits<'_, C, E, G, S, K> {
    #[inline(always)]
    unsafe fn at<V: Lanes<E>>(&mut self, i: usize, n: usize) {
        // SAFETY: the caller's contract.
        unsafe {
            let slopes = C::backward(self.kept.read::<V>(i, n), self.before.read(i, n), self.d_state.read(i, n));
            self.d_x.write(slopes.x, i, n);
            if !C::GATES_SEE_SUMS {
                self.d_r.write(slopes.r, i, n);
            }
            self.d_state.write(slopes.before, i, n);
        }
    }
}

/// `N` runs of a number for each unit, one behind the other; or nothing.
struct Runs<'a, E, const N: usize> {
    numbers: &'a [E],
    units: usize,
}

impl<'a, E: Float, const N: usize> Runs<'a, E, N> {
    #[inline(always)]
    fn of(numbers: &'a [E], units: usize) -> Self {
        assert!(numbers.is_empty() || numbers.len() == N * units, "{N} runs of {units} numbers");
        Runs { numbers, units }
    }

    /// The `n` numbers of each run from its `i`th on.
    ///
    /// # Safety
    /// They are there; and the contract of [`Lanes`].
    #[inline(always)]
    unsafe fn read<V: Lanes<E>>(&self, i: usize, n: usize) -> [Register<E, V>; N] {
        let mut registers = [Register::of(0.0); N];
        for (run, register) in registers.iter_mut().enumerate() {
            // SAFETY: the caller's contract.
            *register = unsafe { Register::read(self.numbers.as_ptr().add(run * self.units + i), n) };
        }
        registers
    }
}

/// The same to be written.
struct RunsMut<'a, E, const N: usize> {
    numbers: &'a mut [E],
    units: usize,
}

impl<'a, E: Float, const N: usize> RunsMut<'a, E, N> {
    #[inline(always)]
    fn of(numbers: &'a mut [E], units: usize) -> Self {
        let Runs { units, .. } = Runs::<E, N>::of(&*numbers, units);
        RunsMut { numbers, units }
    }

    /// As [`Runs::read`].
    ///
    /// # Safety
    /// As for [`Runs::read`].
    #[inline(always)]
    unsafe fn read<V: Lanes<E>>(&self, i: usize, n: usize) -> [Register<E, V>; N] {
        // SAFETY: the caller's contract.
        unsafe { Runs { numbers: &*self.numbers, units: self.units }.read(i, n) }
    }

    /// Writes them.
    ///
    /// # Safety
    /// As for [`Runs::read`].
    #[inline(always)]
    unsafe fn write<V: Lanes<E>>(&mut self, registers: [Register<E, V>; N], i: usize, n: usize) {
        for (run, register) in registers.into_iter().enumerate() {
            // SAFETY: the caller's contract.
            unsafe { register.write(self.numbers.as_mut_ptr().add(run * self.units + i), n) };
        }
    }
}

pub(super) fn row<E>(rows: &[E], i: usize, width: usize) -> &[E] {
    &rows[i * width..(i + 1) * width]
}

fn row_mut<E>(rows: &mut [E], i: usize, width: usize) -> &mut [E] {
    &mut rows[i * width..(i + 1) * width]
}
