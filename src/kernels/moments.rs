//! Mean and deviation.

use super::sum::{dot, sum, sum_of};
use crate::float::Float;

/// The mean of some numbers and the reciprocal of their deviation, `1 / √(variance + ε)`.
#[derive(Clone, Copy)]
pub(crate) struct Moments<E> {
    pub mean: E,
    pub reciprocal: E,
}

impl<E: Float> Moments<E> {
    /// In two passes: the differences from the mean keep their digits where it is large beside them. For the mean itself so do
    /// differences from the first number.
    #[inline(always)]
    pub(crate) fn of(x: &[E], epsilon: E) -> Self {
        let n = E::of(x.len() as f64);
        let first = x[0];
        let mean = first + sum_of(x, |x| x - first) / n;
        let variance = sum_of(x, |x| (x - mean) * (x - mean)) / n;
        Moments { mean, reciprocal: (variance + epsilon).sqrt().recip() }
    }

    /// `y = (x - mean) / deviation`
    #[inline(always)]
    pub(crate) fn normalize(self, x: &[E], y: &mut [E]) {
        y.iter_mut().zip(x).for_each(|(y, &x)| *y = (x - self.mean) * self.reciprocal);
    }

    /// The gradient with respect to `x`, from that with respect to `y`: `(dy - mean(dy) - y mean(dy y)) / deviation`, written
    /// to `dx` or, with `add`, added to it.
    #[inline(always)]
    pub(crate) fn gradient(self, y: &[E], dy: &[E], dx: &mut [E], add: bool) {
        let n = E::of(y.len() as f64);
        let (shift, slope) = (sum(dy) / n, dot(dy, y) / n);
        for (dx, (&y, &dy)) in dx.iter_mut().zip(y.iter().zip(dy)) {
            let before = if add { *dx } else { E::zero() };
            *dx = before + (dy - shift - y * slope) * self.reciprocal;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Moments;
    use crate::noise::Noise;

    #[test]
    fn a_large_mean_leaves_the_deviation_its_digits() {
        // Exact in f32, with variance 1.25.
        let x: Vec<f32> = (0..1000).map(|i| 1e4 + (i % 4) as f32).collect();
        let moments = Moments::of(&x, 0.0);
        assert!((moments.mean - 10001.5).abs() < 2e-3, "{}", moments.mean);
        assert!((moments.reciprocal * 1.25f32.sqrt() - 1.0).abs() < 1e-5, "{}", moments.reciprocal);
        let mut y = vec![0.0; x.len()];
        moments.normalize(&x, &mut y);
        for (y, expected) in y.iter().zip([-1.5f32, -0.5, 0.5, 1.5].map(|x| x / 1.25f32.sqrt()).iter().cycle()) {
            assert!((y - expected).abs() < 2e-3, "{y} is not {expected}");
        }
    }

    #[test]
    fn rows_far_from_zero_are_normalized_as_in_double_precision() {
        let noise = Noise::new(2);
        for len in [1, 7, 128, 4096] {
            let x: Vec<f32> = (0..len).map(|i| (1e4 + 12f64.sqrt() * (noise.uniform(i) - 0.5)) as f32).collect();
            let exact: Vec<f64> = x.iter().map(|&x| x.into()).collect();
            let (mut given, mut expected) = (vec![0.0; x.len()], vec![0.0; x.len()]);
            Moments::of(&x, 1e-5).normalize(&x, &mut given);
            Moments::of(&exact, 1e-5).normalize(&exact, &mut expected);
            // The mean is right to within half of what is between the numbers there, a thousandth.
            assert!(given.iter().zip(&expected).all(|(&y, expected)| (f64::from(y) - expected).abs() < 1.5e-3));
        }
    }
}
