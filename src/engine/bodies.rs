//! Bodies and raw bytes: lent to the handler piece by piece, collected for it, or thrown away, each within its bound.
//!
//! `receive.rs` calls, with bytes that have come and stand next in line.
//!
//! ```text
//!   bytes ─► BodyReader ─► Data ─► counted ─┬─► lent: Read(Data)
//!                                           ├─► collected, and entered in the hub's ledger ─► at the end Read(Data), whole
//!                                           └─► discarded
//!                       ─► Done ─► Read(Done), or the connection is back for its next request
//! ```
//!
//! Invariant: a body that breaks its framing or its bound is fatal for its exchange, and nothing behind it is read.
//!
//! Next: `output.rs`, the way out.

use super::Engine;
use super::connection::{BodyUse, Continue, Fate, Reading, SharedCharge};
use super::core::Core;
use super::event::{Cause, End, Event, Read};
use super::exchange::call;
use super::halves::{Arrival, Receiving, Sending};
use super::handler::Handler;
use super::receive::Step;
use super::transport::Transport;
use crate::error::Refusal;
use crate::http::Part;

impl<T: Transport, H: Handler> Engine<T, H> {
    /// The next piece of a body, for the handler or for nobody.
    pub(crate) fn feed_body(&mut self, slot: u32, at: usize, filled: usize) -> Step {
        let input = &self.scratch[at..filled];
        let core = &mut self.core;
        let (used, part) = match core.buffers(slot).decoder.next(input) {
            Ok(step) => step,
            Err(refusal) => {
                self.break_body(slot, refusal);
                return Step::Used(filled - at);
            }
        };
        if used > 0 {
            let data = if let Part::Data(data) = part { data.len() } else { 0 };
            core.note_body_bytes(slot, data);
        }
        let data = match part {
            Part::More => return if used > 0 { Step::Used(used) } else { Step::Wait },
            Part::Done => {
                self.complete(slot);
                return Step::Used(used);
            }
            Part::Data(data) => data,
        };
        if !core.count_body(slot, data.len()) {
            self.break_body(slot, TOO_LARGE);
            return Step::Used(filled - at);
        }
        let connection = core.at_mut(slot);
        if connection.receiving == Receiving::Swallow || connection.body_use() == BodyUse::Discard {
            return Step::Used(used);
        }
        if connection.body_use() == BodyUse::Collect {
            let buffers = core.buffers(slot);
            if !(buffers.collected.is_empty() && buffers.decoder.is_done()) {
                buffers.collected.extend_from_slice(data);
                if !core.enter_collected(slot) {
                    self.break_body(slot, NO_ROOM);
                    return Step::Used(filled - at);
                }
                return Step::Used(used);
            }
            // All of it came in one piece: it is lent where it lies.
        }
        let state = &mut self.states[slot as usize];
        let event = Event::Read(Read::Data(data));
        let called = call(&mut self.handler, core, state, slot, |h, ctx| h.event(event, ctx));
        self.after_call(slot, called);
        Step::Used(used)
    }

    /// The body is complete, or all that comes through a tunnel: what was collected is given, and the end is told.
    pub(crate) fn complete(&mut self, slot: u32) {
        if self.core.at(slot).receiving == Receiving::Swallow {
            self.await_request(slot);
            return;
        }
        self.core.at_mut(slot).receive(Arrival::Complete);
        let id = self.core.exchange_at(slot);
        let collected = std::mem::take(&mut self.core.buffers(slot).collected);
        // What becomes of it is entered anew: as a message, for instance, which is about as large.
        self.core.buffers(slot).charge = None;
        if !collected.is_empty() {
            self.tell(slot, Event::Read(Read::Data(&collected)));
        }
        // Who has made a tunnel of it knows that it is complete, and for a tunnel this would say something else.
        if self.core.slot_of(id).is_ok() && self.core.at(slot).receiving != Receiving::Tunnel {
            self.tell(slot, Event::Read(Read::Done));
        }
        // A request that a shutdown has found half sent was let come in whole; now its turn has come.
        if self.core.is_shutting_down()
            && self.core.slot_of(id).is_ok()
            && self.core.at(slot).sending != Sending::Sized
        {
            self.end(slot, End::Shutdown);
        }
    }

    /// A body that breaks its framing or its bound.
    fn break_body(&mut self, slot: u32, refusal: Refusal) {
        if self.core.at(slot).has_exchange() {
            self.fail(slot, Cause::Protocol(refusal));
        } else {
            self.core.start_closing(slot, Fate::Close);
        }
    }

    /// Raw bytes behind an upgrade.
    pub(crate) fn feed_tunnel(&mut self, slot: u32, at: usize, filled: usize) -> Step {
        if at == filled || self.core.at(slot).reading == Reading::Paused {
            return Step::Wait;
        }
        let tick = self.core.tick;
        self.core.at_mut(slot).since = tick;
        let state = &mut self.states[slot as usize];
        let event = Event::Read(Read::Data(&self.scratch[at..filled]));
        let called = call(&mut self.handler, &mut self.core, state, slot, |h, ctx| h.event(event, ctx));
        self.after_call(slot, called);
        Step::Used(filled - at)
    }
}

/// What a body is answered for which there is no memory left: bodies have their share, or all old messages have gone.
const NO_ROOM: Refusal = Refusal::new(503, "there is no memory left for this body; try again in a moment");

/// What a body that passes its bound is answered.
pub(crate) const TOO_LARGE: Refusal = Refusal::new(413, "the body is larger than is accepted here");

impl Core {
    /// Bytes of a body have come, `data` of them without their framing: they restart its clock and the exchange's, and count for its
    /// rate.
    fn note_body_bytes(&mut self, slot: u32, data: usize) {
        let tick = self.tick;
        let rate = self.limits.body_rate_min;
        let connection = self.at_mut(slot);
        connection.since = tick;
        let buffers = self.buffers(slot);
        buffers.go_on = Continue::No;
        buffers.body_since = tick;
        buffers.note_rate(tick, data, rate);
    }

    /// Counts decoded bytes; says whether they are within the bound.
    fn count_body(&mut self, slot: u32, bytes: usize) -> bool {
        let is_governed = self.at(slot).is_body_governed();
        let buffers = self.buffers(slot);
        buffers.body_bytes += bytes as u64;
        !is_governed || buffers.body_bytes <= buffers.body_bytes_max
    }

    /// Enters what is held of a body into the hub's ledger. Says whether there is room for it: bodies together have half of what may be
    /// held, so that those which are never finished cost others their history only so far. One alone may have more.
    fn enter_collected(&mut self, slot: u32) -> bool {
        let held = self.buffers(slot).collected.capacity();
        let (all, bodies) = (self.hub.ledger().clone(), self.bodies.clone());
        match &mut self.buffers(slot).charge {
            Some(charge) => charge.set(held),
            none => *none = Some(Box::new(SharedCharge::new(&all, &bodies, held))),
        }
        let has_a_share = bodies.held() <= self.limits.memory_bytes_max / 2 || bodies.held() == held;
        has_a_share && self.hub.make_room(0)
    }
}
