//! Who only waits for a head: the connections that give way when the table is full, oldest first.
//!
//! `Core` enters a connection here when it has no exchange and takes it out when a request begins or the connection closes. The
//! list is threaded through the slab's own entries, so it costs eight bytes each and every step is constant.
//!
//! Invariant: a connection is on the list exactly while its `waiting` says so, and then it has no exchange.
//!
//! Next: `deadlines.rs`, the other way in which waiting ends.

use slab::Slab;

use super::connection::{Connection, NOBODY};

/// The two ends of the list.
pub(crate) struct Waiting {
    oldest: u32,
    newest: u32,
}

impl Waiting {
    /// Nobody waits.
    pub(crate) fn new() -> Waiting {
        Waiting { oldest: NOBODY, newest: NOBODY }
    }

    /// Who has waited longest.
    pub(crate) fn oldest(&self) -> Option<u32> {
        (self.oldest != NOBODY).then_some(self.oldest)
    }

    /// Puts a connection at the end, if it is not on the list.
    pub(crate) fn enter(&mut self, connections: &mut Slab<Connection>, slot: u32) {
        let connection = &mut connections[slot as usize];
        if connection.waiting {
            return;
        }
        connection.waiting = true;
        connection.older = self.newest;
        connection.newer = NOBODY;
        match self.newest {
            NOBODY => self.oldest = slot,
            newest => connections[newest as usize].newer = slot,
        }
        self.newest = slot;
    }

    /// Takes a connection off, if it is on the list.
    pub(crate) fn leave(&mut self, connections: &mut Slab<Connection>, slot: u32) {
        let connection = &mut connections[slot as usize];
        if !connection.waiting {
            return;
        }
        connection.waiting = false;
        let (older, newer) = (connection.older, connection.newer);
        match older {
            NOBODY => self.oldest = newer,
            older => connections[older as usize].newer = newer,
        }
        match newer {
            NOBODY => self.newest = older,
            newer => connections[newer as usize].older = older,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::time::Tick;

    #[test]
    fn whoever_came_first_is_the_oldest_and_leaving_keeps_the_order() {
        let mut connections = Slab::new();
        let mut waiting = Waiting::new();
        for generation in 0..4 {
            let slot = connections.insert(Connection::new(generation, 0, Tick::default())) as u32;
            waiting.enter(&mut connections, slot);
            waiting.enter(&mut connections, slot);
        }
        waiting.leave(&mut connections, 2);
        waiting.leave(&mut connections, 2);
        waiting.leave(&mut connections, 0);
        waiting.enter(&mut connections, 0);
        let mut order = Vec::new();
        while let Some(slot) = waiting.oldest() {
            order.push(slot);
            waiting.leave(&mut connections, slot);
        }
        assert_eq!(order, [1, 3, 0]);
    }
}
