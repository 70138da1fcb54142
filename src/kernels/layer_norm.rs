//! Rows whose numbers have a weight each, with mean 0 and variance 1 before that.

use super::moments::Moments;
use super::simd::{Kernel, Lanes};
use crate::float::Float;

/// How many rows are gone through side by side: as many sums do not wait for one another, and have their totals at once.
const TOGETHER: usize = 4;

/// `y = w x̂ + b`, row by row, where `x̂` is `x` normalized.
pub(crate) struct LayerNorm<'a, E> {
    pub x: &'a [E],
    /// As long as a row.
    pub weight: &'a [E],
    pub bias: &'a [E],
    pub epsilon: E,
    pub y: &'a mut [E],
}

/// The gradients of [`LayerNorm`]: those of `w` and `b` are added.
pub(crate) struct LayerNormBack<'a, E> {
    pub x: &'a [E],
    pub dy: &'a [E],
    pub weight: &'a [E],
    pub epsilon: E,
    pub d_weight: &'a mut [E],
    pub d_bias: &'a mut [E],
    /// That of `x`, if somebody wants it, and whether it is added.
    pub d_x: Option<(&'a mut [E], bool)>,
}

/// What is done to a few rows at a time.
trait ByRows<E> {
    /// # Safety
    /// There are `R` rows from `i` on; and the contract of [`Lanes`].
    unsafe fn rows<V: Lanes<E>, const R: usize>(&mut self, i: usize);
}

/// All rows, [`TOGETHER`] and then one by one.
///
/// # Safety
/// They are there; and the contract of [`Lanes`].
#[inline(always)]
unsafe fn all<E, V: Lanes<E>>(rows: usize, work: &mut impl ByRows<E>) {
    let whole = rows / TOGETHER * TOGETHER;
    // SAFETY: the caller's contract.
    unsafe {
        for i in (0..whole).step_by(TOGETHER) {
            work.rows::<V, TOGETHER>(i);
        }
        for i in whole..rows {
            work.rows::<V, 1>(i);
        }
    }
}

impl<E: Float> Kernel<E> for LayerNorm<'_, E> {
    type Output = ();

    #[inline(always)]
    unsafe fn run<V: Lanes<E>>(mut self) {
        let len = self.weight.len();
        let rows = self.y.len() / len;
        assert!(self.x.len() >= rows * len && self.bias.len() == len, "{rows} rows of {len}");
        // SAFETY: as just asserted; and the caller's contract.
        unsafe { all::<E, V>(rows, &mut self) };
    }
}

impl<E: Float> ByRows<E> for LayerNorm<'_, E> {
    #[inline(always)]
    unsafe fn rows<V: Lanes<E>, const R: usize>(&mut self, i: usize) {
        // SAFETY: the caller's contract.
        unsafe {
            let len = self.weight.len();
            let x = Rows::<E, R>::new(self.x.as_ptr().add(i * len), len);
            let normal = Normal::<V, R>::new(x.moments::<V>(self.epsilon));
            let y = self.y.as_mut_ptr().add(i * len);
            for (j, n) in x.registers::<V>() {
                let [weight, bias] = [read::<E, V>(self.weight.as_ptr().add(j), n), read(self.bias.as_ptr().add(j), n)];
                for l in 0..R {
                    write(normal.of(l, x.read(l, j, n)).mul_add(weight, bias), y.add(l * len + j), n);
                }
            }
        }
    }
}

impl<E: Float> Kernel<E> for LayerNormBack<'_, E> {
    type Output = ();

    #[inline(always)]
    unsafe fn run<V: Lanes<E>>(mut self) {
        let len = self.weight.len();
        let rows = self.dy.len() / len;
        assert!(self.x.len() >= rows * len && self.d_weight.len() == len && self.d_bias.len() == len, "{rows} rows of {len}");
        assert!(self.d_x.as_ref().is_none_or(|(d_x, _)| d_x.len() >= rows * len), "a gradient for {rows} rows of {len}");
        // SAFETY: as just asserted; and the caller's contract.
        unsafe { all::<E, V>(rows, &mut self) };
    }
}

