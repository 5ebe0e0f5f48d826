//! Bytes in: reading within a budget, and making heads and bodies of what was read.
//!
//! `Engine::serve` calls [`receive`](Engine::receive) when a connection's turn has come. All parsing happens in one scratch buffer
//! that every connection shares:
//!
//! ```text
//!   kept from before ─┐
//!                     ├─► scratch ─► head | body | … ─► events ─► what is left is kept
//!   one read ─────────┘
//! ```
//!
//! Invariants: how the bytes were cut changes nothing; what is kept behind a complete request is at most a head's bound; a loop that
//! is left with an edge unused puts its connection on the list of those with work left, for the poll will not remind us.
//!
//! Next: `bodies.rs`.

use std::io;

use super::Engine;
use super::bodies::TOO_LARGE;
use super::connection::{Continue, Fate, Form, Input, Life, Method, PeerSide, Reading};
use super::core::Core;
use super::event::{Cause, Event, Stall};
use super::exchange::call;
use super::halves::{Arrival, Receiving, Sending};
use super::handler::Handler;
use super::transport::{More, Transport};
use crate::error::Refusal;
use crate::http::{FieldSpace, HeadBounds, Version, parse_head, write_continue};
use crate::limits::Limits;

/// The most body bytes that one read asks for.
pub(crate) const READ_BYTES_MAX: usize = 64 * 1024;

/// Room for what was kept and for one read behind it.
pub(crate) fn scratch_bytes(limits: &Limits) -> usize {
    2 * (READ_BYTES_MAX + limits.head_bytes_max + 1)
}

/// What is left of a connection's share of this turn.
struct Budget {
    bytes: usize,
    requests: usize,
}

/// How feeding went on.
#[derive(PartialEq, Eq)]
pub(crate) enum Step {
    /// Bytes were used; there may be more to do with the rest.
    Used(usize),
    /// The rest has to wait: for more bytes, for the handler, or for the answer.
    Wait,
    /// The rest could be used, but not in this turn.
    Later,
}

impl<T: Transport, H: Handler> Engine<T, H> {
    /// Reads and uses what has come, within the connection's share of a turn.
    pub(crate) fn receive(&mut self, slot: u32) {
        let limits = &self.core.limits;
        let mut budget =
            Budget { bytes: limits.read_bytes_per_turn_max, requests: limits.requests_per_turn_max };
        loop {
            let connection = self.core.at(slot);
            let may_read = connection.input == Input::Ready
                && connection.wants_bytes(self.core.limits.head_bytes_max)
                && budget.bytes > 0;
            if !may_read && !self.has_use_for_kept(slot) {
                break;
            }
            let kept = self.load(slot);
            let read = if may_read { self.read(slot, kept, &mut budget) } else { 0 };
            let is_later = self.feed(slot, kept + read, &mut budget);
            if is_later {
                self.core.enqueue(slot);
                return;
            }
            if self.core.at(slot).fate == Fate::Drop || !may_read {
                break;
            }
        }
        self.check_peer(slot);
        let connection = self.core.at(slot);
        if connection.input == Input::Ready && connection.wants_bytes(self.core.limits.head_bytes_max) {
            self.core.enqueue(slot);
        }
    }

    /// Whether kept bytes can be used without new ones.
    fn has_use_for_kept(&self, slot: u32) -> bool {
        let connection = self.core.at(slot);
        match connection.receiving {
            Receiving::Complete => false,
            // Also without kept bytes: the end of an empty body is told when reading is resumed.
            Receiving::Body => {
                connection.reading == Reading::Flowing
                    && (connection.kept() > 0 || !connection.is_body_missing())
            }
            Receiving::Tunnel => connection.reading == Reading::Flowing && connection.kept() > 0,
            _ => connection.kept() > 0,
        }
    }

