//! Several numbers in one register, and the instructions that the processor has for that.

#[cfg(target_arch = "x86_64")]
mod x86;

use super::exp::Exp;
use std::sync::OnceLock;

/// Instructions for registers of several numbers, from those that every processor has to the widest.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Isa {
    /// Those that the program was compiled for.
    Plain,
    /// AVX2 with fused multiplication and addition.
    Avx2,
    /// AVX-512 F, BW, DQ and VL.
    Avx512,
}

impl Isa {
    /// The widest that the processor has; the environment variable `FORMWORK_ISA`, which is `plain`, `avx2` or `avx512`, can
    /// ask for less. It is looked up once.
    pub(crate) fn current() -> Isa {
        static ISA: OnceLock<Isa> = OnceLock::new();
        *ISA.get_or_init(|| Isa::detected().min(Isa::allowed(std::env::var("FORMWORK_ISA").ok().as_deref())))
    }

    fn allowed(name: Option<&str>) -> Isa {
        match name {
            Some("plain") => Isa::Plain,
            Some("avx2") => Isa::Avx2,
            _ => Isa::Avx512,
        }
    }

    #[cfg(target_arch = "x86_64")]
    fn detected() -> Isa {
        use std::is_x86_feature_detected as has;
        if !(has!("avx2") && has!("fma")) {
            Isa::Plain
        } else if has!("avx512f") && has!("avx512bw") && has!("avx512dq") && has!("avx512vl") {
            Isa::Avx512
        } else {
            Isa::Avx2
        }
    }

    #[cfg(not(target_arch = "x86_64"))]
    fn detected() -> Isa {
        Isa::Plain
    }
}

/// A loop that the compiler makes vector instructions of.
pub(crate) trait Job {
    /// Does the work. The function, and all that its loop calls, is `#[inline(always)]`: only what is inlined into
    /// [`with_best`] is compiled for the processor at hand.
    fn run(self);
}

/// Runs a loop with the widest registers that the processor has. They are the same operations in the same order, and the
/// same bits.
pub(crate) fn with_best(job: impl Job) {
    #[cfg(target_arch = "x86_64")]
    {
        #[target_feature(enable = "avx2,avx512f,avx512bw,avx512dq,avx512vl")]
        fn avx512(job: impl Job) {
            job.run();
        }
        #[target_feature(enable = "avx2")]
        fn avx2(job: impl Job) {
            job.run();
        }
        match Isa::current() {
            // SAFETY: the processor has the instructions.
            Isa::Avx512 => return unsafe { avx512(job) },
            // SAFETY: as above.
            Isa::Avx2 => return unsafe { avx2(job) },
            Isa::Plain => {}
        }
    }
    job.run();
}

/// A register of numbers.
///
/// # Safety
/// A type's functions are called only on processors that have its instructions, and only from functions with the
/// `#[target_feature]` that enables them, into which they are inlined.
pub(crate) trait Lanes<E>: Copy {
    /// How many numbers there are.
    const LEN: usize;

    /// The same number in each place.
    unsafe fn splat(x: E) -> Self;

    /// The `LEN` numbers behind `from`.
    unsafe fn load(from: *const E) -> Self;

    /// The first `n < LEN` numbers behind `from`, the only ones that are read; the others are zero.
    unsafe fn load_first(from: *const E, n: usize) -> Self;

    /// Writes the `LEN` numbers behind `to`.
    unsafe fn store(self, to: *mut E);

    /// Writes the first `n < LEN` numbers behind `to` and leaves the others.
    unsafe fn store_first(self, to: *mut E, n: usize);

    /// `self * b + c`
    unsafe fn mul_add(self, b: Self, c: Self) -> Self;

    /// `self + b`
    unsafe fn add(self, b: Self) -> Self;

    /// `self - b`
    unsafe fn sub(self, b: Self) -> Self;

    /// `self * b`
    unsafe fn mul(self, b: Self) -> Self;

    /// `self / b`
    unsafe fn div(self, b: Self) -> Self;

    /// `|self|`
    unsafe fn abs(self) -> Self;

    /// Number by number `|self|` with the sign of `with`.
    unsafe fn copysign(self, with: Self) -> Self;

    /// Number by number `2ⁿ self`, as [`Exp::scaled`] does it.
    unsafe fn scaled(self, n: Self) -> Self;

    /// Of `2 LEN` numbers, `self` and `behind`, those at even and those at odd places.
    unsafe fn split(self, behind: Self) -> [Self; 2];

    /// The way back: `self` at even places and `odd` at odd ones.
    unsafe fn join(self, odd: Self) -> [Self; 2];

    /// Number by number `yes` where `self > than`, and `no` elsewhere, also where one of them is no number.
    unsafe fn if_greater(self, than: Self, yes: Self, no: Self) -> Self;

    /// Number by number `yes` where `self == to`, and `no` elsewhere, also where one of them is no number.
    unsafe fn if_equal(self, to: Self, yes: Self, no: Self) -> Self;

    /// Number by number `yes` where `self <= most`, and `no` elsewhere, also where one of them is no number.
    unsafe fn if_at_most(self, most: Self, yes: Self, no: Self) -> Self;

