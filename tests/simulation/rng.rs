//! A tiny seeded generator (SplitMix64): the only source of chance in the simulator.
//!
//! Called by: everything here that draws. The same seed draws the same numbers for ever, so a failing storm replays exactly.
//!
//! Next: `shape.rs`, then `link.rs`.

use std::time::Duration;

/// A stream of numbers that its seed decides.
#[derive(Clone, Debug)]
pub(crate) struct Rng(u64);

impl Rng {
    pub(crate) fn new(seed: u64) -> Rng {
        Rng(seed)
    }

    /// A generator of its own for a part of the world, so that what one part draws does not shift the others.
    pub(crate) fn fork(&mut self) -> Rng {
        Rng(self.next())
    }

    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ mixed >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ mixed >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ mixed >> 31
    }

    /// A number from `least` to `most`, both included.
    pub(crate) fn between(&mut self, least: usize, most: usize) -> usize {
        debug_assert!(least <= most, "an empty range");
        least + (self.next() % (most - least + 1) as u64) as usize
    }

    /// A number from `least` to `most` whose magnitude is drawn evenly: small ones are as likely as large ones.
    pub(crate) fn magnitude(&mut self, least: usize, most: usize) -> usize {
        let bits = self.between(least.max(1).ilog2() as usize, most.max(1).ilog2() as usize);
        let drawn = (1usize << bits) + (self.next() as usize & ((1 << bits) - 1));
        drawn.clamp(least, most)
    }

    /// True in `percent` of a hundred cases.
    pub(crate) fn chance(&mut self, percent: usize) -> bool {
        self.between(0, 99) < percent
    }

    pub(crate) fn pick<'a, T>(&mut self, from: &'a [T]) -> &'a T {
        &from[self.between(0, from.len() - 1)]
    }

    pub(crate) fn millis(&mut self, least: usize, most: usize) -> Duration {
        Duration::from_millis(self.between(least, most) as u64)
    }
}

#[test]
fn the_same_seed_draws_the_same_numbers() {
    let draw = |seed| {
        let mut rng = Rng::new(seed);
        (0..9).map(|_| rng.magnitude(1, 5000)).collect::<Vec<_>>()
    };
    assert_eq!(draw(7), draw(7));
    assert_ne!(draw(7), draw(8));
    assert!((0..99).flat_map(draw).all(|drawn| (1..=5000).contains(&drawn)));
}
