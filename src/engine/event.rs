//! The four events that are the whole life of an exchange, and the causes they carry.
//!
//! ```text
//!     Begin ─► Read* ─► Read(Done) ─────────────► End(Closed)       close, in any callback, leads there at once
//!       │        │                                  ▲
//!       │        └─ Error(Timeout) ─► goes on ──────┤      Timeout alone is survivable
//!       └────────┴─ Error(any other cause) ─────────┴─► End(Failed)
//!                   shutdown ────────────────────────► End(Shutdown)
//! ```
//!
//! What always holds, whatever a peer or a handler does: `Begin` is first and comes once; `End` is last, comes exactly once for
//! every `Begin`, and nothing is called after it; each fatal cause comes once and is followed by `End(Failed)`.
//!
//! Next: `handler.rs`, which receives them. The simulator's oracles in `tests/simulation/` are this page as code.

use crate::error::Refusal;
use crate::http::RequestHead;

// TOUR 2.1
/// Something that happened to one exchange, a request and its answer.
///
/// ```
/// use encke::{Event, testing};
/// use std::cell::RefCell;
///
/// let heard = RefCell::new(String::new());
/// let mut server = testing::serve(|event, ctx| {
///     let word = match event {
///         Event::Begin(_) => "begin",
///         Event::Read(_) => "read",
///         Event::Error(_) => "error",
///         Event::End(_) => "end",
///     };
///     heard.borrow_mut().push_str(word);
///     heard.borrow_mut().push(' ');
///     if word == "read" {
///         ctx.close();
///     }
/// });
/// server.get("/");
/// assert_eq!(*heard.borrow(), "begin read end ");
/// ```
#[derive(Debug)]
pub enum Event<'a> {
    /// The head of a request is complete and acceptable. First, and once. What the engine refuses by itself (400, 431 …)
    /// has no events at all.
    Begin(&'a RequestHead<'a>),
    /// The request's body: bytes that are already there, and at last its end, also on a GET.
    Read(Read<'a>),
    /// Something went wrong. After every cause but [`Cause::Timeout`] the exchange is lost, and `End(Failed)` follows.
    Error(Cause),
    /// The exchange is over. Last, and once. In `End(Closed)` and `End(Shutdown)` the handler may still write, for the last
    /// time; the answer is completed when the call returns.
    End(End),
}

/// What came of a request's body.
///
/// ```
/// use encke::{Event, Read, testing};
///
/// let mut server = testing::serve(|event, ctx| match event {
///     Event::Begin(_) => drop(ctx.start(200, &[])),
///     Event::Read(Read::Data(bytes)) => drop(ctx.write(&bytes.to_ascii_uppercase())),
///     Event::Read(Read::Done) => ctx.close(),
///     _ => {}
/// });
/// let peer = server.connect();
/// server.send(peer, "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 11\r\n\r\nhello, ");
/// assert_eq!(server.answers(peer)?[0].text(), "HELLO, ", "answered while it is still being asked");
/// server.send(peer, "all.");
/// assert_eq!(server.answers(peer)?[0].text(), "HELLO, ALL.");
/// # Ok::<(), encke::http::peer::PeerError>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Read<'a> {
    /// Decoded bytes, lent for the call and consumed by it; never empty. With
    /// [`collect_body`](crate::Ctx::collect_body), the whole body at once (and nothing if it is empty).
    Data(&'a [u8]),
    /// The body is complete. The answer stays open: input and output are two halves. In a tunnel, which begins its input anew, it says
    /// that the peer has shut down its sending side; only who chose [`HalfClose::Keep`](crate::HalfClose::Keep) hears that.
    Done,
}

/// Why an exchange got an `Error`.
///
/// ```
/// use encke::{Cause, Event, testing};
///
/// let mut server = testing::serve(|event, ctx| {
///     if let Event::Error(cause) = event {
///         match cause {
///             // The only one behind which the exchange goes on.
///             Cause::Timeout => drop(ctx.write(b"still here\n")),
///             Cause::Disconnected | Cause::Reset | Cause::Stalled(_) => { /* the peer's doing */ }
///             Cause::Protocol(refusal) => eprintln!("a peer broke the rules: {refusal}"),
///             other => eprintln!("{other:?}"),
///         }
///     }
/// });
/// let peer = server.get("/");
/// server.advance(std::time::Duration::from_secs(61));
/// assert_eq!(server.answers(peer)?[0].text(), "still here\n");
/// # Ok::<(), encke::http::peer::PeerError>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Cause {
    /// Nothing was read or written for the exchange's comet timeout. Survivable: the handler may write, close or do
    /// nothing, and it comes again each period.
    Timeout,
    /// The peer has closed its side: before the request was complete, or of a stream that has no end of its own.
    Disconnected,
    /// The peer, or something between, has reset the connection.
    Reset,
    /// The request's body broke the rules of its framing, or a bound on its size. Carries the status that the peer gets if
    /// nothing was sent yet.
    Protocol(Refusal),
    /// The peer does nothing for as long as it may.
    Stalled(Stall),
    /// The handler panicked.
    Handler,
}

/// Which of its two parts a stalled peer does not play.
///
/// ```
/// use encke::{Cause, Event, Limits, Stall, testing};
/// use std::cell::Cell;
///
/// let stall = Cell::new(None);
/// let mut server = testing::serve(|event, _| {
///     if let Event::Error(Cause::Stalled(which)) = event {
///         stall.set(Some(which));
///     }
/// });
/// let peer = server.connect();
/// server.send(peer, "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 100\r\n\r\nthe first part");
/// server.advance(Limits::default().body_timeout * 2);
/// assert_eq!(stall.get(), Some(Stall::Sending));
/// assert_eq!(server.answers(peer)?[0].head.status, 408);
/// # Ok::<(), encke::http::peer::PeerError>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Stall {
    /// It does not send the body that its head announced, or sends it too slowly.
    Sending,
    /// It does not read what it is owed, or so slowly that its channel's ring has passed it.
    Reading,
}

/// How an exchange ended.
///
/// ```
/// use encke::{End, Event, testing};
/// use std::cell::Cell;
///
/// let left = Cell::new(None);
/// let mut server = testing::serve(|event, ctx| match event {
///     Event::Begin(request) if request.path() == "/quick" => ctx.close(),
///     Event::End(end) => left.set(Some(end)),
///     _ => {}
/// });
/// server.get("/quick");
/// assert_eq!(left.take(), Some(End::Closed));
/// let peer = server.get("/");
/// server.reset(peer);
/// assert_eq!(left.take(), Some(End::Failed));
/// server.get("/");
/// server.run(|_, core| core.shutdown());
/// assert_eq!(left.take(), Some(End::Shutdown));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum End {
    /// The handler closed it. The answer will be completed.
    Closed,
    /// It was lost, and the `Error` before says why. The answer, if it had begun, is visibly broken off.
    Failed,
    /// The engine is shutting down. The answer will be completed.
    Shutdown,
}