    /// The sums over the numbers of four registers, each in the same order.
    unsafe fn totals(of: [Self; 4]) -> [E; 4];

    /// Says that the numbers about there, if there are any, will be read soon.
    unsafe fn prefetch(from: *const E);

    /// Says that they will be read at once.
    unsafe fn prefetch_near(from: *const E);

    /// Copies `LEN` rows of `LEN` numbers, which lie `row` apart, to as many columns: what they become lies `col` apart.
    unsafe fn transpose(from: *const E, row: usize, to: *mut E, col: usize);
}

/// A numeric kernel that is written for registers of any kind.
pub trait Kernel<E> {
    /// What it computes.
    type Output;

    /// Does the work in registers of kind `V`. The function, and all that its loops call, is `#[inline(always)]`: only what
    /// is inlined into [`Vector::run`] is compiled for the processor at hand.
    ///
    /// # Safety
    /// The contract of [`Lanes`].
    #[allow(private_bounds, reason = "kernels are for this crate")]
    unsafe fn run<V: Lanes<E>>(self) -> Self::Output;

    /// The same where there are 32 registers and not 16, for kernels that have a larger tile then.
    ///
    /// # Safety
    /// The contract of [`Lanes`].
    #[allow(private_bounds, reason = "kernels are for this crate")]
    #[inline(always)]
    unsafe fn run_wide<V: Lanes<E>>(self) -> Self::Output
    where
        Self: Sized,
    {
        // SAFETY: the caller's contract.
        unsafe { self.run::<V>() }
    }
}

/// A number type that there are registers for.
pub trait Vector: Sized + Copy {
    /// Runs a kernel in the widest registers that the processor has.
    fn run<K: Kernel<Self>>(kernel: K) -> K::Output;

    /// How many numbers these registers have.
    fn lanes() -> usize {
        struct Length;
        impl<E> Kernel<E> for Length {
            type Output = usize;
            #[inline(always)]
            unsafe fn run<V: Lanes<E>>(self) -> usize {
                V::LEN
            }
        }
        Self::run(Length)
    }
}

macro_rules! vector {
    ($($Float:ident: $V512:ident $V256:ident;)*) => { $(
        impl Vector for $Float {
            #[inline]
            fn run<K: Kernel<Self>>(kernel: K) -> K::Output {
                #[cfg(target_arch = "x86_64")]
                {
                    use core::arch::x86_64::{$V256, $V512};
                    #[target_feature(enable = "avx2,fma,avx512f,avx512bw,avx512dq,avx512vl")]
                    unsafe fn avx512<K: Kernel<$Float>>(kernel: K) -> K::Output {
                        // SAFETY: this function has the target features.
                        unsafe { kernel.run_wide::<$V512>() }
                    }
                    #[target_feature(enable = "avx2,fma")]
                    unsafe fn avx2<K: Kernel<$Float>>(kernel: K) -> K::Output {
                        // SAFETY: as above.
                        unsafe { kernel.run::<$V256>() }
                    }
                    match Isa::current() {
                        // SAFETY: the processor has the instructions.
                        Isa::Avx512 => return unsafe { avx512(kernel) },
                        // SAFETY: as above.
                        Isa::Avx2 => return unsafe { avx2(kernel) },
                        Isa::Plain => {}
                    }
                }
                // SAFETY: these registers are arrays, which every processor has.
                unsafe { kernel.run::<Plain<$Float>>() }
            }
        }
    )* };
}
vector! {
    f32: __m512 __m256;
    f64: __m512d __m256d;
}

/// Four numbers on any processor; what the compiler makes of it is up to the target.
#[derive(Clone, Copy)]
pub(crate) struct Plain<E>([E; 4]);

impl<E: Exp> Lanes<E> for Plain<E> {
    const LEN: usize = 4;

    #[inline(always)]
    unsafe fn splat(x: E) -> Self {
        Plain([x; 4])
    }

    #[inline(always)]
    unsafe fn load(from: *const E) -> Self {
        // SAFETY: the caller's pointer has `LEN` numbers behind it.
        Plain(unsafe { from.cast::<[E; 4]>().read_unaligned() })
    }

    #[inline(always)]
    unsafe fn load_first(from: *const E, n: usize) -> Self {
        // SAFETY: the caller's pointer has `n` numbers behind it.
        Plain(core::array::from_fn(|i| if i < n { unsafe { *from.add(i) } } else { E::zero() }))
    }

    #[inline(always)]
    unsafe fn store(self, to: *mut E) {
        // SAFETY: as for `load`.
        unsafe { to.cast::<[E; 4]>().write_unaligned(self.0) }
    }

    #[inline(always)]
    unsafe fn store_first(self, to: *mut E, n: usize) {
        for (i, &x) in self.0.iter().enumerate().take(n) {
            // SAFETY: as for `load_first`.
            unsafe { *to.add(i) = x };
        }
    }

