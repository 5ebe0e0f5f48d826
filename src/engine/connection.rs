//! A connection's entry in the slab, and what it carries while it is busy.
//!
//! The entry is all that an idle connection costs in the engine: no heap, no timer object. Whatever a busy one needs
//! besides (half a head, a body's decoder, output that is not taken) lies in [`Buffers`], which come from a pool when
//! they are wanted and go back when they are empty.
//!
//! Invariants: a connection without an exchange has no state of the handler, no timer and no subscription; one that is
//! `Drain`ing has no exchange; bytes owed before a write = bytes taken + bytes owed after it.
//!
//! Next: `core.rs`, which owns the slab. `tests::the_entry_stays_small` holds the price.

use std::sync::Arc;

use super::halves::{Arrival, Receiving, Reply, Sending};
use super::handle::Sight;
use crate::http::{BodyReader, Framing, HeadScan, Version};
use crate::hub::{Charge, Ledger, Rest};
use crate::time::Tick;

// TOUR 4.2
/// Everything the engine knows of one peer.
pub(crate) struct Connection {
    /// Tells this connection from earlier ones in the same slot.
    pub(crate) generation: u32,
    /// Tells the open exchange, or the next one, from earlier ones in the same slot.
    pub(crate) exchange: u32,
    pub(crate) buffers: Option<Box<Buffers>>,
    /// Neighbours on one of two lists (`waiting.rs`): of connections that only wait for a head, or of blocked subscribers; `older` is
    /// [`UNLINKED`] while it is on neither.
    pub(crate) older: u32,
    pub(crate) newer: u32,
    /// While an exchange is open, when something was last read or written for it: what the comet timeout counts from. Otherwise when the
    /// receiving half last made progress: what the head, keep-alive and linger timeouts count from.
    pub(crate) since: Tick,
    /// When the peer last took a byte, or became blocked: what heartbeat and write timeout count from.
    pub(crate) wrote: Tick,
    /// The exchange's comet timeout in ticks; 0 is never.
    pub(crate) comet: u32,
    pub(crate) receiving: Receiving,
    pub(crate) sending: Sending,
    pub(crate) life: Life,
    pub(crate) input: Input,
    pub(crate) peer: PeerSide,
    pub(crate) output: Output,
    pub(crate) reading: Reading,
    pub(crate) fate: Fate,
    pub(crate) form: Form,
    pub(crate) half_close: HalfClose,
    pub(crate) subscription: Subscription,
    /// Whether the connection stands on the list of those with work left.
    pub(crate) queued: bool,
}

/// What the handler has asked of the open exchange, and how far its end has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Life {
    /// It goes on.
    Open,
    /// The handler closed it.
    CloseAsked,
    /// The handler broke it off.
    AbortAsked,
    /// `End(Closed)` or `End(Shutdown)` is being delivered: the last chance to write.
    LastWords,
    /// It is lost; nothing can be written.
    Lost,
}

/// Whether a read may find something: an edge that has not been used up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Input {
    Drained,
    Ready,
}

/// What is known of the peer's sending side.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum PeerSide {
    Open,
    /// The poll says that it has closed; unread bytes may still lie before the end.
    Closing,
    /// A read has found the end.
    Closed,
}

/// Whether the peer takes bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Output {
    Free,
    /// A write fell short; the poll will say when to go on.
    Blocked(Holds),
    /// The sending side is closed: everything was handed over.
    Shut,
}

/// What of the memory that is counted a blocked peer holds: who holds more than there is room for has to go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Holds {
    Nothing,
    /// The rest of a message's frame.
    Frame,
    /// A large answer, perhaps with the rest of a frame besides.
    Answer,
}

/// Whether the handler wants to be read to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Reading {
    Flowing,
    Paused,
}

/// What becomes of the connection when the present answer is out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fate {
    /// It serves the next request.
    Keep,
    /// The answer says `Connection: close`, or has to: it closes after the last byte.
    Close,
    /// As `Close`, and what is unframed is broken off with a reset, since a plain close would look like its end.
    BreakOff,
    /// Closes at once, whatever is owed.
    Drop,
}