impl<E: Float> ByRows<E> for LayerNormBack<'_, E> {
    /// `x̂` is computed anew: that costs less than a place to keep it.
    #[inline(always)]
    unsafe fn rows<V: Lanes<E>, const R: usize>(&mut self, i: usize) {
        // SAFETY: the caller's contract.
        unsafe {
            let len = self.weight.len();
            let x = Rows::<E, R>::new(self.x.as_ptr().add(i * len), len);
            let dy = Rows::<E, R>::new(self.dy.as_ptr().add(i * len), len);
            let normal = Normal::<V, R>::new(x.moments::<V>(self.epsilon));
            let zero = V::splat(E::zero());
            let (mut shifts, mut slopes) = ([zero; TOGETHER], [zero; TOGETHER]);
            for (j, n) in x.registers::<V>() {
                let [d_weight, d_bias] = [self.d_weight.as_mut_ptr().add(j), self.d_bias.as_mut_ptr().add(j)];
                let (mut of_weight, mut of_bias) = (read::<E, V>(d_weight, n), read::<E, V>(d_bias, n));
                let weight = read::<E, V>(self.weight.as_ptr().add(j), n);
                for l in 0..R {
                    let (x, dy) = (normal.of(l, x.read(l, j, n)), dy.read::<V>(l, j, n));
                    let d = dy.mul(weight);
                    (shifts[l], slopes[l]) = (shifts[l].add(d), d.mul_add(x, slopes[l]));
                    (of_weight, of_bias) = (dy.mul_add(x, of_weight), of_bias.add(dy));
                }
                write(of_weight, d_weight, n);
                write(of_bias, d_bias, n);
            }
            let Some((d_x, add)) = &mut self.d_x else { return };
            let (shifts, slopes) = (V::totals(shifts), V::totals(slopes));
            let d_x = d_x.as_mut_ptr().add(i * len);
            let count = E::of(len as f64);
            for (j, n) in x.registers::<V>() {
                let weight = read::<E, V>(self.weight.as_ptr().add(j), n);
                for l in 0..R {
                    let (shift, slope) = (V::splat(shifts[l] / count), V::splat(slopes[l] / count));
                    let (x, d) = (normal.of(l, x.read(l, j, n)), dy.read::<V>(l, j, n).mul(weight));
                    let to = d_x.add(l * len + j);
                    let before = if *add { read(to, n) } else { zero };
                    write(d.sub(shift).sub(x.mul(slope)).mul_add(normal.reciprocals[l], before), to, n);
                }
            }
        }
    }
}

/// Some rows that follow one another.
#[derive(Clone, Copy)]
struct Rows<E, const R: usize> {
    first: *const E,
    len: usize,
}

impl<E: Float, const R: usize> Rows<E, R> {
    fn new(first: *const E, len: usize) -> Self {
        Rows { first, len }
    }

    /// Where the registers of a row begin, and how many numbers each has.
    #[inline(always)]
    fn registers<V: Lanes<E>>(self) -> impl Iterator<Item = (usize, usize)> {
        (0..self.len).step_by(V::LEN).map(move |j| (j, V::LEN.min(self.len - j)))
    }

    /// `n` numbers of a row; behind them, zeros.
    ///
    /// # Safety
    /// They are there; and the contract of [`Lanes`].
    #[inline(always)]
    unsafe fn read<V: Lanes<E>>(self, row: usize, j: usize, n: usize) -> V {
        // SAFETY: the caller's contract.
        unsafe { read(self.first.add(row * self.len + j), n) }
    }

    /// Mean and deviation of each row, as [`Moments::of`] has them.
    ///
    /// # Safety
    /// The rows are there; and the contract of [`Lanes`].
    #[inline(always)]
    unsafe fn moments<V: Lanes<E>>(self, epsilon: E) -> [Moments<E>; R] {
        // SAFETY: the caller's contract.
        unsafe {
            let count = E::of(self.len as f64);
            let mut moments = [Moments { mean: E::zero(), reciprocal: E::one() }; R];
            for (l, of) in moments.iter_mut().enumerate() {
                of.mean = *self.first.add(l * self.len);
            }
            let sums = self.differences::<V, false>(&moments);
            for (of, &sum) in moments.iter_mut().zip(&sums) {
                of.mean += sum / count;
            }
            let squares = self.differences::<V, true>(&moments);
            for (of, &sum) in moments.iter_mut().zip(&squares) {
                of.reciprocal = (sum / count + epsilon).sqrt().recip();
            }
            moments
        }
    }

    /// The sums of each row's differences from its mean, or of their squares.
    ///
    /// # Safety
    /// As for [`Rows::moments`].
    #[inline(always)]
    unsafe fn differences<V: Lanes<E>, const SQUARED: bool>(self, from: &[Moments<E>; R]) -> [E; TOGETHER] {
        // SAFETY: the caller's contract.
        unsafe {
            let mut sums = [V::splat(E::zero()); TOGETHER];
            for (j, n) in self.registers::<V>() {
                for l in 0..R {
                    let d = self.read::<V>(l, j, n).sub(first::<E, V>(from[l].mean, n));
                    sums[l] = if SQUARED { d.mul_add(d, sums[l]) } else { sums[l].add(d) };
                }
            }
            V::totals(sums)
        }
    }
}

/// Means and deviations of rows, in registers.
struct Normal<V, const R: usize> {
    means: [V; R],
    reciprocals: [V; R],
}