    /// Puts the kept bytes at the front of the scratch buffer; says how many they are.
    fn load(&mut self, slot: u32) -> usize {
        let Some(buffers) = &mut self.core.at_mut(slot).buffers else { return 0 };
        let kept = buffers.input.len();
        self.scratch[..kept].copy_from_slice(&buffers.input);
        buffers.input.clear();
        kept
    }

    /// One read behind the kept bytes.
    fn read(&mut self, slot: u32, kept: usize, budget: &mut Budget) -> usize {
        let room = self.core.room(slot, kept).min(budget.bytes).min(self.scratch.len() - kept);
        let Some(transport) = &mut self.transports[slot as usize] else { return 0 };
        self.core.counters.reads += 1;
        let outcome = transport.read(&mut self.scratch[kept..kept + room]);
        let connection = self.core.at_mut(slot);
        match outcome {
            Ok(moved) if moved.bytes == 0 => {
                connection.input = Input::Drained;
                connection.peer = PeerSide::Closed;
                0
            }
            Ok(moved) => {
                // A short read means drained, unless the end of the stream lies behind it: no further edge tells of that.
                if moved.more == More::No && connection.peer == PeerSide::Open {
                    connection.input = Input::Drained;
                }
                budget.bytes -= moved.bytes;
                self.core.counters.bytes_in += moved.bytes as u64;
                moved.bytes
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => 0,
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                connection.input = Input::Drained;
                0
            }
            Err(error) => {
                connection.input = Input::Drained;
                self.lose(slot, &error);
                0
            }
        }
    }

    /// The connection is gone, as a read or a write has found out.
    pub(crate) fn lose(&mut self, slot: u32, error: &io::Error) {
        let cause = match error.kind() {
            io::ErrorKind::ConnectionReset | io::ErrorKind::ConnectionAborted => Cause::Reset,
            // The kernel has waited for the peer too, and counts from the last byte that it took, where we count from the last that the
            // kernel did.
            io::ErrorKind::TimedOut if self.core.at(slot).is_blocked() => Cause::Stalled(Stall::Reading),
            _ => Cause::Disconnected,
        };
        self.core.at_mut(slot).peer = PeerSide::Closed;
        self.fail(slot, cause);
        self.core.at_mut(slot).fate = Fate::Drop;
    }

    /// Uses the first `filled` bytes of the scratch buffer as far as they go, and keeps the rest. Says whether the rest could be
    /// used at once but has to wait for another turn.
    fn feed(&mut self, slot: u32, filled: usize, budget: &mut Budget) -> bool {
        let mut at = 0;
        let is_later = loop {
            if self.core.at(slot).fate == Fate::Drop {
                return false;
            }
            let step = match self.core.at(slot).receiving {
                Receiving::Quiet | Receiving::Head if at == filled => Step::Wait,
                Receiving::Quiet | Receiving::Head if budget.requests == 0 => Step::Later,
                Receiving::Quiet | Receiving::Head => self.feed_head(slot, at, filled, budget),
                Receiving::Body if self.core.at(slot).reading == Reading::Paused => Step::Wait,
                Receiving::Body | Receiving::Swallow => self.feed_body(slot, at, filled),
                Receiving::Complete => Step::Wait,
                Receiving::Tunnel => self.feed_tunnel(slot, at, filled),
                Receiving::Drain => return false,
            };
            match step {
                Step::Used(bytes) => at += bytes,
                Step::Wait => break false,
                Step::Later => break true,
            }
        };
        if at < filled {
            self.keep(slot, at, filled);
        }
        is_later
    }

    /// Keeps bytes of the scratch buffer for later. What grows doubles, but not beyond what a head may be: half heads are what there may be
    /// one of for each connection.
    fn keep(&mut self, slot: u32, at: usize, filled: usize) {
        let rest = &self.scratch[at..filled];
        let head_max = self.core.limits.head_bytes_max;
        let input = &mut self.core.buffers(slot).input;
        debug_assert!(input.is_empty(), "it was loaded into the scratch buffer");
        if input.capacity() < rest.len() {
            input.reserve_exact((2 * input.capacity()).min(head_max).max(rest.len()));
        }
        input.extend_from_slice(rest);
    }

