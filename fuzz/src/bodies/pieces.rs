//! Ways to cut bytes, as a network does.
//!
//! What always holds: the cuts depend on the bytes alone, so an input that has failed once fails again.
//!
//! Next: `model.rs`.

/// How many ways there are besides the two regular ones.
const BY_LOT: usize = 4;

/// Calls `read` with the bytes in pieces: one by one, in threes, and in a few ways by lot, some pieces empty.
pub fn for_each_cutting(bytes: &[u8], mut read: impl FnMut(&[&[u8]])) {
    read(&bytes.chunks(1).collect::<Vec<_>>());
    read(&bytes.chunks(3).collect::<Vec<_>>());
    let mut lot = Lot::of(bytes);
    for _ in 0..BY_LOT {
        let mut cuts = vec![0, bytes.len()];
        cuts.extend((0..1 + lot.below(5)).map(|_| lot.below(bytes.len() + 1)));
        cuts.sort_unstable();
        read(&cuts.windows(2).map(|pair| &bytes[pair[0]..pair[1]]).collect::<Vec<_>>());
    }
}

/// Numbers that follow from some bytes (FNV-1a, then SplitMix64).
pub struct Lot(u64);

impl Lot {
    pub fn of(bytes: &[u8]) -> Lot {
        let start = 0xCBF2_9CE4_8422_2325;
        Lot(bytes.iter().fold(start, |hash, &byte| (hash ^ u64::from(byte)).wrapping_mul(0x100_0000_01B3)))
    }

    /// A number below `bound`, which is not zero.
    pub fn below(&mut self, bound: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        (mixed ^ (mixed >> 31)) as usize % bound
    }
}
