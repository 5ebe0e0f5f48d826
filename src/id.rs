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
///
/// ```
/// use encke::{Event, WriteError, testing};
/// use std::cell::Cell;
///
/// let last = Cell::new(None);
/// let mut server = testing::serve(|event, ctx| {
///     if let Event::Begin(_) = event {
///         last.set(Some(ctx.id()));
///     }
/// });
/// let peer = server.get("/");
/// let first = last.get().expect("it has begun");
/// server.run(|_, core| core.close(first));
/// server.send(peer, "GET /again HTTP/1.1\r\nHost: a\r\n\r\n");
/// assert_ne!(last.get(), Some(first), "the same connection, another exchange");
/// assert_eq!(server.run(|_, core| core.write(first, b"whom?")), Err(WriteError::Ended));
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ExchangeId {
    pub(crate) slot: u32,
    pub(crate) generation: u32,
}

/// One connection from accept to close: what the driver of an engine puts into its poll tokens.
///
/// ```
/// use encke::testing::{Link, OnEvent};
/// use encke::{ConnectionId, Engine, Limits, time::Now};
///
/// let now = Now::default();
/// let mut engine = Engine::new(OnEvent(|_, _| {}), Limits::default(), 1, now)?;
/// let id = engine.open(Link::new(), now).ok().expect("there is room");
///
/// // A poll keeps one number for each socket, and gives it back with each event.
/// let token: u64 = id.to_bits();
/// assert_eq!(ConnectionId::from_bits(token), id);
/// assert!(engine.transport_mut(ConnectionId::from_bits(token)).is_some());
/// # Ok::<(), encke::LimitsError>(())
/// ```
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