/// What a FIN means while the answer is open (DESIGN: a half-closed peer may still want its answer).
///
/// ```
/// use encke::{Cause, Event, HalfClose, Limits, testing};
///
/// let mut server = testing::serve(|event, ctx| match event {
///     Event::Begin(request) if request.path() == "/tell" => ctx.on_half_close(HalfClose::Tell),
///     Event::Error(Cause::Timeout) => drop(ctx.respond(200, &[], b"At last.\n")),
///     _ => {}
/// });
/// let (patient, told) = (server.get("/"), server.get("/tell"));
/// server.half_close(patient);
/// server.half_close(told);
/// assert!(!server.is_open(told), "it counts as gone at once");
///
/// server.advance(Limits::default().comet_timeout * 2);
/// assert!(server.received(patient).ends_with("At last.\n"));
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum HalfClose {
    /// A peer that shuts down its sending side gets a finite answer whole; on a stream it counts as gone. While no answer has begun
    /// nothing can be told, as it may only have finished sending: who parks an exchange and wants to know chooses `Tell`.
    #[default]
    Auto,
    /// It counts as gone, whatever the answer: `Error(Disconnected)`.
    Tell,
    /// It counts as there until a write fails. The FIN of a tunnel's peer is told as [`Read::Done`](crate::Read::Done): it has sent
    /// all that it will, and may still be written to.
    Keep,
}

/// What happens to the request's body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum BodyUse {
    /// Lent to the handler piece by piece.
    Lend,
    /// Collected, and given whole.
    Collect,
    /// Read and thrown away.
    Discard,
}

/// Whether `100 Continue` is still owed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Continue {
    No,
    Owed,
}

/// What matters of the request's method once its head is gone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Method {
    Head,
    Other,
}

/// The form of the answer, as the request asked for it: its version and its method, in one byte.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Form {
    Http11,
    Http11Head,
    Http10,
    Http10Head,
}

impl Form {
    pub(crate) fn of(version: Version, method: Method) -> Form {
        match (version, method) {
            (Version::Http11, Method::Other) => Form::Http11,
            (Version::Http11, Method::Head) => Form::Http11Head,
            (Version::Http10, Method::Other) => Form::Http10,
            (Version::Http10, Method::Head) => Form::Http10Head,
        }
    }

    pub(crate) fn version(self) -> Version {
        match self {
            Form::Http11 | Form::Http11Head => Version::Http11,
            Form::Http10 | Form::Http10Head => Version::Http10,
        }
    }

    pub(crate) fn method(self) -> Method {
        match self {
            Form::Http11Head | Form::Http10Head => Method::Head,
            Form::Http11 | Form::Http10 => Method::Other,
        }
    }
}

/// Whether the exchange listens to channels.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Subscription {
    None,
    /// Listens, in a wire format without a heartbeat.
    Quiet,
    /// Listens, in one with a heartbeat.
    Beating,
    /// Its answer is held back until there is something to answer.
    Parked,
}

/// "No neighbour" in the list of waiting connections.
pub(crate) const NOBODY: u32 = u32::MAX;

/// "On no list", in the place of a neighbour.
pub(crate) const UNLINKED: u32 = NOBODY - 1;

impl Connection {
    /// A connection that was just accepted: its first head is awaited from now on.
    pub(crate) fn new(generation: u32, exchange: u32, now: Tick) -> Connection {
        Connection {
            generation,
            exchange,
            buffers: None,
            older: UNLINKED,
            newer: NOBODY,
            since: now,
            wrote: now,
            comet: 0,
            receiving: Receiving::Head,
            sending: Sending::Nothing,
            life: Life::Open,
            input: Input::Drained,
            peer: PeerSide::Open,
            output: Output::Free,
            reading: Reading::Flowing,
            fate: Fate::Keep,
            form: Form::Http11,
            half_close: HalfClose::Auto,
            subscription: Subscription::None,
            queued: false,
        }
    }

    /// The one place where the receiving half changes. A step that the table does not know is a bug of the engine.
    pub(crate) fn receive(&mut self, arrival: Arrival) {
        let next = self.receiving.step(arrival);
        debug_assert!(next.is_some(), "{:?} on {arrival:?}", self.receiving);
        self.receiving = next.unwrap_or(Receiving::Drain);
    }

