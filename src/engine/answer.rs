//! Answers as they are written: heads, chunks, lengths, and the bound on what may wait.
//!
//! Called through `Ctx` and `Core` from inside callbacks. Everything lands in the connection's output and goes out in one write
//! when the engine has finished with the bytes it read, so three hundred pipelined answers leave in one system call.
//!
//! Invariant: a status line is written once for each exchange; what a peer is owed never exceeds the bound by more than one write;
//! and whether the connection persists is decided when the head is written, for the head says so.
//!
//! Next: `exchange.rs`, where answers are completed or broken off.

use super::connection::{Fate, Life, Method, SharedCharge};
use super::core::{Core, Shutdown};
use super::halves::{Arrival, Coding, Reply, Sending};
use crate::error::{Refusal, WriteError};
use crate::http::{
    AnswerFraming, Persistence, Version, allows_body, check_fields, check_switch, chunked, write_head,
    write_switch,
};
use crate::id::ExchangeId;

/// The fields of an answer, as name and value.
///
/// ```
/// use encke::{Event, Fields, testing};
///
/// const PLAIN: Fields<'_> = &[("Content-Type", "text/plain; charset=utf-8"), ("Cache-Control", "no-store")];
///
/// let mut server = testing::serve(|event, ctx| {
///     if let Event::Begin(_) = event {
///         let _ = ctx.respond(200, PLAIN, b"Hello\n");
///     }
/// });
/// let peer = server.get("/");
/// assert!(server.received(peer).contains("\r\nCache-Control: no-store\r\n"));
/// ```
pub type Fields<'a> = &'a [(&'a str, &'a str)];

impl Core {
    /// A whole answer of known length.
    pub(crate) fn respond_at(
        &mut self,
        slot: u32,
        status: u16,
        fields: Fields<'_>,
        body: &[u8],
    ) -> Result<(), WriteError> {
        self.start_sized_at(slot, status, fields, body.len() as u64)?;
        if self.at(slot).sending == Sending::Sized {
            let buffers = self.buffers(slot);
            buffers.output.extend_from_slice(body);
            buffers.missing = 0;
            self.enter_answer(slot, body.len());
        }
        self.ask_at(slot, Life::CloseAsked);
        Ok(())
    }

    /// Counts a large answer, which is held in whole for a peer that may not take it.
    fn enter_answer(&mut self, slot: u32, bytes: usize) {
        // Smaller ones are bounded well enough by the number of connections.
        const COUNTED_MIN: usize = 1024;
        if bytes < COUNTED_MIN {
            return;
        }
        let charge = SharedCharge::new(self.hub.ledger(), &self.answers, bytes);
        match &mut self.buffers(slot).answer {
            Some(answer) => answer.join(charge),
            none => *none = Some(Box::new(charge)),
        }
        self.note_holds(slot);
    }

    /// The head of an answer whose length is known.
    pub(crate) fn start_sized_at(
        &mut self,
        slot: u32,
        status: u16,
        fields: Fields<'_>,
        length: u64,
    ) -> Result<(), WriteError> {
        self.may_begin(slot, status, fields)?;
        if !allows_body(status) {
            return self.start_muted(slot, status, fields, AnswerFraming::Empty);
        }
        if self.is_head_request(slot) {
            return self.start_muted(slot, status, fields, AnswerFraming::Length(length));
        }
        self.put_head(slot, status, fields, AnswerFraming::Length(length));
        self.buffers(slot).missing = length;
        self.at_mut(slot).send(Reply::Size);
        Ok(())
    }

    /// The head of an answer that has no length of its own.
    pub(crate) fn start_at(&mut self, slot: u32, status: u16, fields: Fields<'_>) -> Result<(), WriteError> {
        self.may_begin(slot, status, fields)?;
        let (coding, framing) = match self.at(slot).form.version() {
            Version::Http10 => (Coding::Bare, AnswerFraming::UntilClose),
            Version::Http11 => (Coding::Chunked, AnswerFraming::Chunked),
        };
        if !allows_body(status) {
            return self.start_muted(slot, status, fields, AnswerFraming::Empty);
        }
        if self.is_head_request(slot) {
            return self.start_muted(slot, status, fields, framing);
        }
        if coding == Coding::Bare {
            self.at_mut(slot).fate = Fate::Close;
        }
        self.put_head(slot, status, fields, framing);
        self.at_mut(slot).send(Reply::Stream(coding));
        Ok(())
    }

