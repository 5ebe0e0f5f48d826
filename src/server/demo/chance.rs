//! Chance: for dice, prices and orders. Nothing that has to be kept secret.
//!
//! `random.rs`, `market.rs` and `shop.rs` roll.
//!
//! Next: `random.rs`.

use std::hash::{BuildHasher, RandomState};

/// SplitMix64 (Steele, Lea and Flood 2014). The standard library's hash keys are random, and its only door to chance.
pub(crate) struct Dice(u64);

impl Default for Dice {
    fn default() -> Dice {
        Dice(RandomState::new().hash_one(0))
    }
}

impl Dice {
    /// A number below `bound`, which is small.
    pub(super) fn roll(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut bits = self.0;
        bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (bits ^ (bits >> 31)) % bound
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_side_comes_and_no_other() {
        let mut dice = Dice::default();
        let mut seen = [0; 10];
        (0..1_000).for_each(|_| seen[dice.roll(10) as usize] += 1);
        assert!(seen.iter().all(|&times| times > 20), "{seen:?}");
    }
}
