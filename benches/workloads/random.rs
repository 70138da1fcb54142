//! Random numbers that are the same in every program that is measured, whatever crates it has.

/// SplitMix64: Steele et al., "Fast splittable pseudorandom number generators", 2014.
pub struct Random(u64);

impl Random {
    pub fn new(seed: u64) -> Self {
        Random(seed)
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let z = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// In (0, 1].
    fn uniform(&mut self) -> f64 {
        ((self.next() >> 11) + 1) as f64 / (1u64 << 53) as f64
    }

    /// So many numbers of mean 0 and variance 1.
    pub fn normals(&mut self, count: usize) -> Vec<f32> {
        let normal = |_| ((-2.0 * self.uniform().ln()).sqrt() * (std::f64::consts::TAU * self.uniform()).cos()) as f32;
        (0..count).map(normal).collect()
    }

    /// So many classes below `classes`.
    pub fn classes(&mut self, count: usize, classes: usize) -> Vec<usize> {
        (0..count).map(|_| (self.next() % classes as u64) as usize).collect()
    }
}
