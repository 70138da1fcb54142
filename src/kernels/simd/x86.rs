//! The registers of AVX2 and AVX-512.

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
        $Register:ident of $len:literal $Float:ident: $set1:ident $loadu:ident $storeu:ident $fmadd:ident $add:ident $sub:ident $mul:ident $div:ident;
        load_first |$load_from:ident, $load_n:ident| $load_first:expr;
        store_first |$register:ident, $store_to:ident, $store_n:ident| $store_first:expr;
        select |$a:ident, $b:ident, $yes:ident, $no:ident| greater $greater:expr, equal $equal:expr, at_most $at_most:expr;
        bits |$x:ident, $with:ident| abs $abs:expr, copysign $copysign:expr, scaled $scaled:expr;
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
            unsafe fn div(self, b: Self) -> Self {
                // SAFETY: as for `splat`.
                unsafe { $div(self, b) }
            }

            #[inline(always)]
            unsafe fn abs(self) -> Self {
                let $x = self;
                // SAFETY: as for `splat`.
                unsafe { $abs }
            }

            #[inline(always)]
            unsafe fn copysign(self, $with: Self) -> Self {
                let $x = self;
                // SAFETY: as for `splat`.
                unsafe { $copysign }
            }

            #[inline(always)]
            unsafe fn scaled(self, $with: Self) -> Self {
                let $x = self;
                // SAFETY: as for `splat`.
                unsafe { $scaled }
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
            unsafe fn if_at_most(self, $b: Self, $yes: Self, $no: Self) -> Self {
                let $a = self;
                // SAFETY: as for `splat`.
                unsafe { $at_most }
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
            unsafe fn prefetch_near(from: *const $Float) {
                // SAFETY: as above.
                unsafe { _mm_prefetch::<_MM_HINT_T0>(from.cast()) }
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
    __m256 of 8 f32: _mm256_set1_ps _mm256_loadu_ps _mm256_storeu_ps _mm256_fmadd_ps _mm256_add_ps _mm256_sub_ps _mm256_mul_ps _mm256_div_ps;
    load_first |from, n| _mm256_maskload_ps(from, first_32(n));
    store_first |register, to, n| _mm256_maskstore_ps(to, first_32(n), register);
    select |a, b, yes, no| greater _mm256_blendv_ps(no, yes, _mm256_cmp_ps::<_CMP_GT_OQ>(a, b)), equal _mm256_blendv_ps(no, yes, _mm256_cmp_ps::<_CMP_EQ_OQ>(a, b)), at_most _mm256_blendv_ps(no, yes, _mm256_cmp_ps::<_CMP_LE_OQ>(a, b));
    bits |x, with| abs _mm256_andnot_ps(_mm256_set1_ps(-0.0), x),
        copysign _mm256_or_ps(_mm256_andnot_ps(_mm256_set1_ps(-0.0), x), _mm256_and_ps(_mm256_set1_ps(-0.0), with)),
        scaled _mm256_castsi256_ps(_mm256_add_epi32(_mm256_castps_si256(x), _mm256_slli_epi32::<23>(_mm256_castps_si256(with))));
    totals |of| totals_32(of);
    transpose |from, row, to, col| transpose_32(from, row, to, col);
    split split_8, join join_8;
}
lanes! {
    __m256d of 4 f64: _mm256_set1_pd _mm256_loadu_pd _mm256_storeu_pd _mm256_fmadd_pd _mm256_add_pd _mm256_sub_pd _mm256_mul_pd _mm256_div_pd;
    load_first |from, n| _mm256_maskload_pd(from, first_64(n));
    store_first |register, to, n| _mm256_maskstore_pd(to, first_64(n), register);
    select |a, b, yes, no| greater _mm256_blendv_pd(no, yes, _mm256_cmp_pd::<_CMP_GT_OQ>(a, b)), equal _mm256_blendv_pd(no, yes, _mm256_cmp_pd::<_CMP_EQ_OQ>(a, b)), at_most _mm256_blendv_pd(no, yes, _mm256_cmp_pd::<_CMP_LE_OQ>(a, b));
    bits |x, with| abs _mm256_andnot_pd(_mm256_set1_pd(-0.0), x),
        copysign _mm256_or_pd(_mm256_andnot_pd(_mm256_set1_pd(-0.0), x), _mm256_and_pd(_mm256_set1_pd(-0.0), with)),
        scaled _mm256_castsi256_pd(_mm256_add_epi64(_mm256_castpd_si256(x), _mm256_slli_epi64::<52>(_mm256_castpd_si256(with))));
    totals |of| totals_64(of);
    transpose |from, row, to, col| transpose_64(from, row, to, col);
    split split_4, join join_4;
}
lanes! {
    __m512 of 16 f32: _mm512_set1_ps _mm512_loadu_ps _mm512_storeu_ps _mm512_fmadd_ps _mm512_add_ps _mm512_sub_ps _mm512_mul_ps _mm512_div_ps;
    load_first |from, n| _mm512_maskz_loadu_ps((1u16 << n) - 1, from);
    store_first |register, to, n| _mm512_mask_storeu_ps(to, (1u16 << n) - 1, register);
    select |a, b, yes, no| greater _mm512_mask_blend_ps(_mm512_cmp_ps_mask::<_CMP_GT_OQ>(a, b), no, yes), equal _mm512_mask_blend_ps(_mm512_cmp_ps_mask::<_CMP_EQ_OQ>(a, b), no, yes), at_most _mm512_mask_blend_ps(_mm512_cmp_ps_mask::<_CMP_LE_OQ>(a, b), no, yes);
    bits |x, with| abs _mm512_abs_ps(x),
        copysign _mm512_or_ps(_mm512_andnot_ps(_mm512_set1_ps(-0.0), x), _mm512_and_ps(_mm512_set1_ps(-0.0), with)),
        scaled _mm512_castsi512_ps(_mm512_add_epi32(_mm512_castps_si512(x), _mm512_slli_epi32::<23>(_mm512_castps_si512(with))));
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
    __m512d of 8 f64: _mm512_set1_pd _mm512_loadu_pd _mm512_storeu_pd _mm512_fmadd_pd _mm512_add_pd _mm512_sub_pd _mm512_mul_pd _mm512_div_pd;
    load_first |from, n| _mm512_maskz_loadu_pd((1u8 << n) - 1, from);
    store_first |register, to, n| _mm512_mask_storeu_pd(to, (1u8 << n) - 1, register);
    select |a, b, yes, no| greater _mm512_mask_blend_pd(_mm512_cmp_pd_mask::<_CMP_GT_OQ>(a, b), no, yes), equal _mm512_mask_blend_pd(_mm512_cmp_pd_mask::<_CMP_EQ_OQ>(a, b), no, yes), at_most _mm512_mask_blend_pd(_mm512_cmp_pd_mask::<_CMP_LE_OQ>(a, b), no, yes);
    bits |x, with| abs _mm512_abs_pd(x),
        copysign _mm512_or_pd(_mm512_andnot_pd(_mm512_set1_pd(-0.0), x), _mm512_and_pd(_mm512_set1_pd(-0.0), with)),
        scaled _mm512_castsi512_pd(_mm512_add_epi64(_mm512_castpd_si512(x), _mm512_slli_epi64::<52>(_mm512_castpd_si512(with))));
    totals |of| totals_64([halves_64(of[0]), halves_64(of[1]), halves_64(of[2]), halves_64(of[3])]);
    transpose |from, row, to, col| {
        transpose_64(from, row, to, col);
        transpose_64(from.add(4), row, to.add(4 * col), col);
        transpose_64(from.add(4 * row), row, to.add(4), col);
        transpose_64(from.add(4 * row + 4), row, to.add(4 * col + 4), col);
    };
    split split_8_wide, join join_8_wide;
}
