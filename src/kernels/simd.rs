//! Several numbers in one register, and the instructions that the processor has for that.

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

    /// Of `2 LEN` numbers, `self` and `behind`, those at even and those at odd places.
    unsafe fn split(self, behind: Self) -> [Self; 2];

    /// The way back: `self` at even places and `odd` at odd ones.
    unsafe fn join(self, odd: Self) -> [Self; 2];

    /// Number by number `yes` where `self > than`, and `no` elsewhere, also where one of them is no number.
    unsafe fn if_greater(self, than: Self, yes: Self, no: Self) -> Self;

    /// Number by number `yes` where `self == to`, and `no` elsewhere, also where one of them is no number.
    unsafe fn if_equal(self, to: Self, yes: Self, no: Self) -> Self;

    /// The sums over the numbers of four registers, each in the same order.
    unsafe fn totals(of: [Self; 4]) -> [E; 4];

    /// Says that the numbers about there, if there are any, will be read soon.
    unsafe fn prefetch(from: *const E);

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

#[cfg(target_arch = "x86_64")]
mod x86 {
    use super::Lanes;
    use core::arch::x86_64::*;

    /// Masks of 32 and 64 bits: `n` of them from `LEN - n` on are set.
    static WINDOW_32: [i32; 16] = [-1, -1, -1, -1, -1, -1, -1, -1, 0, 0, 0, 0, 0, 0, 0, 0];
    static WINDOW_64: [i64; 8] = [-1, -1, -1, -1, 0, 0, 0, 0];

    /// # Safety
    /// AVX2, and `n <= 8`.
    #[inline(always)]
    unsafe fn first_32(n: usize) -> __m256i {
        // SAFETY: the eight numbers behind the one at `8 - n` are in the table.
        unsafe { _mm256_loadu_si256(WINDOW_32.as_ptr().add(8 - n).cast()) }
    }

    /// # Safety
    /// AVX2, and `n <= 4`.
    #[inline(always)]
    unsafe fn first_64(n: usize) -> __m256i {
        // SAFETY: the four numbers behind the one at `4 - n` are in the table.
        unsafe { _mm256_loadu_si256(WINDOW_64.as_ptr().add(4 - n).cast()) }
    }

    /// # Safety
    /// AVX2.
    #[inline(always)]
    unsafe fn totals_32([a, b, c, d]: [__m256; 4]) -> [f32; 4] {
        // SAFETY: the caller has AVX2, and the array is as large as the register.
        unsafe {
            let pairs = _mm256_hadd_ps(_mm256_hadd_ps(a, b), _mm256_hadd_ps(c, d));
            let sums = _mm_add_ps(_mm256_castps256_ps128(pairs), _mm256_extractf128_ps::<1>(pairs));
            core::mem::transmute::<__m128, [f32; 4]>(sums)
        }
    }

    /// # Safety
    /// AVX2.
    #[inline(always)]
    unsafe fn totals_64([a, b, c, d]: [__m256d; 4]) -> [f64; 4] {
        // SAFETY: the caller has AVX2.
        let [[a, b], [c, d]] = unsafe { [pairs_64(a, b), pairs_64(c, d)] };
        [a, b, c, d]
    }

    /// # Safety
    /// AVX2.
    #[inline(always)]
    unsafe fn pairs_64(a: __m256d, b: __m256d) -> [f64; 2] {
        // SAFETY: the caller has AVX2, and the array is as large as the register.
        unsafe {
            let pairs = _mm256_hadd_pd(a, b);
            core::mem::transmute::<__m128d, [f64; 2]>(_mm_add_pd(_mm256_castpd256_pd128(pairs), _mm256_extractf128_pd::<1>(pairs)))
        }
    }

