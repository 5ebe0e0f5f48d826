//! The shutdown: everybody is told, everybody may finish, and it has an end.
//!
//! `Core::shutdown` begins it; each turn then walks a slice of the slab:
//!
//! * idle connections close, a half-sent head is answered 503;
//! * an exchange whose request is still coming may complete it; one whose answer has a length may finish it;
//! * every other exchange gets what it lacks of its channels, then `End(Shutdown)`, its last words, and the end of its answer. A
//!   subscriber that is blocked has until the deadline to take what it lacks.
//!
//! What is not handed over at the deadline is cut, and looks so.
//!
//! Invariant: after the deadline no connection is left, whatever peers and handlers do.
//!
//! Next: `remote.rs`.

use super::Engine;
use super::connection::{Fate, Life, Subscription};
use super::core::Shutdown;
use super::event::{Cause, End, Stall};
use super::halves::{Receiving, Sending};
use super::handler::Handler;
use super::transport::Transport;
use crate::error::Refusal;

impl<T: Transport, H: Handler> Engine<T, H> {
    /// One slice of the shutdown, if one has begun.
    pub(crate) fn continue_shutdown(&mut self) {
        let Shutdown::Draining { next, deadline } = self.core.shutdown else { return };
        if deadline.is_due(self.core.tick) {
            self.cut_all();
            self.core.shutdown = Shutdown::Draining { next: self.slots(), deadline };
            return;
        }
        let end = self.slots().min(next.saturating_add(self.core.limits.resumptions_per_turn_max as u32));
        for slot in next..end {
            if self.core.connections.contains(slot as usize) {
                self.dismiss(slot);
                self.serve(slot);
            }
        }
        if end > next {
            self.core.shutdown = Shutdown::Draining { next: end, deadline };
        }
    }

    /// Ends what may end on one connection.
    fn dismiss(&mut self, slot: u32) {
        self.settle(slot);
        let connection = self.core.at(slot);
        if !connection.has_exchange() {
            match connection.receiving {
                Receiving::Head if connection.has_part_of_head() => {
                    self.refuse_kept(
                        slot,
                        Refusal::new(503, "the server is shutting down; try again in a moment"),
                    );
                }
                Receiving::Drain => {}
                _ => self.core.start_closing(slot, Fate::Close),
            }
            return;
        }
        if connection.sending == Sending::Sized
            || connection.is_body_missing() && connection.sending == Sending::Awaited
        {
            self.core.at_mut(slot).fate = Fate::Close;
            return;
        }
        // A healthy subscriber is at most a few batches behind; what a ring holds bounds the loop.
        while self.can_deliver(slot) {
            self.deliver(slot);
        }
        if self.core.at(slot).has_exchange() && !self.lacks_messages(slot) {
            self.end(slot, End::Shutdown);
        }
        // Who lacks something is blocked, and has until the deadline to take it.
    }

    /// Whether a stream that was kept for what it lacked has it all by now.
    pub(crate) fn may_leave_now(&self, slot: u32) -> bool {
        let connection = self.core.at(slot);
        self.core.is_shutting_down()
            && matches!(connection.subscription, Subscription::Quiet | Subscription::Beating)
            && connection.life == Life::Open
            && connection.owed() == 0
            && !self.lacks_messages(slot)
    }

    /// Whether messages flow to the exchange on a slot, and some have not reached it.
    fn lacks_messages(&self, slot: u32) -> bool {
        let connection = self.core.at(slot);
        matches!(connection.subscription, Subscription::Quiet | Subscription::Beating)
            && matches!(connection.sending, Sending::Streaming(_))
            && (self.core.hub.lacks(slot) || connection.owed() > 0 && connection.is_blocked())
    }

    /// Cuts every connection: an exchange still open gets `End(Shutdown)`, and what its peer does not take at once is lost.
    pub(crate) fn cut_all(&mut self) {
        for slot in 0..self.slots() {
            if self.core.connections.contains(slot as usize) {
                if self.core.at(slot).has_exchange() && self.core.hub.lacks(slot) && self.lacks_messages(slot)
                {
                    // Its end must not look like that of a stream which has said everything.
                    self.fail(slot, Cause::Stalled(Stall::Reading));
                } else if self.core.at(slot).has_exchange() {
                    self.end(slot, End::Shutdown);
                    // Whoever reads gets the last words; whoever does not has had its time.
                    self.flush(slot);
                }
                self.core.at_mut(slot).fate = Fate::Drop;
                self.remove(slot);
            }
        }
    }

    /// Whether the shutdown has slots left to walk.
    pub(crate) fn has_slots_to_dismiss(&self) -> bool {
        matches!(self.core.shutdown, Shutdown::Draining { next, .. } if next < self.slots())
    }

    fn slots(&self) -> u32 {
        self.transports.len() as u32
    }
}
