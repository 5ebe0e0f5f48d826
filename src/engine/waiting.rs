//! Two lists of those who give way when something is full, oldest first: connections that only wait for a head, when the table is;
//! and peers that are blocked, when memory is.
//!
//! A connection enters the first when it has no exchange and is owed nothing, and leaves it when a request begins or it closes; it
//! stands on the second from a refused write until the poll says that it takes bytes again, with an exchange or without. The lists are
//! threaded through the slab's own entries, so they cost eight bytes each and every step is constant.
//!
//! Invariant: a connection is on the second list exactly while it is blocked, and on the first only while it is not.
//!
//! Next: `deadlines.rs`, the other way in which waiting ends.

use slab::Slab;

use super::connection::{Connection, NOBODY, Output, UNLINKED};
use super::core::Core;
use super::halves::Receiving;

impl Core {
    /// Counts a connection among those that only wait, if it does: it has no exchange and is owed nothing.
    pub(crate) fn note_waiting(&mut self, slot: u32) {
        let connection = self.at(slot);
        let is_waiting = !connection.has_exchange()
            && matches!(connection.receiving, Receiving::Quiet | Receiving::Head)
            && connection.output == Output::Free
            && connection.owed() == 0;
        if is_waiting {
            self.waiting.enter(&mut self.connections, slot);
        }
    }

    /// It waits no longer.
    pub(crate) fn leave_waiting(&mut self, slot: u32) {
        if self.at(slot).output != Output::Blocked {
            self.waiting.leave(&mut self.connections, slot);
        }
    }

    /// Its peer takes nothing for now.
    pub(crate) fn note_blocked(&mut self, slot: u32) {
        if self.at(slot).output != Output::Blocked {
            self.waiting.leave(&mut self.connections, slot);
            self.at_mut(slot).output = Output::Blocked;
            self.stalled.enter(&mut self.connections, slot);
        }
    }

    /// Its peer takes bytes again, or it does not matter any more.
    pub(crate) fn note_free(&mut self, slot: u32) {
        if self.at(slot).output == Output::Blocked {
            self.stalled.leave(&mut self.connections, slot);
            self.at_mut(slot).output = Output::Free;
        }
    }
}

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
