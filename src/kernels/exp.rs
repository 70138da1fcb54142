//! `exp` and functions made of it: polynomials with neither branches nor calls, so that a loop over a slice becomes vector
//! instructions.
//!
//! `exp(x) = 2ⁿ exp(r)`, where `n` is `x / ln 2` rounded, and `exp(r)` is its Taylor series as far as the number type can
//! tell. Number by number, products and sums are rounded one by one and never fused; in registers they are fused where the
//! processor can. Either way a number gives the same bits in every place of a slice.
//!
//! What would be below the normal numbers, `exp` gives as 0, so that softmax, attention, gates and their kind start no denormal
//! numbers. Nothing more is promised: sums and products are those of IEEE 754, denormal numbers and all, because the mode of
//! the processor that would flush them belongs to the thread, and so to the caller. Whoever multiplies their way down there
//! gets the exact numbers, slowly.

use super::numbers::Numbers;

/// What the functions here need to know of a number type.
pub trait Exp: num_traits::Float {
    /// `1.5 * 2^p` for numbers with `p` bits behind the point: added to a number, it leaves the nearest integer in the
    /// last bits.
    const ROUNDING: Self;

    /// `ln 2` as a sum; the first number has zeros at its end, so that a product with `n` is exact.
    const LN_2: [Self; 2];

    /// Between these `exp` neither overflows nor falls below the normal numbers.
    const RANGE: [Self; 2];

    /// `exp(r) - 1` for `|r| <= ln 2 / 2`, exact near zero.
    fn exp_m1_near_zero<N: Numbers<Number = Self>>(r: N) -> N;

    /// `(a + HALF) Φ(-a) exp(a²/2)` for `a >= 0`, where `w = a / (a + HALF)`.
    fn normal_tail<N: Numbers<Number = Self>>(w: N) -> N;

    /// `2ⁿ self`, where the last bits of `n` are an integer.
    fn scaled(self, n: Self) -> Self;
}

/// Where the variable of [`Exp::normal_tail`] is a half. A power of two: what is divided and multiplied is then just below
/// one for small `a`, where the last bit counts least.
const HALF: f64 = 4.0;

/// `c0 + c1 x + c2 x² + ..` by Horner's rule.
macro_rules! polynomial {
    ($x:ident: $c:expr) => { N::all($c) };
    ($x:ident: $c:expr, $($rest:expr),+) => { $x.mul_add(polynomial!($x: $($rest),+), N::all($c)) };
}

macro_rules! exp {
    ($Float:ident: rounding $rounding:literal, ln_2 $ln_2:expr, range $range:expr, taylor [$($factorial:literal)*], tail [$($tail:literal)*]) => {
        impl Exp for $Float {
            const ROUNDING: Self = $rounding;
            const LN_2: [Self; 2] = $ln_2;
            const RANGE: [Self; 2] = $range;

            #[inline(always)]
            fn exp_m1_near_zero<N: Numbers<Number = Self>>(r: N) -> N {
                (r * r).mul_add(polynomial!(r: $(1.0 / $factorial),*), r)
            }

            #[inline(always)]
            fn normal_tail<N: Numbers<Number = Self>>(w: N) -> N {
                polynomial!(w: $($tail),*)
            }

            #[inline(always)]
            fn scaled(self, n: Self) -> Self {
                // The exponent stands above the digits behind the point.
                Self::from_bits(self.to_bits().wrapping_add(n.to_bits() << (Self::MANTISSA_DIGITS - 1)))
            }
        }
    };
}

// The polynomials of the tail interpolate at the zeros of a Chebyshev polynomial; their largest relative error is 2e-9 with
// 12 coefficients, and 5e-15 with 21.
exp!(f32:
    rounding 12582912.0,
    ln_2 [355.0 / 512.0, -2.1219444e-4],
    range [-87.3, 88.72283],
    taylor [2.0 6.0 24.0 120.0 720.0 5040.0],
    tail [
        2.0 -4.383076 5.2338276 -3.1919272 0.29153147 0.7397254 -0.2132321 0.022472866 -0.41232175 0.51626813 -0.24933936
        0.04501308
    ]
);
exp!(f64:
    rounding 6755399441055744.0,
    ln_2 [0.6931471803691238, 1.9082149292705877e-10],
    range [-708.3, 709.7827128],
    taylor [
        2.0 6.0 24.0 120.0 720.0 5040.0 40320.0 362880.0 3628800.0 39916800.0 479001600.0 6227020800.0
    ],
    tail [
        2.0000000000000004 -4.383076486423162 5.233847027190618 -3.1923040557882523 0.2953957533567547 0.7160313333856726
        -0.12029391447630858 -0.2180912605430992 -0.00029235281723886475 0.06124719713573133 0.0641262014903974
        -0.14371891464055342 0.31517572314126924 -0.663359714072621 1.0245425432198458 -1.1991869369650696
        1.0590421103177594 -0.668098613397699 0.2791741795645084 -0.0687693144752844 0.007551775198167817
    ]
);