    /// The one place where the sending half changes.
    pub(crate) fn send(&mut self, reply: Reply) {
        let next = self.sending.step(reply);
        debug_assert!(next.is_some(), "{:?} on {reply:?}", self.sending);
        self.sending = next.unwrap_or(Sending::Nothing);
    }

    /// Whether an exchange is open: its `Begin` was delivered or is about to be, its `End` was not.
    pub(crate) fn has_exchange(&self) -> bool {
        self.sending != Sending::Nothing
    }

    /// Whether the peer takes nothing for now.
    pub(crate) fn is_blocked(&self) -> bool {
        matches!(self.output, Output::Blocked(_))
    }

    /// Bytes that wait for the peer to take them.
    pub(crate) fn owed(&self) -> usize {
        self.buffers.as_ref().map_or(0, |buffers| buffers.owed())
    }

    /// Bytes that have come and wait for their turn.
    pub(crate) fn kept(&self) -> usize {
        self.buffers.as_ref().map_or(0, |buffers| buffers.input.len())
    }

    /// Whether a part of a head has come. Blank lines before it are none (RFC 9112 §2.2): some peers end their requests with one, and
    /// are owed nothing for it.
    pub(crate) fn has_part_of_head(&self) -> bool {
        let is_blank = |byte: &u8| matches!(byte, b'\r' | b'\n');
        self.receiving == Receiving::Head
            && self.buffers.as_ref().is_some_and(|buffers| !buffers.input.iter().all(is_blank))
    }

    /// Whether the body's bounds and timeouts hold: while it is collected or discarded, and until an answer begins. After that only
    /// the comet timeout governs it, for a long conversation over one request is what Comet is for.
    pub(crate) fn is_body_governed(&self) -> bool {
        match self.receiving {
            Receiving::Swallow => true,
            Receiving::Body => self.sending == Sending::Awaited || self.body_use() != BodyUse::Lend,
            _ => false,
        }
    }

    /// What happens to the body that is coming.
    pub(crate) fn body_use(&self) -> BodyUse {
        self.buffers.as_ref().map_or(BodyUse::Lend, |buffers| buffers.body_use)
    }

    /// Whether the peer still waits for `100 Continue`.
    pub(crate) fn owes_continue(&self) -> bool {
        self.buffers.as_ref().is_some_and(|buffers| buffers.go_on == Continue::Owed)
    }

    /// Whether the peer's FIN, once read, means that nobody waits for this answer. `kept_max` is as for `wants_bytes`.
    pub(crate) fn counts_as_gone(&self, kept_max: usize) -> bool {
        let is_endless = matches!(self.sending, Sending::Streaming(_) | Sending::Tunnel);
        match (self.peer, self.half_close) {
            (PeerSide::Open, _) | (_, HalfClose::Keep) => false,
            (PeerSide::Closed, HalfClose::Tell) => true,
            (PeerSide::Closed, HalfClose::Auto) => is_endless,
            // The end itself is unread. Where reading has stopped it counts all the same, or it would never be found; but a
            // paused body may be lying whole before it.
            (PeerSide::Closing, HalfClose::Tell) => !self.wants_bytes(kept_max),
            (PeerSide::Closing, HalfClose::Auto) => {
                is_endless && self.receiving != Receiving::Body && !self.wants_bytes(kept_max)
            }
        }
    }

    /// Whether all that a tunnel's peer will ever send was read, and the tunnel stays open for the other half.
    pub(crate) fn is_tunnel_read_out(&self) -> bool {
        self.receiving == Receiving::Tunnel
            && self.peer == PeerSide::Closed
            && self.reading == Reading::Flowing
            && self.kept() == 0
    }

    /// Whether bytes of the peer would be of use, or at least be kept. Of heads at most `kept_max` are.
    pub(crate) fn wants_bytes(&self, kept_max: usize) -> bool {
        if self.peer == PeerSide::Closed {
            return false;
        }
        match self.receiving {
            Receiving::Complete => self.reading == Reading::Flowing && self.kept() < kept_max,
            Receiving::Body | Receiving::Tunnel => self.reading == Reading::Flowing,
            // A head that is whole may be kept too, while the answers before it wait to leave.
            Receiving::Quiet | Receiving::Head => self.kept() < kept_max,
            Receiving::Swallow | Receiving::Drain => true,
        }
    }

