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

    /// Another source, one for each number, that shares nothing with this one.
    pub const fn split(self, stream: u64) -> Self {
        Noise { seed: mix(self.seed ^ mix(stream.wrapping_add(GAMMA))) }
    }

    /// The number at `index`, uniform in `[0, 1)`.
    pub fn uniform(self, index: u64) -> f64 {
        const BITS_53: f64 = 1.0 / (1u64 << 53) as f64;
        (mix(self.seed.wrapping_add(index.wrapping_add(1).wrapping_mul(GAMMA))) >> 11) as f64 * BITS_53
    }
}

const GAMMA: u64 = 0x9E37_79B9_7F4A_7C15;

const fn mix(x: u64) -> u64 {
    let x = (x ^ (x >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    let x = (x ^ (x >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    x ^ (x >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

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