/// `[n, exp(r) - 1]` with `x = n ln 2 + r`, where `n` is in the last bits.
#[inline(always)]
fn reduced<N: Numbers>(x: N) -> [N; 2] {
    let rounding = N::all(N::Number::ROUNDING);
    let n = x.mul_add(N::of(core::f64::consts::LOG2_E), rounding);
    let [head, tail] = N::Number::LN_2;
    let whole = n - rounding;
    let r = whole.mul_add(N::all(-tail), whole.mul_add(N::all(-head), x));
    [n, N::Number::exp_m1_near_zero(r)]
}

/// `exp(x)`; what would be below the normal numbers is 0.
#[inline(always)]
pub(crate) fn exp<N: Numbers>(x: N) -> N {
    let [n, rest] = reduced(x);
    let [least, most] = N::Number::RANGE.map(N::all);
    let y = least.if_greater(x, N::of(0.0), (N::of(1.0) + rest).scaled(n));
    // The sum is infinite, or not a number where `x` is none.
    x.if_at_most(most, y, x + N::of(f64::INFINITY))
}

/// `tanh(x)`, of `exp(-2 |x|) - 1`, which keeps all digits near zero.
#[inline(always)]
pub(crate) fn tanh<N: Numbers>(x: N) -> N {
    let (one, far) = (N::of(1.0), N::of(-40.0)); // where it is 1 to the last bit of an `f64`
    let twice = -(x.abs() + x.abs());
    let [n, rest] = reduced(far.if_greater(twice, far, twice));
    let power = one.scaled(n);
    let less = power.mul_add(rest, power - one);
    (-less / (N::of(2.0) + less)).copysign(x)
}

/// `1 / (1 + exp(-x))`
#[inline(always)]
pub(crate) fn sigmoid<N: Numbers>(x: N) -> N {
    let (zero, one) = (N::of(0.0), N::of(1.0));
    let decay = exp(-x.abs());
    zero.if_greater(x, decay, one) / (one + decay)
}

