//! Names that cannot be mistaken for another's.
//!
//! A slot of the slab is used again as soon as it is free, and one connection carries many exchanges. So a name is a
//! slot *and* a generation that has moved on by the time anybody else could be meant: a poll event that was
//! queued for a connection that is gone, or a thread that still holds the handle of an exchange that has ended,
//! reaches nobody (EVENTS: one client's data never goes to another).
//!
//! Next: `limits.rs`.

use std::fmt;

/// One request and its answer. Every call that takes one is a harmless error once that exchange has ended.
///
/// The generation moves at each `End`, so two exchanges on the same connection never share a name.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ExchangeId {
    pub(crate) slot: u32,
    pub(crate) generation: u32,
}

/// One connection from accept to close: what the driver of an engine puts into its poll tokens.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ConnectionId {
    pub(crate) slot: u32,
    pub(crate) generation: u32,
}

impl ConnectionId {
    /// The name as one number, for a poll token.
    #[must_use]
    pub const fn to_bits(self) -> u64 {
        (self.generation as u64) << 32 | self.slot as u64
    }

    /// The name whose number is `bits`. A number that was never one of the engine's names no connection.
    #[must_use]
    pub const fn from_bits(bits: u64) -> ConnectionId {
        ConnectionId { slot: bits as u32, generation: (bits >> 32) as u32 }
    }
}

impl fmt::Debug for ExchangeId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "exchange {}.{}", self.slot, self.generation)
    }
}

impl fmt::Debug for ConnectionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "connection {}.{}", self.slot, self.generation)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_connection_survives_the_way_through_a_poll_token() {
        let id = ConnectionId { slot: 70_000, generation: u32::MAX };
        assert_eq!(ConnectionId::from_bits(id.to_bits()), id);
    }
}