    /// Eight rows of eight numbers, four columns at a time: a register has four numbers of one row and of the fourth behind it.
    ///
    /// # Safety
    /// AVX2, and so many numbers behind both pointers.
    #[inline(always)]
    unsafe fn transpose_32(from: *const f32, row: usize, to: *mut f32, col: usize) {
        for j in [0, 4] {
            // SAFETY: the caller's contract.
            unsafe {
                let mut rows = [_mm256_setzero_ps(); 4];
                for (i, register) in rows.iter_mut().enumerate() {
                    let [near, far] = [_mm_loadu_ps(from.add(i * row + j)), _mm_loadu_ps(from.add((i + 4) * row + j))];
                    *register = _mm256_insertf128_ps::<1>(_mm256_castps128_ps256(near), far);
                }
                let [a, b, c, d] = rows;
                let (ab, cd) = (_mm256_unpacklo_ps(a, b), _mm256_unpacklo_ps(c, d));
                _mm256_storeu_ps(to.add(j * col), _mm256_shuffle_ps::<0b01_00_01_00>(ab, cd));
                _mm256_storeu_ps(to.add((j + 1) * col), _mm256_shuffle_ps::<0b11_10_11_10>(ab, cd));
                let (ab, cd) = (_mm256_unpackhi_ps(a, b), _mm256_unpackhi_ps(c, d));
                _mm256_storeu_ps(to.add((j + 2) * col), _mm256_shuffle_ps::<0b01_00_01_00>(ab, cd));
                _mm256_storeu_ps(to.add((j + 3) * col), _mm256_shuffle_ps::<0b11_10_11_10>(ab, cd));
            }
        }
    }

    /// Four rows of four numbers, two columns at a time.
    ///
    /// # Safety
    /// AVX2, and so many numbers behind both pointers.
    #[inline(always)]
    unsafe fn transpose_64(from: *const f64, row: usize, to: *mut f64, col: usize) {
        for j in [0, 2] {
            // SAFETY: the caller's contract.
            unsafe {
                let mut rows = [_mm256_setzero_pd(); 2];
                for (i, register) in rows.iter_mut().enumerate() {
                    let [near, far] = [_mm_loadu_pd(from.add(i * row + j)), _mm_loadu_pd(from.add((i + 2) * row + j))];
                    *register = _mm256_insertf128_pd::<1>(_mm256_castpd128_pd256(near), far);
                }
                let [a, b] = rows;
                _mm256_storeu_pd(to.add(j * col), _mm256_unpacklo_pd(a, b));
                _mm256_storeu_pd(to.add((j + 1) * col), _mm256_unpackhi_pd(a, b));
            }
        }
    }

    // Not closures: those are functions of their own, without the instructions.

    /// # Safety
    /// AVX-512.
    #[inline(always)]
    unsafe fn halves_32(x: __m512) -> __m256 {
        // SAFETY: the caller has AVX-512.
        unsafe { _mm256_add_ps(_mm512_castps512_ps256(x), _mm512_extractf32x8_ps::<1>(x)) }
    }

    /// # Safety
    /// AVX-512.
    #[inline(always)]
    unsafe fn halves_64(x: __m512d) -> __m256d {
        // SAFETY: the caller has AVX-512.
        unsafe { _mm256_add_pd(_mm512_castpd512_pd256(x), _mm512_extractf64x4_pd::<1>(x)) }
    }

    // What follows takes apart and joins neighbours: within the halves of a register first, then the halves.

    /// # Safety
    /// AVX2.
    #[inline(always)]
    unsafe fn split_8(a: __m256, b: __m256) -> [__m256; 2] {
        // SAFETY: the caller has AVX2.
        unsafe {
            let even = _mm256_castps_pd(_mm256_shuffle_ps::<0b10_00_10_00>(a, b));
            let odd = _mm256_castps_pd(_mm256_shuffle_ps::<0b11_01_11_01>(a, b));
            [_mm256_castpd_ps(_mm256_permute4x64_pd::<0b11_01_10_00>(even)), _mm256_castpd_ps(_mm256_permute4x64_pd::<0b11_01_10_00>(odd))]
        }
    }

    /// # Safety
    /// AVX2.
    #[inline(always)]
    unsafe fn join_8(even: __m256, odd: __m256) -> [__m256; 2] {
        // SAFETY: the caller has AVX2.
        unsafe {
            let (low, high) = (_mm256_unpacklo_ps(even, odd), _mm256_unpackhi_ps(even, odd));
            [_mm256_permute2f128_ps::<0x20>(low, high), _mm256_permute2f128_ps::<0x31>(low, high)]
        }
    }

