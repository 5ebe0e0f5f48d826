//! The shop: orders that are created, paid, shipped and closed, a message for each change.
//!
//! `topics.rs` asks for the next one.
//!
//! ```text
//!   created ─► paid ─► shipped ─► closed
//!      └─────────┴────────────────►┘        one in eight is cancelled on the way
//! ```
//!
//! Invariant: an order takes these steps in this order, each once, and at most [`OPEN_MAX`] are open.
//!
//! Next: `stream.rs`.

use std::collections::VecDeque;

use super::chance::Dice;

const OPEN_MAX: usize = 12;

/// A shop in which nothing is open would look like one that is shut.
const OPEN_MIN: usize = 4;

const KINDS: [&str; 4] = ["created", "paid", "shipped", "closed"];

/// The orders that are open: number and the index of what has become of it.
#[derive(Default)]
pub(super) struct Shop {
    open: VecDeque<(u64, usize)>,
    count: u64,
}

impl Shop {
    /// What happens next: `{"order":7,"kind":"paid"}`.
    pub(super) fn step(&mut self, dice: &mut Dice) -> String {
        let is_new = self.open.len() < OPEN_MIN || (self.open.len() < OPEN_MAX && dice.roll(3) == 0);
        if is_new {
            self.count += 1;
            self.open.push_back((self.count, 0));
            return tell(self.count, 0);
        }
        // Any of those that have waited longest.
        let chosen = dice.roll(self.open.len().min(4) as u64) as usize;
        let (order, kind) = &mut self.open[chosen];
        *kind = if dice.roll(8) == 0 { KINDS.len() - 1 } else { *kind + 1 };
        let (order, kind) = (*order, *kind);
        if kind == KINDS.len() - 1 {
            self.open.remove(chosen);
        }
        tell(order, kind)
    }
}

fn tell(order: u64, kind: usize) -> String {
    format!("{{\"order\":{order},\"kind\":\"{}\"}}", KINDS[kind])
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeMap;

    #[test]
    fn an_order_goes_forward_and_ends() {
        let (mut shop, mut dice) = (Shop::default(), Dice::default());
        let mut known: BTreeMap<u64, usize> = BTreeMap::new();
        for _ in 0..1_000 {
            let told: serde_json::Value = serde_json::from_str(&shop.step(&mut dice)).unwrap();
            let kind = KINDS.iter().position(|kind| told["kind"] == *kind).unwrap();
            let before = known.insert(told["order"].as_u64().unwrap(), kind);
            assert!(before.map_or(kind == 0, |before| before < kind), "{told} after {before:?}");
            assert!(shop.open.len() <= OPEN_MAX);
        }
        assert!(known.values().filter(|&&kind| kind == KINDS.len() - 1).count() > 100);
    }
}
