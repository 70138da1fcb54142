//! Random numbers that depend on where they are used and on nothing else.

/// A source of random numbers by index: which thread asks, and in what order, makes no difference.
///
/// The generator is SplitMix64 (Steele, Lea and Flood, "Fast splittable pseudorandom number generators", 2014) with its
/// counter set to the index.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Noise {
    seed: u64,
}

impl Noise {
    /// The source with this seed.
    pub const fn new(seed: u64) -> Self {
        Noise { seed }
    }

    /// The seed.
    pub(crate) const fn seed(self) -> u64 {
        self.seed
    }

    /// Another source, one for each number, that shares nothing with this one.
    pub const fn split(self, stream: u64) -> Self {
        Noise { seed: mix(self.seed ^ mix(stream.wrapping_add(GAMMA))) }
    }

    /// The number at `index`, uniform in `[0, 1)`.
    pub fn uniform(self, index: u64) -> f64 {
        self.bits(index) as f64 / STEPS
    }

    /// Whether the number at `index` is less than `limit / 2^53`: without a conversion, which vectors have none for.
    #[inline(always)]
    pub(crate) fn is_below(self, limit: i64, index: u64) -> bool {
        (self.bits(index) as i64) < limit
    }

    /// The least `limit` for [`Noise::is_below`] that numbers less than `p` are below, and no others.
    pub(crate) fn limit(p: f64) -> i64 {
        (p * STEPS).ceil() as i64
    }

    /// 53 random bits.
    #[inline(always)]
    fn bits(self, index: u64) -> u64 {
        mix(self.seed.wrapping_add(index.wrapping_add(1).wrapping_mul(GAMMA))) >> 11
    }
}

/// `2^53`, so many numbers there are.
const STEPS: f64 = (1u64 << 53) as f64;

const GAMMA: u64 = 0x9E37_79B9_7F4A_7C15;

#[inline(always)]
const fn mix(x: u64) -> u64 {
    let x = (x ^ (x >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    let x = (x ^ (x >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    x ^ (x >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_limit_divides_the_numbers_where_p_does() {
        let noise = Noise::new(3);
        let exact = noise.uniform(5);
        for p in [0.0, 0.25, 1.0 / 3.0, 0.3, 0.999, exact, exact.next_up(), exact.next_down()] {
            let limit = Noise::limit(p);
            assert!((0..2000).all(|i| noise.is_below(limit, i) == (noise.uniform(i) < p)), "{p}");
        }
    }

    #[test]
    fn numbers_are_uniform_and_streams_differ() {
        let noise = Noise::new(7);
        let mean = |noise: Noise| (0..10_000).map(|i| noise.uniform(i)).sum::<f64>() / 1e4;
        assert!((mean(noise) - 0.5).abs() < 0.01);
        assert!((mean(noise.split(3)) - 0.5).abs() < 0.01);
        let same = (0..1000).filter(|&i| noise.split(1).uniform(i) == noise.split(2).uniform(i)).count();
        assert_eq!(same, 0);
    }
}