    /// Whether a body's decoder is at work.
    pub(crate) fn reads_body(&self) -> bool {
        matches!(self.receiving, Receiving::Body | Receiving::Swallow)
    }

    /// Whether a body was announced and not all of it has come.
    pub(crate) fn is_body_missing(&self) -> bool {
        self.receiving == Receiving::Body && self.buffers.as_ref().is_some_and(|b| !b.decoder.is_done())
    }
}

/// Fields of an answer that are kept for later.
pub(crate) type OwnFields = Vec<(Box<str>, Box<str>)>;

/// What a large answer or a collected body is entered as: with all that the hub's bound on memory counts, and among its like, which have
/// a share of that.
pub(crate) struct SharedCharge {
    in_all: Charge,
    among_its_like: Charge,
}

impl SharedCharge {
    pub(crate) fn new(all: &Ledger, its_like: &Ledger, bytes: usize) -> SharedCharge {
        SharedCharge { in_all: all.charge(bytes), among_its_like: its_like.charge(bytes) }
    }

    /// Pipelined answers wait together.
    pub(crate) fn join(&mut self, other: SharedCharge) {
        self.in_all.join(other.in_all);
        self.among_its_like.join(other.among_its_like);
    }

    /// What it stands for has grown.
    pub(crate) fn set(&mut self, bytes: usize) {
        self.in_all.set(bytes);
        self.among_its_like.set(bytes);
    }
}

/// Output that was taken and may still lie before what was not.
const TAKEN_BYTES_MAX: usize = 64 * 1024;

/// What a busy connection has besides its entry. Goes back to the pool as soon as nothing is in it.
pub(crate) struct Buffers {
    /// Bytes that have come and cannot be used yet: half a head, or the requests behind the one being answered.
    pub(crate) input: Vec<u8>,
    /// How far the kept half of a head has been looked through.
    pub(crate) scan: HeadScan,
    pub(crate) decoder: BodyReader,
    pub(crate) body_use: BodyUse,
    pub(crate) go_on: Continue,
    /// Decoded bytes of the body so far, and how many there may be.
    pub(crate) body_bytes: u64,
    pub(crate) body_bytes_max: u64,
    /// The body, while it is collected, and its entry in the hub's ledger.
    pub(crate) collected: Vec<u8>,
    pub(crate) charge: Option<Box<SharedCharge>>,
    /// Whether the exchange is, or was, a publisher that is held.
    pub(crate) is_held: bool,
    /// Fields that the engine's own refusals of this exchange carry, if the handler has asked for some.
    pub(crate) refusal_fields: Option<Box<OwnFields>>,
    /// When a byte of the body last came: what the body timeout counts from.
    pub(crate) body_since: Tick,
    /// Since when, and how many bytes of data since then: what the body's least rate is counted from.
    pub(crate) rate_since: Tick,
    pub(crate) rate_bytes: u64,
    /// The rest of a message's frame that the peer took a part of. Goes out before `output`.
    pub(crate) rest: Option<Rest>,
    /// What the handler has written, and how much of it the peer has taken.
    pub(crate) output: Vec<u8>,
    /// The entries of a large answer in what is counted, until the peer has taken it.
    pub(crate) answer: Option<Box<SharedCharge>>,
    pub(crate) taken: usize,
    /// Bytes that a sized answer still lacks.
    pub(crate) missing: u64,
    /// Whether a write was refused, so that the handler waits for `drained`.
    pub(crate) is_awaited: bool,
    /// What the exchange's handles in other threads see of it, if there are any.
    pub(crate) sight: Option<Arc<Sight>>,
}