    /// A head, if all of it is there: the exchange begins.
    fn feed_head(&mut self, slot: u32, at: usize, filled: usize, budget: &mut Budget) -> Step {
        // Requests that pile up behind answers which nobody reads: the answers have to leave first.
        if self.core.at(slot).owed() > self.core.limits.output_bytes_max / 2 {
            self.flush(slot);
            if self.core.at(slot).owed() > 0 || self.core.at(slot).fate == Fate::Drop {
                return Step::Wait;
            }
        }
        let bounds = self.core.head_bounds();
        self.core.note_head_bytes(slot);
        let connection = self.core.at_mut(slot);
        let mut scan = connection.buffers.as_mut().map(|b| std::mem::take(&mut b.scan)).unwrap_or_default();
        let bytes = &self.scratch[at..filled];
        let length = match scan.advance(bytes, &bounds) {
            Ok(Some(length)) => length,
            Ok(None) => {
                self.core.buffers(slot).scan = scan;
                return Step::Wait;
            }
            Err(refusal) => return self.refuse_head(slot, refusal, at, filled),
        };
        let mut space = FieldSpace::new();
        let head = match parse_head(&bytes[..length], &mut space, &bounds) {
            Ok(head) => head,
            Err(refusal) => return self.refuse_head(slot, refusal, at, filled),
        };
        budget.requests -= 1;
        self.core.open_exchange(slot, &head);
        let state = &mut self.states[slot as usize];
        let event = Event::Begin(&head);
        let called = call(&mut self.handler, &mut self.core, state, slot, |h, ctx| h.event(event, ctx));
        self.after_call(slot, called);
        self.after_begin(slot, at + length < filled);
        Step::Used(length)
    }

    /// What `Begin` may have decided of the body: a bound that its announced length breaks, or that the peer should send it.
    fn after_begin(&mut self, slot: u32, has_bytes: bool) {
        let connection = self.core.at(slot);
        let announced = connection.buffers.as_ref().map_or(0, |buffers| match connection.receiving {
            Receiving::Body => buffers.decoder.certain(),
            _ => 0,
        });
        let bound = connection.buffers.as_ref().map_or(u64::MAX, |buffers| buffers.body_bytes_max);
        if connection.has_exchange() && connection.is_body_governed() && announced > bound {
            self.fail(slot, Cause::Protocol(TOO_LARGE));
            return;
        }
        if has_bytes && let Some(buffers) = &mut self.core.at_mut(slot).buffers {
            buffers.go_on = Continue::No;
        }
        self.core.offer_continue(slot);
    }

    /// Refuses the head at the front of what is fed.
    fn refuse_head(&mut self, slot: u32, refusal: Refusal, at: usize, filled: usize) -> Step {
        self.core.at_mut(slot).form = Form::of(Version::Http11, method_of(&self.scratch[at..filled]));
        self.answer_refusal(slot, refusal);
        Step::Used(filled - at)
    }

    /// Refuses the part of a head that was kept: no more of it will be waited for.
    pub(crate) fn refuse_kept(&mut self, slot: u32, refusal: Refusal) {
        let connection = self.core.at_mut(slot);
        let method = connection.buffers.as_ref().map_or(Method::Other, |buffers| method_of(&buffers.input));
        connection.form = Form::of(Version::Http11, method);
        self.answer_refusal(slot, refusal);
    }

    /// Answers what is not acceptable, without any event, and closes behind the answer.
    fn answer_refusal(&mut self, slot: u32, refusal: Refusal) {
        self.core.counters.refused += 1;
        self.core.put_refusal(slot, refusal);
        self.core.start_closing(slot, Fate::Close);
    }