    /// # Safety
    /// AVX2.
    #[inline(always)]
    unsafe fn split_4(a: __m256d, b: __m256d) -> [__m256d; 2] {
        // SAFETY: the caller has AVX2.
        unsafe {
            let (even, odd) = (_mm256_unpacklo_pd(a, b), _mm256_unpackhi_pd(a, b));
            [_mm256_permute4x64_pd::<0b11_01_10_00>(even), _mm256_permute4x64_pd::<0b11_01_10_00>(odd)]
        }
    }

    /// # Safety
    /// AVX2.
    #[inline(always)]
    unsafe fn join_4(even: __m256d, odd: __m256d) -> [__m256d; 2] {
        // SAFETY: the caller has AVX2.
        unsafe {
            let (low, high) = (_mm256_unpacklo_pd(even, odd), _mm256_unpackhi_pd(even, odd));
            [_mm256_permute2f128_pd::<0x20>(low, high), _mm256_permute2f128_pd::<0x31>(low, high)]
        }
    }

    /// # Safety
    /// AVX-512.
    #[inline(always)]
    unsafe fn split_16(a: __m512, b: __m512) -> [__m512; 2] {
        // SAFETY: the caller has AVX-512.
        unsafe {
            let even = _mm512_setr_epi32(0, 2, 4, 6, 8, 10, 12, 14, 16, 18, 20, 22, 24, 26, 28, 30);
            let odd = _mm512_setr_epi32(1, 3, 5, 7, 9, 11, 13, 15, 17, 19, 21, 23, 25, 27, 29, 31);
            [_mm512_permutex2var_ps(a, even, b), _mm512_permutex2var_ps(a, odd, b)]
        }
    }

    /// # Safety
    /// AVX-512.
    #[inline(always)]
    unsafe fn join_16(even: __m512, odd: __m512) -> [__m512; 2] {
        // SAFETY: the caller has AVX-512.
        unsafe {
            let low = _mm512_setr_epi32(0, 16, 1, 17, 2, 18, 3, 19, 4, 20, 5, 21, 6, 22, 7, 23);
            let high = _mm512_setr_epi32(8, 24, 9, 25, 10, 26, 11, 27, 12, 28, 13, 29, 14, 30, 15, 31);
            [_mm512_permutex2var_ps(even, low, odd), _mm512_permutex2var_ps(even, high, odd)]
        }
    }

    /// # Safety
    /// AVX-512.
    #[inline(always)]
    unsafe fn split_8_wide(a: __m512d, b: __m512d) -> [__m512d; 2] {
        // SAFETY: the caller has AVX-512.
        unsafe {
            let (even, odd) = (_mm512_setr_epi64(0, 2, 4, 6, 8, 10, 12, 14), _mm512_setr_epi64(1, 3, 5, 7, 9, 11, 13, 15));
            [_mm512_permutex2var_pd(a, even, b), _mm512_permutex2var_pd(a, odd, b)]
        }
    }

    /// # Safety
    /// AVX-512.
    #[inline(always)]
    unsafe fn join_8_wide(even: __m512d, odd: __m512d) -> [__m512d; 2] {
        // SAFETY: the caller has AVX-512.
        unsafe {
            let (low, high) = (_mm512_setr_epi64(0, 8, 1, 9, 2, 10, 3, 11), _mm512_setr_epi64(4, 12, 5, 13, 6, 14, 7, 15));
            [_mm512_permutex2var_pd(even, low, odd), _mm512_permutex2var_pd(even, high, odd)]
        }
    }

