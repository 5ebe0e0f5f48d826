//! Bytes out: what a peer is owed, handed over as far as it takes it, and the close behind the last of it.
//!
//! `Engine::serve` calls [`flush`](Engine::flush) once after everything that a turn has done for a connection; `fanout.rs` calls
//! [`deliver`](Engine::deliver) for subscribers that are owed nothing else.
//!
//! ```text
//!   [ rest of a frame ][ heads and chunks of the handler ] ─► transport      then, while nothing is owed:
//!   [ the channel's frames, from the cursor on           ] ─► transport
//! ```
//!
//! Invariants: owed before = taken + owed after; a message's frame is never cut by another or by a handler's write; nothing is written
//! to a blocked peer before the poll says so.
//!
//! Next: `fanout.rs`, which decides whom.

use std::io;

use super::Engine;
use super::connection::{Fate, Input, Life, Output, PeerSide, Subscription};
use super::event::{Cause, Stall};
use super::exchange::call;
use super::halves::{Receiving, Sending};
use super::handler::Handler;
use super::transport::{More, Moved, Transport};
use crate::hub::Batch;

/// How much of what it was given a peer took.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Taken {
    All,
    /// It is blocked, or lost.
    Part,
}

impl<T: Transport, H: Handler> Engine<T, H> {
    /// Hands over what is owed, as far as the peer takes it.
    pub(crate) fn flush(&mut self, slot: u32) {
        let was_owed = self.core.at(slot).owed() > 0;
        while self.core.can_send(slot) && self.core.at(slot).owed() > 0 {
            let Some(transport) = &mut self.transports[slot as usize] else { return };
            let connection = &mut self.core.connections[slot as usize];
            let Some(buffers) = &mut connection.buffers else { return };
            let front = buffers.front();
            let length = front.len();
            self.core.counters.writes += 1;
            let outcome = write_some(transport, front);
            if let Ok(moved) = &outcome {
                buffers.take(moved.bytes);
            }
            if self.note_write(slot, length, outcome) == Taken::Part && self.core.at(slot).fate == Fate::Drop
            {
                return;
            }
        }
        if was_owed && self.core.at(slot).owed() == 0 {
            if self.can_hear(slot) {
                // It may be level now, and then nothing will be delivered that would show it.
                self.core.hub.unblock(slot);
            }
            self.core.note_waiting(slot);
        }
        self.tell_drained(slot);
    }

    /// Tells a handler whose write was refused that half of what was owed is gone.
    fn tell_drained(&mut self, slot: u32) {
        let half = self.core.limits.output_bytes_max / 2;
        let connection = self.core.at_mut(slot);
        let is_due = connection.has_exchange() && connection.owed() <= half;
        let Some(buffers) = &mut connection.buffers else { return };
        if is_due && let Some(sight) = &buffers.sight {
            sight.set_open();
        }
        if !(is_due && std::mem::take(&mut buffers.is_awaited)) {
            return;
        }
        let state = &mut self.states[slot as usize];
        let called = call(&mut self.handler, &mut self.core, state, slot, |h, ctx| h.drained(ctx));
        self.after_call(slot, called);
        if self.core.at(slot).owed() > 0 {
            // What it wrote goes out when its next share comes, so that no handler can keep the turn for itself.
            self.core.enqueue(slot);
        }
    }

    // TOUR 4.5
    /// Gives a subscriber the next batch of what it lacks, if it is owed nothing else. A part means that there is something to see
    /// to: it is blocked or lost, or its transport takes less than it is given.
    pub(crate) fn deliver(&mut self, slot: u32) -> Taken {
        if !self.can_be_given(slot) {
            return Taken::All;
        }
        let Some(transport) = &mut self.transports[slot as usize] else { return Taken::All };
        let bytes = match self.core.hub.batch(slot) {
            Batch::Nothing => return Taken::All,
            Batch::End => {
                self.end_stream(slot);
                return Taken::Part;
            }
            Batch::Overrun => {
                self.fail(slot, Cause::Stalled(Stall::Reading));
                return Taken::Part;
            }
            Batch::Broken => {
                self.core.counters.panics += 1;
                self.fail(slot, Cause::Handler);
                return Taken::Part;
            }
            Batch::Bytes(bytes) => bytes,
        };
        let length = bytes.len();
        self.core.counters.writes += 1;
        let outcome = write_some(transport, bytes);
        let taken = outcome.as_ref().map_or(0, |moved| moved.bytes);
        if let Some(rest) = self.core.hub.advance(slot, taken) {
            self.core.buffers(slot).rest = Some(rest);
        }
        if taken > 0 {
            self.core.counters.deliveries += 1;
            let tick = self.core.tick;
            self.core.at_mut(slot).since = tick;
        }
        match self.note_write(slot, length, outcome) {
            Taken::All if taken == length => Taken::All,
            _ => Taken::Part,
        }
    }