impl Buffers {
    /// Empty ones.
    pub(crate) fn new() -> Buffers {
        Buffers {
            input: Vec::new(),
            scan: HeadScan::default(),
            decoder: BodyReader::new(Framing::None),
            body_use: BodyUse::Lend,
            go_on: Continue::No,
            body_bytes: 0,
            body_bytes_max: 0,
            collected: Vec::new(),
            charge: None,
            is_held: false,
            refusal_fields: None,
            body_since: Tick::default(),
            rate_since: Tick::default(),
            rate_bytes: 0,
            rest: None,
            output: Vec::new(),
            answer: None,
            taken: 0,
            missing: 0,
            is_awaited: false,
            sight: None,
        }
    }

    /// Bytes that wait for the peer to take them.
    pub(crate) fn owed(&self) -> usize {
        self.output.len() - self.taken + self.rest.as_ref().map_or(0, |rest| rest.bytes().len())
    }

    /// What of the memory that is counted waits here for the peer.
    pub(crate) fn holds(&self) -> Holds {
        match (&self.answer, &self.rest) {
            (Some(_), _) => Holds::Answer,
            (None, Some(_)) => Holds::Frame,
            (None, None) => Holds::Nothing,
        }
    }

    /// What goes out next; empty if nothing is owed.
    pub(crate) fn front(&self) -> &[u8] {
        match &self.rest {
            Some(rest) => rest.bytes(),
            None => &self.output[self.taken..],
        }
    }

    /// Notes that the peer took `bytes` of the front.
    pub(crate) fn take(&mut self, bytes: usize) {
        if let Some(rest) = &mut self.rest {
            rest.take(bytes);
            if rest.bytes().is_empty() {
                self.rest = None;
            }
            return;
        }
        self.taken += bytes;
        debug_assert!(self.taken <= self.output.len(), "more taken than given");
        if self.taken == self.output.len() {
            self.output.clear();
            self.taken = 0;
            self.answer = None;
        } else if self.taken >= TAKEN_BYTES_MAX && self.taken >= self.output.len() / 2 {
            // A handler that goes on writing to a peer that never takes all of it: what is moved is less than what was taken.
            self.output.drain(..self.taken);
            self.taken = 0;
        }
    }

    /// Starts the clocks of the body: nothing of it has come, or could come, before `now`.
    pub(crate) fn start_body_clocks(&mut self, now: Tick) {
        self.body_since = now;
        self.rate_since = now;
        self.rate_bytes = 0;
    }

    /// Gives the memory of what is empty and was large back to the system. Small memory is kept for the next use.
    pub(crate) fn trim(&mut self) {
        const KEPT_BYTES_MAX: usize = 4096;
        for vector in [&mut self.input, &mut self.collected, &mut self.output] {
            if vector.is_empty() && vector.capacity() > KEPT_BYTES_MAX {
                *vector = Vec::new();
            }
        }
    }

    /// Makes them as new, and keeps small memory.
    pub(crate) fn reset(&mut self) {
        for vector in [&mut self.input, &mut self.collected, &mut self.output] {
            vector.clear();
        }
        self.trim();
        let (input, collected, output) = (
            std::mem::take(&mut self.input),
            std::mem::take(&mut self.collected),
            std::mem::take(&mut self.output),
        );
        *self = Buffers { input, collected, output, ..Buffers::new() };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_peer_has_taken_does_not_pile_up_before_what_it_has_not() {
        let mut buffers = Buffers::new();
        let mut taken = 0;
        // A handler that goes on writing whenever half is gone, to a peer that never takes all of it.
        for round in 0..1_000_u32 {
            buffers.output.extend_from_slice(&[round as u8; 64 * 1024]);
            while buffers.owed() > 32 * 1024 {
                let front = buffers.front().len().min(10_000);
                buffers.take(front);
                taken += front;
            }
        }
        assert_eq!(taken + buffers.owed(), 1_000 * 64 * 1024, "owed before = taken + owed after");
        assert!(buffers.output.capacity() <= 1024 * 1024, "{} bytes are kept", buffers.output.capacity());
    }

    #[test]
    fn the_entry_stays_small() {
        assert!(size_of::<Connection>() <= 48, "{} bytes for each connection", size_of::<Connection>());
        assert_eq!(
            size_of::<Option<Connection>>(),
            size_of::<Connection>(),
            "an empty slot costs nothing more"
        );
    }
}