    macro_rules! lanes {
        (
            $Register:ident of $len:literal $Float:ident: $set1:ident $loadu:ident $storeu:ident $fmadd:ident $add:ident $sub:ident $mul:ident;
            load_first |$load_from:ident, $load_n:ident| $load_first:expr;
            store_first |$register:ident, $store_to:ident, $store_n:ident| $store_first:expr;
            select |$a:ident, $b:ident, $yes:ident, $no:ident| greater $greater:expr, equal $equal:expr;
            totals |$of:ident| $totals:expr;
            transpose |$from:ident, $row:ident, $to:ident, $col:ident| $transpose:expr;
            split $split:ident, join $join:ident;
        ) => {
            impl Lanes<$Float> for $Register {
                const LEN: usize = $len;

                #[inline(always)]
                unsafe fn splat(x: $Float) -> Self {
                    // SAFETY: the trait's contract gives the processor and the target feature.
                    unsafe { $set1(x) }
                }

                #[inline(always)]
                unsafe fn load(from: *const $Float) -> Self {
                    // SAFETY: as above, and the caller's pointer has `LEN` numbers behind it.
                    unsafe { $loadu(from) }
                }

                #[inline(always)]
                unsafe fn load_first($load_from: *const $Float, $load_n: usize) -> Self {
                    // SAFETY: as above, with `n` numbers.
                    unsafe { $load_first }
                }

                #[inline(always)]
                unsafe fn store(self, to: *mut $Float) {
                    // SAFETY: as for `load`.
                    unsafe { $storeu(to, self) }
                }

                #[inline(always)]
                unsafe fn store_first(self, $store_to: *mut $Float, $store_n: usize) {
                    let $register = self;
                    // SAFETY: as for `load_first`.
                    unsafe { $store_first }
                }

                #[inline(always)]
                unsafe fn mul_add(self, b: Self, c: Self) -> Self {
                    // SAFETY: as for `splat`.
                    unsafe { $fmadd(self, b, c) }
                }

                #[inline(always)]
                unsafe fn add(self, b: Self) -> Self {
                    // SAFETY: as for `splat`.
                    unsafe { $add(self, b) }
                }

                #[inline(always)]
                unsafe fn sub(self, b: Self) -> Self {
                    // SAFETY: as for `splat`.
                    unsafe { $sub(self, b) }
                }

                #[inline(always)]
                unsafe fn mul(self, b: Self) -> Self {
                    // SAFETY: as for `splat`.
                    unsafe { $mul(self, b) }
                }

                #[inline(always)]
                unsafe fn split(self, behind: Self) -> [Self; 2] {
                    // SAFETY: as for `splat`.
                    unsafe { $split(self, behind) }
                }

                #[inline(always)]
                unsafe fn join(self, odd: Self) -> [Self; 2] {
                    // SAFETY: as for `splat`.
                    unsafe { $join(self, odd) }
                }

                #[inline(always)]
                unsafe fn if_greater(self, $b: Self, $yes: Self, $no: Self) -> Self {
                    let $a = self;
                    // SAFETY: as for `splat`.
                    unsafe { $greater }
                }

                #[inline(always)]
                unsafe fn if_equal(self, $b: Self, $yes: Self, $no: Self) -> Self {
                    let $a = self;
                    // SAFETY: as for `splat`.
                    unsafe { $equal }
                }

                #[inline(always)]
                unsafe fn totals($of: [Self; 4]) -> [$Float; 4] {
                    // SAFETY: as for `splat`.
                    unsafe { $totals }
                }

                #[inline(always)]
                unsafe fn prefetch(from: *const $Float) {
                    // SAFETY: a hint, which reads nothing.
                    unsafe { _mm_prefetch::<_MM_HINT_T1>(from.cast()) }
                }

                #[inline(always)]
                unsafe fn transpose($from: *const $Float, $row: usize, $to: *mut $Float, $col: usize) {
                    // SAFETY: as for `splat`, and there are so many rows of numbers behind both pointers.
                    unsafe { $transpose }
                }
            }
        };
    }

