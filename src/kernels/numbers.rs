//! What formulas are computed with: one number, or a register of them.

use super::simd::Lanes;
use crate::float::Float;
use core::marker::PhantomData;
use core::ops::{Add, Div, Mul, Neg, Sub};

/// One number, or several of which each is computed by itself. A formula that is written for them, and `#[inline(always)]`, is
/// computed by a kernel in registers, and anywhere else number by number.
pub trait Numbers: Copy + Add<Output = Self> + Sub<Output = Self> + Mul<Output = Self> + Div<Output = Self> + Neg<Output = Self> {
    /// What they are.
    type Number: Float;

    /// The same number in each place.
    fn all(x: Self::Number) -> Self;

    /// The nearest to this number, in each place.
    #[inline(always)]
    fn of(x: f64) -> Self {
        Self::all(<Self::Number as Float>::of(x))
    }

    /// `self * b + c`; in registers rounded once where the processor can, and otherwise twice.
    fn mul_add(self, b: Self, c: Self) -> Self;

    /// `|self|`
    fn abs(self) -> Self;

    /// `|self|` with the sign of `with`.
    fn copysign(self, with: Self) -> Self;

    /// `2ⁿ self`, where the last bits of `n` are an integer.
    fn scaled(self, n: Self) -> Self;

    /// `yes` where `self > than`, and `no` elsewhere, also where one of them is no number.
    fn if_greater(self, than: Self, yes: Self, no: Self) -> Self;

    /// `yes` where `self <= most`, and `no` elsewhere, also where one of them is no number.
    fn if_at_most(self, most: Self, yes: Self, no: Self) -> Self;
}

impl<E: Float> Numbers for E {
    type Number = E;

    #[inline(always)]
    fn all(x: E) -> E {
        x
    }

    #[inline(always)]
    fn mul_add(self, b: E, c: E) -> E {
        self * b + c
    }

    #[inline(always)]
    fn abs(self) -> E {
        num_traits::Float::abs(self)
    }

    #[inline(always)]
    fn copysign(self, with: E) -> E {
        num_traits::Float::copysign(self, with)
    }

    #[inline(always)]
    fn scaled(self, n: E) -> E {
        super::exp::Exp::scaled(self, n)
    }

    #[inline(always)]
    fn if_greater(self, than: E, yes: E, no: E) -> E {
        if self > than { yes } else { no }
    }

    #[inline(always)]
    fn if_at_most(self, most: E, yes: E, no: E) -> E {
        if self <= most { yes } else { no }
    }
}

/// A register whose functions may be called.
pub(crate) struct Register<E, V> {
    register: V,
    of: PhantomData<E>,
}

// Not derived: that would ask for numbers that can be copied as well.
impl<E, V: Copy> Copy for Register<E, V> {}
impl<E, V: Copy> Clone for Register<E, V> {
    #[inline(always)]
    fn clone(&self) -> Self {
        *self
    }
}

impl<E, V: Lanes<E>> Register<E, V> {
    /// A register to compute with.
    ///
    /// # Safety
    /// The contract of [`Lanes`], for all that is computed with it.
    #[inline(always)]
    pub(crate) unsafe fn new(register: V) -> Self {
        Register { register, of: PhantomData }
    }

    /// The `n <= LEN` numbers behind `from`; behind the last, zeros.
    ///
    /// # Safety
    /// They are there; and as for [`Register::new`].
    #[inline(always)]
    pub(crate) unsafe fn read(from: *const E, n: usize) -> Self {
        // SAFETY: the caller's contract.
        unsafe { Register::new(if n == V::LEN { V::load(from) } else { V::load_first(from, n) }) }
    }

    /// Writes the first `n <= LEN` numbers behind `to`.
    ///
    /// # Safety
    /// There is room for them.
    #[inline(always)]
    pub(crate) unsafe fn write(self, to: *mut E, n: usize) {
        // SAFETY: the caller's contract, and that of `Register::new`.
        unsafe { if n == V::LEN { self.register.store(to) } else { self.register.store_first(to, n) } }
    }
}

macro_rules! operations {
    ($($Operation:ident $function:ident $lanes:ident;)*) => { $(
        impl<E: Float, V: Lanes<E>> $Operation for Register<E, V> {
            type Output = Self;

            #[inline(always)]
            fn $function(self, b: Self) -> Self {
                // SAFETY: whoever made the registers has promised it.
                unsafe { Register::new(self.register.$lanes(b.register)) }
            }
        }
    )* };
}
operations! {
    Add add add;
    Sub sub sub;
    Mul mul mul;
    Div div div;
}

impl<E: Float, V: Lanes<E>> Neg for Register<E, V> {
    type Output = Self;

    #[inline(always)]
    fn neg(self) -> Self {
        Self::all(-E::zero()) - self
    }
}

impl<E: Float, V: Lanes<E>> Numbers for Register<E, V> {
    type Number = E;

    #[inline(always)]
    fn all(x: E) -> Self {
        // SAFETY: kinds of registers are named in kernels alone, which are run with those that the processor has.
        unsafe { Register::new(V::splat(x)) }
    }

    #[inline(always)]
    fn mul_add(self, b: Self, c: Self) -> Self {
        // SAFETY: whoever made the registers has promised it.
        unsafe { Register::new(self.register.mul_add(b.register, c.register)) }
    }

    #[inline(always)]
    fn abs(self) -> Self {
        // SAFETY: as above.
        unsafe { Register::new(self.register.abs()) }
    }

    #[inline(always)]
    fn copysign(self, with: Self) -> Self {
        // SAFETY: as above.
        unsafe { Register::new(self.register.copysign(with.register)) }
    }

    #[inline(always)]
    fn scaled(self, n: Self) -> Self {
        // SAFETY: as above.
        unsafe { Register::new(self.register.scaled(n.register)) }
    }

    #[inline(always)]
    fn if_greater(self, than: Self, yes: Self, no: Self) -> Self {
        // SAFETY: as above.
        unsafe { Register::new(self.register.if_greater(than.register, yes.register, no.register)) }
    }

    #[inline(always)]
    fn if_at_most(self, most: Self, yes: Self, no: Self) -> Self {
        // SAFETY: as above.
        unsafe { Register::new(self.register.if_at_most(most.register, yes.register, no.register)) }
    }
}

/// What is computed register by register.
pub(crate) trait Each<E> {
    /// Computes the `n <= LEN` numbers from the `i`th on.
    ///
    /// # Safety
    /// They are there; and the contract of [`Lanes`].
    unsafe fn at<V: Lanes<E>>(&mut self, i: usize, n: usize);
}

/// So many numbers, whole registers first, of which the compiler knows that they are whole.
///
/// # Safety
/// They are there; and the contract of [`Lanes`].
#[inline(always)]
pub(crate) unsafe fn each<E, V: Lanes<E>>(numbers: usize, work: &mut impl Each<E>) {
    let whole = numbers / V::LEN * V::LEN;
    // SAFETY: the caller's contract.
    unsafe {
        for i in (0..whole).step_by(V::LEN) {
            work.at::<V>(i, V::LEN);
        }
        if whole < numbers {
            work.at::<V>(whole, numbers - whole);
        }
    }
}
