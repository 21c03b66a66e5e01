//! Chance that can be repeated: everything that is drawn by lot in a run follows from the plan's seed.

/// A generator of numbers (splitmix64, public domain, by Sebastiano Vigna).
#[derive(Clone, Debug)]
pub struct Chance(u64);

impl Chance {
    /// The numbers of a seed.
    pub fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// All 64 bits.
    pub fn draw(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^ (mixed >> 31)
    }

    /// A number below `end`, which is not 0.
    pub fn below(&mut self, end: u32) -> u32 {
        ((u128::from(self.draw()) * u128::from(end)) >> 64) as u32
    }

    /// Between 0 and 1, 1 not included.
    pub fn share(&mut self) -> f64 {
        (self.draw() >> 11) as f64 / (1_u64 << 53) as f64
    }

    /// The gap to the next of independent events that come every `mean_ns` on average: exponential.
    pub fn gap_ns(&mut self, mean_ns: f64) -> u64 {
        // ln of (0, 1], so never infinite.
        (-(1.0 - self.share()).ln() * mean_ns) as u64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_seed_gives_the_same_numbers_and_gaps_have_their_mean() {
        let (mut one, mut other) = (Chance::new(7), Chance::new(7));
        let gaps: Vec<u64> = (0..100_000).map(|_| one.gap_ns(1000.0)).collect();
        assert!((0..100_000).all(|at| other.gap_ns(1000.0) == gaps[at]));
        let mean = gaps.iter().sum::<u64>() as f64 / gaps.len() as f64;
        assert!((980.0..1020.0).contains(&mean), "{mean}");
        assert!((0..1000).all(|_| one.below(3) < 3));
    }
}