    /// `101 Switching Protocols` (RFC 9110 §15.2.2): the connection becomes a tunnel.
    pub(crate) fn upgrade_at(
        &mut self,
        slot: u32,
        protocol: &str,
        fields: Fields<'_>,
    ) -> Result<(), WriteError> {
        self.may_begin(slot, 200, fields)?;
        check_switch(protocol, fields)?;
        if self.at(slot).form.version() == Version::Http10 || self.at(slot).is_body_missing() {
            // An upgrade behind a body that is still coming would mix the two protocols (RFC 9110 §7.8).
            return Err(WriteError::BadHead);
        }
        let date = self.date;
        write_switch(&mut self.buffers(slot).output, protocol, fields, &date);
        let tick = self.tick;
        let connection = self.at_mut(slot);
        connection.since = tick;
        connection.fate = Fate::Close;
        connection.send(Reply::Switch);
        connection.receive(Arrival::Switch);
        self.enqueue(slot);
        Ok(())
    }

    /// Body bytes of an answer: one chunk, or as many bytes of its length.
    pub(crate) fn write_at(&mut self, slot: u32, bytes: &[u8]) -> Result<(), WriteError> {
        self.write_below(slot, bytes, self.limits.output_bytes_max)
    }

    /// Body bytes from a handle, which were accepted in another thread: what was under way there has a bound of its own, so nothing of
    /// it is refused here for want of room.
    pub(crate) fn write_accepted(&mut self, id: ExchangeId, bytes: &[u8]) -> Result<(), WriteError> {
        let slot = self.slot_of(id)?;
        self.write_below(slot, bytes, usize::MAX)
    }

    /// Writes if the peer is owed less than `bound`.
    fn write_below(&mut self, slot: u32, bytes: &[u8], bound: usize) -> Result<(), WriteError> {
        self.may_write(slot)?;
        if self.at(slot).sending == Sending::Awaited {
            self.start_at(slot, 200, &[])?;
        }
        let full = self.limits.output_bytes_max;
        let sending = self.at(slot).sending;
        if bytes.is_empty() || sending == Sending::Muted {
            return Ok(());
        }
        let buffers = self.buffers(slot);
        if buffers.owed() >= bound {
            buffers.is_awaited = true;
            return Err(WriteError::Full);
        }
        match sending {
            Sending::Streaming(Coding::Chunked) => chunked::encode(&mut buffers.output, bytes),
            Sending::Sized if (bytes.len() as u64) > buffers.missing => return Err(WriteError::TooLong),
            Sending::Sized => {
                buffers.missing -= bytes.len() as u64;
                buffers.output.extend_from_slice(bytes);
            }
            _ => buffers.output.extend_from_slice(bytes),
        }
        if buffers.owed() >= full
            && let Some(sight) = &buffers.sight
        {
            sight.set_full();
        }
        let tick = self.tick;
        self.at_mut(slot).since = tick;
        self.enqueue(slot);
        Ok(())
    }

    /// An answer of the engine's own: why a request is not served. The connection closes behind it.
    pub(crate) fn put_refusal(&mut self, slot: u32, refusal: Refusal) {
        self.at_mut(slot).fate = Fate::Close;
        let body = format!("{{\"error\":\"{}\"}}\n", refusal.why);
        let json = ("Content-Type", "application/json");
        // Retry-After (RFC 9110 §10.2.3): a full or departing server is worth another try, not an endless one.
        let retry = ("Retry-After", "2");
        let more = self.at_mut(slot).buffers.as_mut().and_then(|buffers| buffers.refusal_fields.take());
        let more = more.unwrap_or_default();
        let mut fields = vec![json, ("X-Content-Type-Options", "nosniff"), ("Cache-Control", "no-store")];
        fields.extend((refusal.status == 503).then_some(retry));
        fields.extend(more.iter().map(|(name, value)| (&**name, &**value)));
        self.put_head(slot, refusal.status, &fields, AnswerFraming::Length(body.len() as u64));
        if !self.is_head_request(slot) {
            self.buffers(slot).output.extend_from_slice(body.as_bytes());
        }
    }

