//! Several numbers in one register.

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
        #[target_feature(enable = "avx2")]
        fn avx2(job: impl Job) {
            job.run();
        }
        if std::is_x86_feature_detected!("avx2") {
            // SAFETY: the processor has the instructions.
            return unsafe { avx2(job) };
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

    /// Writes the `LEN` numbers behind `to`.
    unsafe fn store(self, to: *mut E);

    /// `self * b + c`
    unsafe fn mul_add(self, b: Self, c: Self) -> Self;

    /// `self + b`
    unsafe fn add(self, b: Self) -> Self;
}

#[cfg(target_arch = "x86_64")]
macro_rules! x86 {
    ($($Register:ident of $len:literal $Float:ident: $set1:ident $loadu:ident $storeu:ident $fmadd:ident $add:ident;)*) => { $(
        impl Lanes<$Float> for core::arch::x86_64::$Register {
            const LEN: usize = $len;

            #[inline(always)]
            unsafe fn splat(x: $Float) -> Self {
                // SAFETY: the trait's contract gives the processor and the target feature.
                unsafe { core::arch::x86_64::$set1(x) }
            }

            #[inline(always)]
            unsafe fn load(from: *const $Float) -> Self {
                // SAFETY: as above, and the caller's pointer has `LEN` numbers behind it.
                unsafe { core::arch::x86_64::$loadu(from) }
            }

            #[inline(always)]
            unsafe fn store(self, to: *mut $Float) {
                // SAFETY: as above.
                unsafe { core::arch::x86_64::$storeu(to, self) }
            }

            #[inline(always)]
            unsafe fn mul_add(self, b: Self, c: Self) -> Self {
                // SAFETY: as above.
                unsafe { core::arch::x86_64::$fmadd(self, b, c) }
            }

            #[inline(always)]
            unsafe fn add(self, b: Self) -> Self {
                // SAFETY: as above.
                unsafe { core::arch::x86_64::$add(self, b) }
            }
        }
    )* };
}

#[cfg(target_arch = "x86_64")]
x86! {
    __m256 of 8 f32: _mm256_set1_ps _mm256_loadu_ps _mm256_storeu_ps _mm256_fmadd_ps _mm256_add_ps;
    __m256d of 4 f64: _mm256_set1_pd _mm256_loadu_pd _mm256_storeu_pd _mm256_fmadd_pd _mm256_add_pd;
}

/// Four numbers on any processor; what the compiler makes of it is up to the target.
#[derive(Clone, Copy)]
pub(crate) struct Plain<E>([E; 4]);

impl<E: Copy + core::ops::Add<Output = E> + core::ops::Mul<Output = E>> Lanes<E> for Plain<E> {
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
    unsafe fn store(self, to: *mut E) {
        // SAFETY: as above.
        unsafe { to.cast::<[E; 4]>().write_unaligned(self.0) }
    }

    #[inline(always)]
    unsafe fn mul_add(self, b: Self, c: Self) -> Self {
        Plain(core::array::from_fn(|i| self.0[i] * b.0[i] + c.0[i]))
    }

    #[inline(always)]
    unsafe fn add(self, b: Self) -> Self {
        Plain(core::array::from_fn(|i| self.0[i] + b.0[i]))
    }
}
