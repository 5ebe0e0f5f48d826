//! Who has how many connections: the bound for one address, which keeps one party from filling the table.
//!
//! `reactor/mod.rs` asks at each accept and tells of each close.
//!
//! An IPv6 address counts as its /64, because that is what one household or one machine is given; an IPv4 address in IPv6 clothing as
//! itself. Unix-domain peers are not counted. Behind a proxy all peers have the proxy's address, so this bound is for
//! servers that face their peers; what a proxy says about them in a field is not believed.
//!
//! Invariants: the counts are those of the connections that are open; without a bound nothing is kept, for nobody.
//!
//! Next: `mod.rs`.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};

use crate::id::ConnectionId;

/// Connections that are being told 503 at the same time, at most, and at most one in eight of the table; more are closed without a word,
/// so that these cannot fill the table either.
const TURNED_AWAY_MAX: usize = 64;

/// Connections by the party that they belong to.
pub(crate) struct Addresses {
    /// Zero is no bound, and then the rest stays empty.
    bound: usize,
    turned_away_max: usize,
    open: HashMap<Party, usize>,
    /// For each slot of the engine's table, whose it is and in which generation: a slot may have its next owner before the close of
    /// the one before has been told.
    of_slot: Vec<(u32, Party)>,
}

/// Whom a connection counts for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Party {
    Nobody,
    V4([u8; 4]),
    V6Prefix([u8; 8]),
    /// All who are told that they are too many.
    TurnedAway,
}

impl Addresses {
    /// Counts, if there is a bound.
    pub(crate) fn new(bound: usize, connections_max: usize) -> Addresses {
        let turned_away_max = TURNED_AWAY_MAX.min(connections_max / 8).max(1);
        Addresses { bound, turned_away_max, open: HashMap::new(), of_slot: Vec::new() }
    }

    /// Whom a newcomer counts for: its address while that has room, then those who are turned away, and `None` when even they are
    /// too many.
    pub(crate) fn admit(&self, address: Option<IpAddr>) -> Option<Party> {
        let Some(address) = address.filter(|_| self.bound > 0) else { return Some(Party::Nobody) };
        let party = party_of(address);
        if self.count(party) < self.bound {
            return Some(party);
        }
        (self.count(Party::TurnedAway) < self.turned_away_max).then_some(Party::TurnedAway)
    }

    /// Counts a connection that is open now.
    pub(crate) fn enter(&mut self, id: ConnectionId, party: Party) {
        if self.bound == 0 {
            return;
        }
        let slot = id.slot as usize;
        if slot >= self.of_slot.len() {
            self.of_slot.resize(slot + 1, (0, Party::Nobody));
        }
        let (_, before) = std::mem::replace(&mut self.of_slot[slot], (id.generation, party));
        self.take_off(before);
        if party != Party::Nobody {
            *self.open.entry(party).or_default() += 1;
        }
    }

    /// Counts a connection no longer.
    pub(crate) fn leave(&mut self, id: ConnectionId) {
        if let Some((generation, party)) = self.of_slot.get_mut(id.slot as usize)
            && *generation == id.generation
        {
            let party = std::mem::replace(party, Party::Nobody);
            self.take_off(party);
        }
    }

    fn count(&self, party: Party) -> usize {
        self.open.get(&party).copied().unwrap_or(0)
    }

    fn take_off(&mut self, party: Party) {
        if let Some(count) = self.open.get_mut(&party) {
            *count -= 1;
            if *count == 0 {
                self.open.remove(&party);
            }
        }
    }
}

fn party_of(address: IpAddr) -> Party {
    match address.to_canonical() {
        IpAddr::V4(address) => Party::V4(address.octets()),
        IpAddr::V6(address) => Party::V6Prefix(prefix(address)),
    }
}

/// The network's half of an address.
fn prefix(address: Ipv6Addr) -> [u8; 8] {
    let [a, b, c, d, e, f, g, h, ..] = address.octets();
    [a, b, c, d, e, f, g, h]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(slot: u32, generation: u32) -> ConnectionId {
        ConnectionId { slot, generation }
    }

    fn party(text: &str) -> Party {
        party_of(text.parse().expect("an address"))
    }

    #[test]
    fn a_network_of_ipv6_is_one_party_and_so_is_an_address_of_ipv4_in_any_clothing() {
        assert_eq!(party("2001:db8:1:2::1"), party("2001:db8:1:2:ffff::9"));
        assert!(party("2001:db8:1:2::1") != party("2001:db8:1:3::1"));
        assert_eq!(party("192.0.2.7"), party("::ffff:192.0.2.7"));
        assert!(party("192.0.2.7") != party("192.0.2.8"));
    }

    #[test]
    fn counts_follow_the_connections_even_when_a_slot_is_used_again_before_its_close_is_told() {
        let mut addresses = Addresses::new(1, 16_384);
        let (one, other) = ("192.0.2.1".parse().ok(), "192.0.2.2".parse().ok());
        let first = addresses.admit(one).expect("there is room");
        addresses.enter(id(0, 1), first);
        assert_eq!(addresses.admit(one), Some(Party::TurnedAway));
        let second = addresses.admit(other).expect("there is room");
        addresses.enter(id(0, 2), second);
        addresses.leave(id(0, 1));
        assert_eq!(addresses.admit(one), Some(first), "the evicted one is off");
        assert_eq!(addresses.admit(other), Some(Party::TurnedAway), "its successor is not");
        addresses.leave(id(0, 2));
        assert!(addresses.open.is_empty(), "nothing is left");
    }

    #[test]
    fn who_is_turned_away_is_bounded_too() {
        let mut addresses = Addresses::new(1, 16_384);
        let address = "2001:db8::1".parse().ok();
        for slot in 0..=TURNED_AWAY_MAX as u32 {
            let party = addresses.admit(address).expect("one is served, and so many are told");
            addresses.enter(id(slot, slot + 1), party);
        }
        assert_eq!(addresses.admit(address), None);
    }

    #[test]
    fn who_was_turned_away_and_has_gone_leaves_room_for_the_next_to_be_told() {
        let mut addresses = Addresses::new(1, 16_384);
        let address = "192.0.2.1".parse().ok();
        let first = addresses.admit(address).expect("there is room");
        addresses.enter(id(0, 1), first);
        for generation in 2..1_000 {
            assert_eq!(addresses.admit(address), Some(Party::TurnedAway), "visit {generation}");
            addresses.enter(id(1, generation), Party::TurnedAway);
            addresses.leave(id(1, generation));
        }
    }

    #[test]
    fn without_a_bound_nothing_is_kept() {
        let mut addresses = Addresses::new(0, 16_384);
        let party = addresses.admit("192.0.2.1".parse().ok()).expect("anybody");
        addresses.enter(id(7, 1), party);
        addresses.leave(id(7, 1));
        assert_eq!((addresses.of_slot.capacity(), addresses.open.capacity()), (0, 0));
    }
}