    /// Tells a subscriber that its channel has ended, and closes its exchange.
    fn end_stream(&mut self, slot: u32) {
        let mut output = std::mem::take(&mut self.core.buffers(slot).output);
        self.core.hub.write_end(slot, &mut output);
        self.core.buffers(slot).output = output;
        self.core.unsubscribe(slot);
        self.core.ask_at(slot, Life::CloseAsked);
    }

    /// Draws the conclusions of one write of `length` bytes.
    fn note_write(&mut self, slot: u32, length: usize, outcome: io::Result<Moved>) -> Taken {
        let tick = self.core.tick;
        let connection = &mut self.core.connections[slot as usize];
        let is_blocked = match outcome {
            Ok(moved) => {
                self.core.counters.bytes_out += moved.bytes as u64;
                if moved.bytes > 0 {
                    connection.wrote = tick;
                }
                if connection.receiving == Receiving::Quiet {
                    connection.since = tick;
                }
                moved.bytes < length && (moved.more == More::No || moved.bytes == 0)
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => true,
            Err(error) => {
                self.lose(slot, &error);
                return Taken::Part;
            }
        };
        if is_blocked {
            // The write timeout counts from here, or from the last byte taken.
            connection.wrote = tick;
            if connection.subscription != Subscription::None {
                self.core.hub.block(slot);
            }
            self.core.note_blocked(slot);
            return Taken::Part;
        }
        Taken::All
    }

    /// Goes on with the closing of a connection. Says whether it is over.
    pub(crate) fn close(&mut self, slot: u32) -> bool {
        let connection = self.core.at(slot);
        match connection.fate {
            Fate::Drop => return true,
            Fate::Keep => return false,
            Fate::Close | Fate::BreakOff
                if connection.receiving != Receiving::Drain || connection.owed() > 0 =>
            {
                return false;
            }
            Fate::BreakOff => {
                if let Some(transport) = &mut self.transports[slot as usize] {
                    transport.break_off();
                }
                return true;
            }
            Fate::Close => {}
        }
        if connection.peer == PeerSide::Closed {
            return true;
        }
        if connection.output != Output::Shut {
            let failed = self.transports[slot as usize].as_mut().is_none_or(|t| t.shutdown_write().is_err());
            let tick = self.core.tick;
            // A frame that was refused at its first byte leaves nothing owed, and its peer blocked.
            self.core.note_free(slot);
            let connection = self.core.at_mut(slot);
            connection.output = Output::Shut;
            connection.since = tick;
            return failed;
        }
        false
    }

    /// Whether the subscriber on a slot could be given something now.
    pub(crate) fn can_deliver(&self, slot: u32) -> bool {
        self.can_hear(slot) && self.core.hub.lacks(slot)
    }

    /// Whether there is a subscriber on a slot to whom messages go as they are, and who could be given some now. What is parked is
    /// given to its handler, also when that has begun an answer since.
    fn can_hear(&self, slot: u32) -> bool {
        matches!(self.core.at(slot).subscription, Subscription::Quiet | Subscription::Beating)
            && self.can_be_given(slot)
    }

    /// Whether a frame may go out: the head is out, nothing else is owed, and the peer takes bytes.
    pub(crate) fn can_be_given(&self, slot: u32) -> bool {
        let connection = self.core.at(slot);
        let is_streaming = matches!(connection.sending, Sending::Streaming(_));
        is_streaming && connection.output == Output::Free && connection.owed() == 0
    }

    /// Whether a read was announced that nobody has made.
    pub(crate) fn has_unread(&self, slot: u32) -> bool {
        let connection = self.core.at(slot);
        connection.input == Input::Ready && connection.wants_bytes(self.core.limits.head_bytes_max)
    }
}

/// One write; a signal that interrupts it changes nothing.
fn write_some<T: Transport>(transport: &mut T, bytes: &[u8]) -> io::Result<Moved> {
    loop {
        match transport.write(bytes) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            outcome => return outcome,
        }
    }
}
