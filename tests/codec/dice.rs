//! Chance that can be repeated: what is drawn depends on the seed alone, and so does how bytes are cut.

/// Xorshift (Marsaglia, 2003): twenty lines are cheaper than a dependency, and a seed is a whole test.
pub(crate) struct Dice(u64);

impl Dice {
    pub(crate) fn new(seed: u64) -> Dice {
        Dice(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1)
    }

    pub(crate) fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    /// A number below `bound`, which is not zero.
    pub(crate) fn below(&mut self, bound: usize) -> usize {
        (self.next() >> 11) as usize % bound
    }

    /// Cuts `wire` into up to eight pieces, some of them empty.
    pub(crate) fn cut<'a>(&mut self, wire: &'a [u8]) -> Vec<&'a [u8]> {
        let mut cuts: Vec<_> = (0..self.below(8)).map(|_| self.below(wire.len() + 1)).collect();
        cuts.extend([0, wire.len()]);
        cuts.sort_unstable();
        cuts.windows(2).map(|pair| &wire[pair[0]..pair[1]]).collect()
    }
}
