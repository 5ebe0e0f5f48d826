//! Two lists of those who give way when something is full, oldest first: connections that only wait for a head, when the table is;
//! and subscribers that are blocked, when the hub's memory is.
//!
//! `Core` enters a connection in the first when it has no exchange and takes it out when a request begins or the connection closes, and
//! in the second from a refused write to the next taken one. The lists are threaded through the slab's own entries, so they cost
//! eight bytes each and every step is constant.
//!
//! Invariant: a connection is on one of the lists exactly while it is linked: on the first if it has no exchange, on the second if it
//! has one.
//!
//! Next: `deadlines.rs`, the other way in which waiting ends.

use slab::Slab;

use super::connection::{Connection, NOBODY, UNLINKED};

/// A list: its two ends, and how many stand on it.
pub(crate) struct Waiting {
    oldest: u32,
    newest: u32,
    count: usize,
}

impl Waiting {
    /// Nobody waits.
    pub(crate) fn new() -> Waiting {
        Waiting { oldest: NOBODY, newest: NOBODY, count: 0 }
    }

    /// How many wait.
    pub(crate) fn len(&self) -> usize {
        self.count
    }

    /// Who waits, oldest first.
    pub(crate) fn iter<'c>(&self, connections: &'c Slab<Connection>) -> impl Iterator<Item = u32> + use<'c> {
        let known = |slot: u32| (slot != NOBODY).then_some(slot);
        std::iter::successors(known(self.oldest), move |&slot| known(connections[slot as usize].newer))
    }

    /// Puts a connection at the end, if it is not on the list.
    pub(crate) fn enter(&mut self, connections: &mut Slab<Connection>, slot: u32) {
        let connection = &mut connections[slot as usize];
        if connection.older != UNLINKED {
            return;
        }
        connection.older = self.newest;
        connection.newer = NOBODY;
        match self.newest {
            NOBODY => self.oldest = slot,
            newest => connections[newest as usize].newer = slot,
        }
        self.newest = slot;
        self.count += 1;
    }

    /// Takes a connection off, if it is on the list.
    pub(crate) fn leave(&mut self, connections: &mut Slab<Connection>, slot: u32) {
        let connection = &mut connections[slot as usize];
        let (older, newer) = (connection.older, connection.newer);
        connection.older = UNLINKED;
        match older {
            UNLINKED => return,
            NOBODY => self.oldest = newer,
            older => connections[older as usize].newer = newer,
        }
        self.count -= 1;
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
        assert_eq!(waiting.iter(&connections).collect::<Vec<_>>(), [1, 3, 0]);
        assert_eq!(waiting.len(), 3);
        for slot in [3, 0, 1] {
            waiting.leave(&mut connections, slot);
        }
        assert_eq!((waiting.iter(&connections).next(), waiting.len()), (None, 0));
    }
}