    /// What the peer's end means, once everything before it was used.
    fn check_peer(&mut self, slot: u32) {
        let connection = self.core.at(slot);
        if connection.fate == Fate::Drop || connection.peer == PeerSide::Open {
            return;
        }
        if connection.has_exchange() {
            let is_cut_short = connection.peer == PeerSide::Closed
                && connection.is_body_missing()
                && connection.reading == Reading::Flowing
                && connection.kept() == 0;
            if connection.life == Life::Open
                && (is_cut_short || connection.counts_as_gone(self.core.limits.head_bytes_max))
            {
                self.fail(slot, Cause::Disconnected);
            } else if connection.life == Life::Open && connection.is_tunnel_read_out() {
                self.complete(slot);
            }
            return;
        }
        if connection.peer != PeerSide::Closed {
            return;
        }
        match connection.receiving {
            Receiving::Head if connection.has_part_of_head() && connection.owed() == 0 => {
                self.refuse_kept(
                    slot,
                    Refusal::new(400, "the connection was closed before the head was complete"),
                );
            }
            Receiving::Head if !connection.has_part_of_head() => self.core.start_closing(slot, Fate::Close),
            Receiving::Quiet if connection.kept() == 0 => self.core.start_closing(slot, Fate::Close),
            Receiving::Swallow => self.core.start_closing(slot, Fate::Close),
            _ => {}
        }
    }
}

/// What can be told of the method of a head that is not acceptable: an answer to HEAD has no body, also one that refuses it. So little
/// of a head that it might become HEAD counts as one.
fn method_of(head: &[u8]) -> Method {
    let begins = head.iter().position(|&byte| !matches!(byte, b'\r' | b'\n')).unwrap_or(head.len());
    let known = (head.len() - begins).min(b"HEAD ".len());
    if known > 0 && head[begins..begins + known] == b"HEAD "[..known] { Method::Head } else { Method::Other }
}

impl Core {
    /// How many bytes to ask for: those of a body that are sure to come, and a head behind them.
    fn room(&self, slot: u32, kept: usize) -> usize {
        let connection = self.at(slot);
        let head = self.limits.head_bytes_max;
        let certain = match (&connection.buffers, connection.receiving) {
            (Some(buffers), Receiving::Body | Receiving::Swallow) => {
                usize::try_from(buffers.decoder.certain()).unwrap_or(READ_BYTES_MAX).min(READ_BYTES_MAX)
            }
            (_, Receiving::Tunnel | Receiving::Drain) => READ_BYTES_MAX,
            _ => 0,
        };
        (certain + head).saturating_sub(kept).max(1)
    }

    fn head_bounds(&self) -> HeadBounds {
        HeadBounds { bytes_max: self.limits.head_bytes_max, fields_max: self.limits.head_fields_max }
    }

    /// The first byte of a head starts its clock.
    fn note_head_bytes(&mut self, slot: u32) {
        let tick = self.tick;
        let connection = self.at_mut(slot);
        if connection.receiving == Receiving::Quiet {
            connection.receive(Arrival::Bytes);
            connection.since = tick;
        }
    }

    /// Sends `100 Continue` (RFC 9110 §10.1.1) to a peer that waits for it, when its body is wanted.
    pub(crate) fn offer_continue(&mut self, slot: u32) {
        let connection = self.at(slot);
        if connection.owes_continue()
            && connection.sending == Sending::Awaited
            && connection.life == Life::Open
            && connection.reading == Reading::Flowing
        {
            let buffers = self.buffers(slot);
            buffers.go_on = Continue::No;
            write_continue(&mut buffers.output);
        }
    }

    /// The connection closes when what it owes is out. Only without an exchange.
    pub(crate) fn start_closing(&mut self, slot: u32, fate: Fate) {
        self.leave_waiting(slot);
        let tick = self.tick;
        let connection = self.at_mut(slot);
        debug_assert!(!connection.has_exchange(), "closing under an open exchange");
        connection.fate = fate;
        connection.since = tick;
        connection.receive(Arrival::Drain);
        if let Some(buffers) = &mut connection.buffers {
            buffers.input.clear();
        }
        self.enqueue(slot);
    }
}