/// The normal distribution function `Φ(x)`, to within 1.5e-7 in `f32` and 1e-14 in `f64`, and `exp(-x²/2)`, of which it is made.
#[inline(always)]
pub(crate) fn normal<N: Numbers>(x: N) -> [N; 2] {
    let (zero, one) = (N::of(0.0), N::of(1.0));
    let bell = exp(x * x * N::of(-0.5));
    let far = N::of(40.0); // where the bell is 0 in an `f64`
    let a = far.if_greater(x.abs(), x.abs(), far);
    let near = one / (a + N::of(HALF));
    let tail = bell * (near * N::Number::normal_tail(a * near));
    [zero.if_greater(x, tail, one - tail), bell]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::float::Float;
    use crate::kernels::numbers::{Each, Register, each};
    use crate::kernels::simd::{Job, Kernel, Lanes, with_best};
    use proptest::prelude::*;

    fn close<E: Float>(x: E, given: E, expected: f64, allowed: f64) -> Result<(), TestCaseError> {
        prop_assert!((given.f64() - expected).abs() <= allowed, "at {x}: {given} is not {expected}");
        Ok(())
    }

    /// All functions: `exp`, `tanh`, `sigmoid`, and both of `normal`.
    #[inline(always)]
    fn all<N: Numbers>(x: N) -> [N; 5] {
        let [cdf, bell] = normal(x);
        [exp(x), tanh(x), sigmoid(x), cdf, bell]
    }

    struct All<'a, E> {
        x: &'a [E],
        y: [&'a mut [E]; 5],
    }

    impl<E: Float> Kernel<E> for All<'_, E> {
        type Output = ();

        #[inline(always)]
        unsafe fn run<V: Lanes<E>>(mut self) {
            // SAFETY: all slices are of one length; and the caller's contract.
            unsafe { each::<E, V>(self.x.len(), &mut self) };
        }
    }

    impl<E: Float> Each<E> for All<'_, E> {
        #[inline(always)]
        unsafe fn at<V: Lanes<E>>(&mut self, i: usize, n: usize) {
            // SAFETY: the caller's contract.
            unsafe {
                let y = all(Register::<E, V>::read(self.x.as_ptr().add(i), n));
                for (y, to) in y.into_iter().zip(&mut self.y) {
                    y.write(to.as_mut_ptr().add(i), n);
                }
            }
        }
    }

    /// The same in registers.
    fn all_in_registers<E: Float>(x: &[E]) -> Vec<[E; 5]> {
        let mut y = [(); 5].map(|()| vec![E::nan(); x.len()]);
        E::run(All { x, y: y.each_mut().map(Vec::as_mut_slice) });
        (0..x.len()).map(|i| y.each_ref().map(|y| y[i])).collect()
    }

    /// Against functions of double precision, with so much of the result, or of 1, allowed to be wrong.
    fn all_are_close<E: Float>(x: f64, relative: f64, absolute: f64) -> Result<(), TestCaseError> {
        let given = E::of(x);
        let x = given.f64();
        let [least, most] = E::RANGE;
        for [power, tangent, gate, cdf, bell] in [all(given), all_in_registers(&[given])[0]] {
            close(given, tangent, x.tanh(), x.tanh().abs() * relative)?;
            if given >= least {
                let expected = 1.0 / (1.0 + (-x).exp());
                close(given, gate, expected, expected * relative)?;
            }
            if given >= least && given <= most {
                close(given, power, x.exp(), x.exp() * relative)?;
            }
            close(given, cdf, 0.5 * libm::erfc(-x * core::f64::consts::FRAC_1_SQRT_2), absolute)?;
            close(given, bell, (-0.5 * x * x).exp(), absolute)?;
        }
        Ok(())
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(20_000))]

        #[test]
        fn agree_with_libm(x in -800.0..800.0, small in -10.0..10.0, tiny in -1e-3..1e-3) {
            for x in [x, x / 8.0, small, tiny, tiny * tiny * tiny] {
                all_are_close::<f32>(x, 3e-7, 1.5e-7)?;
                all_are_close::<f64>(x, 1e-14, 1e-14)?;
            }
        }
    }

    fn ends<E: Float>(all: impl Fn(E) -> [E; 5]) {
        let [least, most] = E::RANGE;
        let [infinity, one, zero] = [E::infinity(), E::one(), E::zero()];
        assert!(all(least)[0] >= E::min_positive_value() && all(most)[0].is_finite());
        for below in [least * E::of(1.001), -E::max_value(), -infinity] {
            assert_eq!(all(below), [zero, -one, zero, zero, zero]);
        }
        for above in [most * E::of(1.001), E::max_value(), infinity] {
            assert_eq!(all(above), [infinity, one, one, one, zero]);
        }
        assert_eq!(all(zero)[..3], [one, zero, E::of(0.5)]);
        assert!(all(-zero)[1].is_sign_negative());
        let denormal = E::min_positive_value() / E::of(8.0);
        assert_eq!([all(denormal)[1], all(-denormal)[1], all(denormal)[0]], [denormal, -denormal, one]);
        assert!(all(E::nan()).iter().all(|y| y.is_nan()));
    }

    #[test]
    fn ends_of_the_range_and_what_is_beyond() {
        ends::<f32>(all);
        ends::<f64>(all);
        ends::<f32>(|x| all_in_registers(&[x])[0]);
        ends::<f64>(|x| all_in_registers(&[x])[0]);
        // Some with bits in places that others leave empty.
        let (single, double) = (f32::from_bits(0x7fa5_5555), f64::from_bits(0x7ff5_5555_5555_5555));
        assert!(exp(single).is_nan() && exp(double).is_nan());
        assert!(all_in_registers(&[single])[0][0].is_nan() && all_in_registers(&[double])[0][0].is_nan());
    }

    struct ExpMinus<'a, E> {
        x: &'a [E],
        minus: E,
        y: &'a mut [E],
    }

    impl<E: Float> Job for ExpMinus<'_, E> {
        #[inline(always)]
        fn run(self) {
            for (y, &x) in self.y.iter_mut().zip(self.x) {
                *y = exp(x - self.minus);
            }
        }
    }

    #[test]
    fn a_number_gives_the_same_bits_in_every_place() {
        let x: Vec<f32> = (0..100).map(|i| (i * 37 % 101) as f32 * 1.7 - 90.0).collect();
        let in_registers = all_in_registers(&x);
        for begin in 0..9 {
            for end in begin..x.len() {
                let mut y = vec![0.0; end - begin];
                with_best(ExpMinus { x: &x[begin..end], minus: 0.5, y: &mut y });
                assert!(y.iter().zip(&x[begin..]).all(|(y, &x)| y.to_bits() == exp(x - 0.5).to_bits()));
                assert_eq!(all_in_registers(&x[begin..end]), in_registers[begin..end]);
            }
        }
    }
}