impl<V, const R: usize> Normal<V, R> {
    /// # Safety
    /// The contract of [`Lanes`].
    #[inline(always)]
    unsafe fn new<E: Float>(moments: [Moments<E>; R]) -> Self
    where
        V: Lanes<E>,
    {
        // SAFETY: the caller's contract.
        unsafe {
            let zero = V::splat(E::zero());
            let (mut means, mut reciprocals) = ([zero; R], [zero; R]);
            for (l, of) in moments.iter().enumerate() {
                (means[l], reciprocals[l]) = (V::splat(of.mean), V::splat(of.reciprocal));
            }
            Normal { means, reciprocals }
        }
    }

    /// Numbers of a row, normalized.
    ///
    /// # Safety
    /// The contract of [`Lanes`].
    #[inline(always)]
    unsafe fn of<E: Float>(&self, row: usize, x: V) -> V
    where
        V: Lanes<E>,
    {
        // SAFETY: the caller's contract.
        unsafe { x.sub(self.means[row]).mul(self.reciprocals[row]) }
    }
}

/// `n` numbers; behind them, zeros.
///
/// # Safety
/// They are there; and the contract of [`Lanes`].
#[inline(always)]
unsafe fn read<E, V: Lanes<E>>(from: *const E, n: usize) -> V {
    // SAFETY: the caller's contract.
    unsafe { if n == V::LEN { V::load(from) } else { V::load_first(from, n) } }
}

/// Writes `n` numbers.
///
/// # Safety
/// There is room for them; and the contract of [`Lanes`].
#[inline(always)]
unsafe fn write<E, V: Lanes<E>>(x: V, to: *mut E, n: usize) {
    // SAFETY: the caller's contract.
    unsafe { if n == V::LEN { x.store(to) } else { x.store_first(to, n) } }
}

/// The same number in the first `n` places, and zeros in the others.
///
/// # Safety
/// The contract of [`Lanes`].
#[inline(always)]
unsafe fn first<E: Float, V: Lanes<E>>(x: E, n: usize) -> V {
    const LARGEST: usize = 16;
    const { assert!(V::LEN <= LARGEST) }
    // SAFETY: the caller's contract; there are more numbers than a register has.
    unsafe { if n == V::LEN { V::splat(x) } else { V::load_first([x; LARGEST].as_ptr(), n) } }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernels::simd::Vector;
    use crate::noise::Noise;
    use proptest::prelude::*;

    /// `[x, dy, w, b, dw, db, dx]`, as many as they are.
    fn numbers(rows: usize, len: usize) -> [Vec<f64>; 7] {
        [rows, rows, 1, 1, 1, 1, rows].map(|rows| rows * len).map(|count| {
            let noise = Noise::new(5).split(count as u64);
            (0..count as u64).map(|i| 3.0 * noise.uniform(i) - 1.0).collect()
        })
    }

    proptest! {
        /// Rows in fours and one by one, of whole registers and of parts.
        #[test]
        fn as_row_by_row(rows in 1..11usize, len in 1..70usize, add: bool) {
            const EPSILON: f64 = 1e-2;
            let [x, dy, w, b, mut dw, mut db, mut dx] = numbers(rows, len);
            let mut y = vec![0.0; rows * len];
            let [mut expected_y, mut expected_dx, mut expected_dw, mut expected_db] = [y.clone(), dx.clone(), dw.clone(), db.clone()];
            let mut normal = vec![0.0; len];
            for row in 0..rows {
                let own = row * len..(row + 1) * len;
                let (x, dy, moments) = (&x[own.clone()], &dy[own.clone()], Moments::of(&x[own.clone()], EPSILON));
                moments.normalize(x, &mut normal);
                let d: Vec<f64> = dy.iter().zip(&w).map(|(dy, w)| dy * w).collect();
                for j in 0..len {
                    expected_y[own.start + j] = normal[j] * w[j] + b[j];
                    expected_dw[j] += dy[j] * normal[j];
                    expected_db[j] += dy[j];
                }
                moments.gradient(&normal, &d, &mut expected_dx[own], add);
            }
            f64::run(LayerNorm { x: &x, weight: &w, bias: &b, epsilon: EPSILON, y: &mut y });
            let d_x = Some((&mut dx[..], add));
            f64::run(LayerNormBack { x: &x, dy: &dy, weight: &w, epsilon: EPSILON, d_weight: &mut dw, d_bias: &mut db, d_x });
            for (what, given, expected) in [("y", y, expected_y), ("dw", dw, expected_dw), ("db", db, expected_db), ("dx", dx, expected_dx)] {
                for (given, expected) in given.iter().zip(&expected) {
                    prop_assert!((given - expected).abs() < 1e-11 * expected.abs().max(1.0), "{what}: {given} is not {expected}");
                }
            }
        }
    }
}