    lanes! {
        __m256 of 8 f32: _mm256_set1_ps _mm256_loadu_ps _mm256_storeu_ps _mm256_fmadd_ps _mm256_add_ps _mm256_sub_ps _mm256_mul_ps;
        load_first |from, n| _mm256_maskload_ps(from, first_32(n));
        store_first |register, to, n| _mm256_maskstore_ps(to, first_32(n), register);
        select |a, b, yes, no| greater _mm256_blendv_ps(no, yes, _mm256_cmp_ps::<_CMP_GT_OQ>(a, b)), equal _mm256_blendv_ps(no, yes, _mm256_cmp_ps::<_CMP_EQ_OQ>(a, b));
        totals |of| totals_32(of);
        transpose |from, row, to, col| transpose_32(from, row, to, col);
        split split_8, join join_8;
    }
    lanes! {
        __m256d of 4 f64: _mm256_set1_pd _mm256_loadu_pd _mm256_storeu_pd _mm256_fmadd_pd _mm256_add_pd _mm256_sub_pd _mm256_mul_pd;
        load_first |from, n| _mm256_maskload_pd(from, first_64(n));
        store_first |register, to, n| _mm256_maskstore_pd(to, first_64(n), register);
        select |a, b, yes, no| greater _mm256_blendv_pd(no, yes, _mm256_cmp_pd::<_CMP_GT_OQ>(a, b)), equal _mm256_blendv_pd(no, yes, _mm256_cmp_pd::<_CMP_EQ_OQ>(a, b));
        totals |of| totals_64(of);
        transpose |from, row, to, col| transpose_64(from, row, to, col);
        split split_4, join join_4;
    }
    lanes! {
        __m512 of 16 f32: _mm512_set1_ps _mm512_loadu_ps _mm512_storeu_ps _mm512_fmadd_ps _mm512_add_ps _mm512_sub_ps _mm512_mul_ps;
        load_first |from, n| _mm512_maskz_loadu_ps((1u16 << n) - 1, from);
        store_first |register, to, n| _mm512_mask_storeu_ps(to, (1u16 << n) - 1, register);
        select |a, b, yes, no| greater _mm512_mask_blend_ps(_mm512_cmp_ps_mask::<_CMP_GT_OQ>(a, b), no, yes), equal _mm512_mask_blend_ps(_mm512_cmp_ps_mask::<_CMP_EQ_OQ>(a, b), no, yes);
        totals |of| totals_32([halves_32(of[0]), halves_32(of[1]), halves_32(of[2]), halves_32(of[3])]);
        transpose |from, row, to, col| {
            transpose_32(from, row, to, col);
            transpose_32(from.add(8), row, to.add(8 * col), col);
            transpose_32(from.add(8 * row), row, to.add(8), col);
            transpose_32(from.add(8 * row + 8), row, to.add(8 * col + 8), col);
        };
        split split_16, join join_16;
    }
    lanes! {
        __m512d of 8 f64: _mm512_set1_pd _mm512_loadu_pd _mm512_storeu_pd _mm512_fmadd_pd _mm512_add_pd _mm512_sub_pd _mm512_mul_pd;
        load_first |from, n| _mm512_maskz_loadu_pd((1u8 << n) - 1, from);
        store_first |register, to, n| _mm512_mask_storeu_pd(to, (1u8 << n) - 1, register);
        select |a, b, yes, no| greater _mm512_mask_blend_pd(_mm512_cmp_pd_mask::<_CMP_GT_OQ>(a, b), no, yes), equal _mm512_mask_blend_pd(_mm512_cmp_pd_mask::<_CMP_EQ_OQ>(a, b), no, yes);
        totals |of| totals_64([halves_64(of[0]), halves_64(of[1]), halves_64(of[2]), halves_64(of[3])]);
        transpose |from, row, to, col| {
            transpose_64(from, row, to, col);
            transpose_64(from.add(4), row, to.add(4 * col), col);
            transpose_64(from.add(4 * row), row, to.add(4), col);
            transpose_64(from.add(4 * row + 4), row, to.add(4 * col + 4), col);
        };
        split split_8_wide, join join_8_wide;
    }
}

/// Four numbers on any processor; what the compiler makes of it is up to the target.
#[derive(Clone, Copy)]
pub(crate) struct Plain<E>([E; 4]);

impl<E: num_traits::Float> Lanes<E> for Plain<E> {
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
    unsafe fn totals(of: [Self; 4]) -> [E; 4] {
        of.map(|Plain([a, b, c, d])| (a + b) + (c + d))
    }

    #[inline(always)]
    unsafe fn prefetch(_: *const E) {}

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