    /// The end of an answer whose exchange was closed, whatever it had come to.
    pub(crate) fn put_end(&mut self, slot: u32) {
        let missing = self.at(slot).buffers.as_ref().map_or(0, |buffers| buffers.missing);
        match self.at(slot).sending {
            Sending::Awaited if self.is_shutting_down() => {
                self.put_refusal(
                    slot,
                    Refusal::new(503, "the server is shutting down; try again in a moment"),
                );
            }
            Sending::Awaited => self.put_head(slot, 200, &[], AnswerFraming::Length(0)),
            Sending::Streaming(Coding::Chunked) => self.buffers(slot).output.extend_from_slice(chunked::LAST),
            Sending::Sized if missing > 0 => {
                // The handler promised more than it wrote: only a close can say so.
                self.at_mut(slot).fate = Fate::Close;
            }
            Sending::Streaming(Coding::Bare) | Sending::Sized | Sending::Muted | Sending::Tunnel => {}
            Sending::Nothing => debug_assert!(false, "an answer ends without an exchange"),
        }
    }

    fn start_muted(
        &mut self,
        slot: u32,
        status: u16,
        fields: Fields<'_>,
        framing: AnswerFraming,
    ) -> Result<(), WriteError> {
        if framing == AnswerFraming::UntilClose {
            self.at_mut(slot).fate = Fate::Close;
        }
        self.put_head(slot, status, fields, framing);
        self.at_mut(slot).send(Reply::Mute);
        Ok(())
    }

    fn may_write(&self, slot: u32) -> Result<(), WriteError> {
        match self.at(slot).life {
            Life::Open | Life::LastWords => Ok(()),
            Life::CloseAsked | Life::AbortAsked | Life::Lost => Err(WriteError::Ended),
        }
    }

    fn may_begin(&self, slot: u32, status: u16, fields: Fields<'_>) -> Result<(), WriteError> {
        self.may_write(slot)?;
        if self.at(slot).sending != Sending::Awaited {
            return Err(WriteError::Begun);
        }
        check_fields(status, fields)
    }

    /// Writes a head, and decides with it whether the connection persists.
    fn put_head(&mut self, slot: u32, status: u16, fields: Fields<'_>, framing: AnswerFraming) {
        self.decide_persistence(slot);
        let date = self.date;
        let tick = self.tick;
        let connection = self.at_mut(slot);
        connection.since = tick;
        let version = connection.form.version();
        let persistence =
            if connection.fate == Fate::Keep { Persistence::KeepAlive } else { Persistence::Close };
        let output = &mut self.buffers(slot).output;
        write_head(output, version, status, fields, framing, persistence, &date);
        self.enqueue(slot);
    }

    /// A connection cannot go on behind a body that will not be read to its end: the peer was never told to send it, or it
    /// is longer than what is thrown away (RFC 9112 §9.3).
    fn decide_persistence(&mut self, slot: u32) {
        let discard_max = self.limits.discard_bytes_max;
        let is_leaving = self.shutdown != Shutdown::No || self.limits.keep_alive_timeout.is_zero();
        let connection = self.at_mut(slot);
        let is_unwanted = connection.is_body_missing()
            && (connection.owes_continue()
                || connection.buffers.as_ref().is_some_and(|b| b.decoder.certain() > discard_max));
        if connection.fate == Fate::Keep && (is_unwanted || is_leaving) {
            connection.fate = Fate::Close;
        }
        debug_assert!(connection.form.method() != Method::Head || connection.sending != Sending::Sized);
    }
}
