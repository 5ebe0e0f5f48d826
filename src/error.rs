//! Who is at fault: the peer, or the program that embeds Encke.
//!
//! * [`Refusal`]: a peer sent what will not be served. It becomes an answer with a status, and the connection closes.
//! * [`WriteError`]: the program asked for something at the wrong moment. It is an `Err` at the call, and nothing happened.
//!
//! What the machine does to us (no descriptors, a busy port) is a plain `std::io::Error` and stays in `reactor/`.
//!
//! Next: `http/mod.rs`.

use std::fmt;

/// A message that is refused: the status that says so and why, in words for the peer.
///
/// The status is one of RFC 9110 §15.5 and §15.6. After a refusal the framing of what follows is in doubt, so the
/// connection is closed behind the answer (RFC 9112 §9.6, and §11.2 on smuggling).
///
/// ```
/// use encke::{Cause, Event, Limits, testing};
/// use std::cell::Cell;
///
/// let refusal = Cell::new(None);
/// let mut server = testing::serve(|event, ctx| match event {
///     Event::Begin(_) => ctx.collect_body(4),
///     Event::Error(Cause::Protocol(why)) => refusal.set(Some(why)),
///     _ => {}
/// });
/// let peer = server.connect();
/// server.send(peer, "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello");
/// assert_eq!(refusal.get().map(|why| why.status), Some(413));
/// assert!(server.received(peer).ends_with("{\"error\":\"the body is larger than is accepted here\"}\n"));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Refusal {
    /// The status code of the answer, 400 to 599.
    pub status: u16,
    /// One sentence without a full stop, plain ASCII without quotes or control bytes.
    pub why: &'static str,
}

impl Refusal {
    /// A refusal with this status, for this reason.
    ///
    /// ```
    /// use encke::Refusal;
    ///
    /// let closed = Refusal::new(503, "the shop is closed; come back at nine");
    /// assert_eq!(closed.to_string(), "the shop is closed; come back at nine (503)");
    /// ```
    #[must_use]
    pub const fn new(status: u16, why: &'static str) -> Refusal {
        Refusal { status, why }
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({})", self.why, self.status)
    }
}

impl std::error::Error for Refusal {}

/// Why a write, an answer or a subscription was not accepted. Whatever the reason, nothing of it was taken.
///
/// ```
/// use encke::{Event, WriteError, testing};
///
/// let mut server = testing::serve(|event, ctx| {
///     if let Event::Begin(_) = event {
///         assert_eq!(ctx.respond(200, &[("Date", "today")], b""), Err(WriteError::BadHead));
///         assert_eq!(ctx.respond(200, &[], b"Hello"), Ok(()), "nothing of the refused one was taken");
///         assert_eq!(ctx.respond(200, &[], b"Hello"), Err(WriteError::Ended));
///     }
/// });
/// let peer = server.get("/");
/// assert!(server.received(peer).ends_with("Hello"));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum WriteError {
    /// As much as may wait is waiting. `drained` will be called when it is time to go on.
    Full,
    /// The exchange has ended, or is about to: nobody will hear this. A stale handle always gets this answer.
    Ended,
    /// The answer has begun already, and a status line can be sent only once.
    Begun,
    /// The answer's `Content-Length` leaves no room for these bytes.
    TooLong,
    /// A field name is not a token, a value holds CR, LF, NUL or another control byte, or the engine sets the field itself
    /// (`Content-Length`, `Transfer-Encoding`, `Connection`, `Date`); or the status is not 200 to 599.
    BadHead,
    /// A channel's or event's name is empty, longer than 255 bytes, holds control bytes, or is reserved: those that begin with
    /// `encke-` or `$`, and channels with a `*`.
    BadName,
    /// There are as many channels as there may be, or the hub's memory has no room for another; or one subscription asks for more
    /// than 32.
    TooManyChannels,
    /// The id of a message from outside is of another epoch, or not above all before it.
    StaleId,
    /// The wire format is not one of this engine's table.
    UnknownFormat,
}

impl fmt::Display for WriteError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            WriteError::Full => "the peer is owed as much as it may be; go on when drained",
            WriteError::Ended => "the exchange has ended",
            WriteError::Begun => "the answer has already begun",
            WriteError::TooLong => "more bytes than the answer's Content-Length",
            WriteError::BadHead => "a status or field that an answer cannot carry",
            WriteError::BadName => "a name that is empty, too long or reserved, or holds control bytes",
            WriteError::TooManyChannels => "as many channels as there may be",
            WriteError::StaleId => "an id that does not follow those before it",
            WriteError::UnknownFormat => "a wire format of another engine",
        })
    }
}

impl std::error::Error for WriteError {}
