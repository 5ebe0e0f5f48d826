//! Lists of those who give way when something is full, oldest first: connections that only wait for a head, when the table is; and
//! peers that are blocked, when memory is.
//!
//! A connection enters the first when it has no exchange and is owed nothing, and leaves it when a request begins or it closes. From a
//! refused write until the poll says that it takes bytes again it stands on one of [`Stalled`]'s, by what it holds, so that whoever
//! has to go is found at the front however many are blocked. The lists are threaded through the slab's own entries, so they cost eight
//! bytes each and every step is constant.
//!
//! Invariant: a connection is on one of the lists of the blocked exactly while it is blocked, and on the first only while it is not.
//!
//! Next: `deadlines.rs`, the other way in which waiting ends.

use slab::Slab;

use super::connection::{Buffers, Connection, Holds, NOBODY, Output, UNLINKED};
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
        if !self.at(slot).is_blocked() {
            self.waiting.leave(&mut self.connections, slot);
        }
    }

    /// Its peer takes nothing for now.
    pub(crate) fn note_blocked(&mut self, slot: u32) {
        if !self.at(slot).is_blocked() {
            self.waiting.leave(&mut self.connections, slot);
            let holds = self.at(slot).buffers.as_deref().map_or(Holds::Nothing, Buffers::holds);
            self.at_mut(slot).output = Output::Blocked(holds);
            self.stalled.of(holds).enter(&mut self.connections, slot);
        }
    }

    /// What it holds may have become more; while its peer is blocked it can only become more.
    pub(crate) fn note_holds(&mut self, slot: u32) {
        let Output::Blocked(held) = self.at(slot).output else { return };
        let holds = self.at(slot).buffers.as_deref().map_or(Holds::Nothing, Buffers::holds);
        if holds != held {
            self.stalled.of(held).leave(&mut self.connections, slot);
            self.at_mut(slot).output = Output::Blocked(holds);
            self.stalled.of(holds).enter(&mut self.connections, slot);
        }
    }

    /// Its peer takes bytes again, or it does not matter any more.
    pub(crate) fn note_free(&mut self, slot: u32) {
        if let Output::Blocked(holds) = self.at(slot).output {
            self.stalled.of(holds).leave(&mut self.connections, slot);
            self.at_mut(slot).output = Output::Free;
        }
    }
}

/// Who is blocked, by what they hold, each list from the one that has been on it longest.
pub(crate) struct Stalled {
    nothing: Waiting,
    frames: Waiting,
    answers: Waiting,
}

impl Stalled {
    /// Nobody is blocked.
    pub(crate) fn new() -> Stalled {
        Stalled { nothing: Waiting::new(), frames: Waiting::new(), answers: Waiting::new() }
    }

    /// How many are blocked.
    pub(crate) fn len(&self) -> usize {
        self.nothing.len() + self.frames.len() + self.answers.len()
    }

    /// Of those who hold a large answer, the one that has been blocked with it longest.
    pub(crate) fn first_with_answer(&self) -> Option<u32> {
        self.answers.first()
    }

    /// Of those who hold the rest of a frame and no large answer, the longest blocked.
    pub(crate) fn first_with_frame(&self) -> Option<u32> {
        self.frames.first()
    }

    fn of(&mut self, holds: Holds) -> &mut Waiting {
        match holds {
            Holds::Nothing => &mut self.nothing,
            Holds::Frame => &mut self.frames,
            Holds::Answer => &mut self.answers,
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

    /// Who has waited longest.
    pub(crate) fn first(&self) -> Option<u32> {
        (self.oldest != NOBODY).then_some(self.oldest)
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
        assert_eq!(waiting.len(), 3);
        for slot in [1, 3, 0] {
            assert_eq!(waiting.first(), Some(slot));
            waiting.leave(&mut connections, slot);
        }
        assert_eq!((waiting.first(), waiting.len()), (None, 0));
    }

    #[test]
    fn who_is_blocked_is_found_by_what_it_holds_and_counted_once() {
        let mut connections = Slab::new();
        let mut stalled = Stalled::new();
        let held = [Holds::Nothing, Holds::Frame, Holds::Answer, Holds::Frame, Holds::Answer];
        for holds in held {
            let slot = connections.insert(Connection::new(0, 0, Tick::default())) as u32;
            stalled.of(holds).enter(&mut connections, slot);
        }
        assert_eq!(
            (stalled.first_with_frame(), stalled.first_with_answer(), stalled.len()),
            (Some(1), Some(2), 5)
        );
        stalled.of(Holds::Frame).leave(&mut connections, 1);
        stalled.of(Holds::Answer).leave(&mut connections, 2);
        assert_eq!(
            (stalled.first_with_frame(), stalled.first_with_answer(), stalled.len()),
            (Some(3), Some(4), 3)
        );
    }
}