    #[inline(always)]
    unsafe fn mul_add(self, b: Self, c: Self) -> Self {
        Plain(core::array::from_fn(|i| self.0[i] * b.0[i] + c.0[i]))
    }

    #[inline(always)]
    unsafe fn add(self, b: Self) -> Self {
        Plain(core::array::from_fn(|i| self.0[i] + b.0[i]))
    }

    #[inline(always)]
    unsafe fn sub(self, b: Self) -> Self {
        Plain(core::array::from_fn(|i| self.0[i] - b.0[i]))
    }

    #[inline(always)]
    unsafe fn mul(self, b: Self) -> Self {
        Plain(core::array::from_fn(|i| self.0[i] * b.0[i]))
    }

    #[inline(always)]
    unsafe fn div(self, b: Self) -> Self {
        Plain(core::array::from_fn(|i| self.0[i] / b.0[i]))
    }

    #[inline(always)]
    unsafe fn abs(self) -> Self {
        Plain(core::array::from_fn(|i| self.0[i].abs()))
    }

    #[inline(always)]
    unsafe fn copysign(self, with: Self) -> Self {
        Plain(core::array::from_fn(|i| self.0[i].copysign(with.0[i])))
    }

    #[inline(always)]
    unsafe fn scaled(self, n: Self) -> Self {
        Plain(core::array::from_fn(|i| self.0[i].scaled(n.0[i])))
    }

    #[inline(always)]
    unsafe fn split(self, Plain([e, f, g, h]): Self) -> [Self; 2] {
        let Plain([a, b, c, d]) = self;
        [Plain([a, c, e, g]), Plain([b, d, f, h])]
    }

    #[inline(always)]
    unsafe fn join(self, Plain([b, d, f, h]): Self) -> [Self; 2] {
        let Plain([a, c, e, g]) = self;
        [Plain([a, b, c, d]), Plain([e, f, g, h])]
    }

    #[inline(always)]
    unsafe fn if_greater(self, than: Self, yes: Self, no: Self) -> Self {
        Plain(core::array::from_fn(|i| if self.0[i] > than.0[i] { yes.0[i] } else { no.0[i] }))
    }

    #[inline(always)]
    unsafe fn if_equal(self, to: Self, yes: Self, no: Self) -> Self {
        Plain(core::array::from_fn(|i| if self.0[i] == to.0[i] { yes.0[i] } else { no.0[i] }))
    }

    #[inline(always)]
    unsafe fn if_at_most(self, most: Self, yes: Self, no: Self) -> Self {
        Plain(core::array::from_fn(|i| if self.0[i] <= most.0[i] { yes.0[i] } else { no.0[i] }))
    }

    #[inline(always)]
    unsafe fn totals(of: [Self; 4]) -> [E; 4] {
        of.map(|Plain([a, b, c, d])| (a + b) + (c + d))
    }

    #[inline(always)]
    unsafe fn prefetch(_: *const E) {}

    #[inline(always)]
    unsafe fn prefetch_near(_: *const E) {}

    #[inline(always)]
    unsafe fn transpose(from: *const E, row: usize, to: *mut E, col: usize) {
        for i in 0..4 {
            for j in 0..4 {
                // SAFETY: the caller has four rows of four numbers.
                unsafe { *to.add(j * col + i) = *from.add(i * row + j) };
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Isa, Kernel, Lanes, Vector};

    #[test]
    fn a_name_asks_for_less() {
        assert!(Isa::Plain < Isa::Avx2 && Isa::Avx2 < Isa::Avx512);
        let allowed = [None, Some("avx512"), Some("avx2"), Some("plain"), Some("")].map(Isa::allowed);
        assert_eq!(allowed, [Isa::Avx512, Isa::Avx512, Isa::Avx2, Isa::Plain, Isa::Avx512]);
    }

    /// Reads `n` numbers of a register and writes them, the totals of all such registers behind them.
    struct Partly<'a> {
        from: &'a [f32],
        to: &'a mut [f32],
    }

    impl Kernel<f32> for Partly<'_> {
        type Output = [f32; 4];

        #[inline(always)]
        unsafe fn run<V: Lanes<f32>>(self) -> [f32; 4] {
            // SAFETY: both slices have the `n` numbers.
            unsafe {
                let x = V::load_first(self.from.as_ptr(), self.from.len());
                x.store_first(self.to.as_mut_ptr(), self.from.len());
                V::totals([x, V::splat(1.0), x.add(x), x.mul_add(x, x)])
            }
        }
    }

    #[test]
    fn parts_of_registers_and_their_totals() {
        let lanes = f32::lanes();
        for n in 0..lanes {
            let from: Vec<f32> = (0..n).map(|i| i as f32 + 0.5).collect();
            let mut to = vec![-1.0; lanes];
            let totals = f32::run(Partly { from: &from, to: &mut to });
            let sum: f32 = from.iter().sum();
            let squares: f32 = from.iter().map(|x| x * x).sum();
            assert_eq!(totals, [sum, lanes as f32, 2.0 * sum, squares + sum]);
            assert_eq!(to[..n], from);
            assert!(to[n..].iter().all(|&x| x == -1.0));
        }
    }
}
