//! A kit for tests of handlers: a whole server without sockets and clocks, and peers that do what they are told.
//!
//! Whoever writes a [`Handler`] uses it in tests of their own; the examples of this library do. It is the same
//! [`Engine`] that the [`Reactor`](crate::Reactor) drives, so what holds here holds there.
//!
//! ```text
//!   the test ─► connect, send, stop_reading, close, reset ─► Link ─┐
//!            ─► advance: virtual time ────────────────────────────►├─► Engine ─► your Handler
//!            ─► run: publish, shut down ──────────────────────────►┘      │
//!            ◄─ received (bytes), answers (parsed) ◄────────────── Link ◄─┘
//! ```
//!
//! ```
//! use encke::{Ctx, Event, Handler, Limits, testing};
//! use std::time::Duration;
//!
//! struct Patient;
//!
//! impl Handler for Patient {
//!     type State = ();
//!
//!     fn event(&mut self, event: Event<'_>, ctx: &mut Ctx<'_, ()>) {
//!         if let Event::Begin(_) = event {
//!             ctx.set_timer(0, Duration::from_secs(3600));
//!         }
//!     }
//!
//!     fn timer(&mut self, _: u64, ctx: &mut Ctx<'_, ()>) {
//!         let _ = ctx.respond(200, &[], b"An hour has passed.\n");
//!     }
//! }
//!
//! let limits = Limits { comet_timeout: Duration::ZERO, ..Limits::default() };
//! let mut server = testing::Server::new(Patient, limits);
//! let peer = server.connect();
//! server.send(peer, "GET / HTTP/1.1\r\nHost: a\r\n\r\n");
//! assert_eq!(server.received(peer), "");
//! server.advance(Duration::from_secs(3600));
//! assert!(server.received(peer).ends_with("An hour has passed.\n"));
//! ```
//!
//! Everything is repeatable to the byte: time begins at [`START`], message ids at `1-1`, and nothing is drawn by lot.
//!
//! Invariant: whenever a method of [`Server`] returns, nothing is left to do at this moment; only time or a peer can change that.
//! Absent on purpose: links that cut, delay and lose bytes by a seed. Those are Encke's own simulator, `tests/simulation/`.
//! Next: `link.rs`.

mod answer;
mod link;

pub use self::answer::Answer;
pub use self::link::Link;

use std::borrow::Cow;
use std::time::Duration;

use crate::engine::{Core, Ctx, Engine, Event, Handler};
use crate::http::peer::{PeerError, Request};
use crate::id::ConnectionId;
use crate::limits::Limits;
use crate::time::{Instant, Now};

/// The moment at which every [`Server`] begins: zero on the monotonic clock, and `Sun, 06 Nov 1994 08:49:37 GMT`, the moment that
/// RFC 9110 §5.6.7 shows dates with.
pub const START: Now = Now { at: Instant::from_micros(0), unix_seconds: 784_111_777 };

/// Turns at one moment after which a server is taken for one that never rests.
const TURNS_MAX: usize = 10_000;

/// A server with the handler `H` whose peers, time and other threads are the test.
///
/// After each call the server has done all that it can do at this moment.
///
/// ```
/// use encke::{Event, testing};
///
/// let mut server = testing::serve(|event, ctx| {
///     if let Event::Begin(request) = event {
///         let _ = ctx.respond(200, &[], request.path().as_bytes());
///     }
/// });
/// let peer = server.connect();
/// server.send(peer, "GET /a HTTP/1.1\r\nHost: x\r\n\r\nGET /b HT");
/// server.send(peer, "TP/1.1\r\nHost: x\r\n\r\n");
/// let answers = server.answers(peer)?;
/// assert_eq!((answers[0].text().as_ref(), answers[1].text().as_ref()), ("/a", "/b"));
/// assert!(server.is_open(peer), "the connection is kept alive");
/// # Ok::<(), encke::http::peer::PeerError>(())
/// ```
pub struct Server<H: Handler> {
    engine: Engine<Link, H>,
    now: Now,
    seats: Vec<Seat>,
    panics: Panics,
}

/// One of a server's peers: a name, to be handed to the server's methods.
///
/// ```
/// use encke::testing;
///
/// let mut server = testing::serve(|_, _| {});
/// let peers: Vec<testing::Peer> = (0..100).map(|_| server.connect()).collect();
/// server.close(peers[7]);
/// assert_eq!(peers.iter().filter(|&&peer| server.is_open(peer)).count(), 99);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Peer(usize);

/// Where a peer's link is.
enum Seat {
    /// With the engine.
    Open(ConnectionId),
    /// Given back.
    Over(Link),
}

/// What a handler's panic means to the test.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Panics {
    Fail,
    Allowed,
}

/// A handler that is one function and has no state: for tests and examples that need no more.
///
/// ```
/// use encke::testing::{OnEvent, Server};
/// use encke::{Event, Limits};
///
/// let teapot = OnEvent(|event, ctx| {
///     if let Event::Begin(_) = event {
///         let _ = ctx.respond(418, &[], b"");
///     }
/// });
/// let mut server = Server::new(teapot, Limits::default());
/// let peer = server.get("/coffee");
/// assert!(server.received(peer).starts_with("HTTP/1.1 418 "));
/// ```
pub struct OnEvent<F>(pub F)
where
    F: FnMut(Event<'_>, &mut Ctx<'_, ()>);

impl<F: FnMut(Event<'_>, &mut Ctx<'_, ()>)> Handler for OnEvent<F> {
    type State = ();

    fn event(&mut self, event: Event<'_>, ctx: &mut Ctx<'_, ()>) {
        (self.0)(event, ctx);
    }
}

/// A server with [`Limits::default`] whose handler is `on_event`: see [`OnEvent`].
///
/// ```
/// use encke::{Event, testing};
///
/// let mut server = testing::serve(|event, ctx| {
///     if let Event::Begin(_) = event {
///         let _ = ctx.respond(200, &[("Content-Type", "text/plain")], b"Hello\n");
///     }
/// });
/// let peer = server.get("/");
/// assert!(server.received(peer).ends_with("\r\n\r\nHello\n"));
/// ```
pub fn serve<F>(on_event: F) -> Server<OnEvent<F>>
where
    F: FnMut(Event<'_>, &mut Ctx<'_, ()>),
{
    Server::new(OnEvent(on_event), Limits::default())
}

impl<H: Handler> Server<H> {
    /// A server without peers, at [`START`].
    ///
    /// # Panics
    /// If [`Limits::check`] refuses the limits.
    #[track_caller]
    #[must_use]
    pub fn new(handler: H, limits: Limits) -> Server<H> {
        match Engine::new(handler, limits, 1, START) {
            Ok(engine) => Server { engine, now: START, seats: Vec::new(), panics: Panics::Fail },
            Err(error) => panic!("{error}"),
        }
    }

    // ---- peers come, speak and go

    /// One more peer connects, and sends nothing yet.
    ///
    /// ```
    /// use encke::{Limits, testing};
    ///
    /// // Whoever sends no head is not waited for.
    /// let mut server = testing::serve(|_, _| {});
    /// let peer = server.connect();
    /// assert!(server.is_open(peer));
    /// server.advance(Limits::default().head_timeout * 2);
    /// assert!(!server.is_open(peer));
    /// ```
    pub fn connect(&mut self) -> Peer {
        self.seats.push(match self.engine.open(Link::new(), self.now) {
            Ok(id) => Seat::Open(id),
            Err(mut link) => {
                link.give_back();
                Seat::Over(link)
            }
        });
        self.work();
        Peer(self.seats.len() - 1)
    }

    /// One more peer connects and sends this request.
    ///
    /// ```
    /// use encke::http::peer::{Request, RequestBody};
    /// use encke::{Event, Read, testing};
    ///
    /// let mut server = testing::serve(|event, ctx| match event {
    ///     Event::Begin(_) => ctx.collect_body(1024),
    ///     Event::Read(Read::Data(body)) => drop(ctx.respond(200, &[], body)),
    ///     _ => {}
    /// });
    /// let body = RequestBody::Chunked(&[b"an ", b"echo"]);
    /// let peer = server.request(&Request { method: "POST", body, ..Request::default() });
    /// assert!(server.received(peer).ends_with("\r\n\r\nan echo"));
    /// ```
    pub fn request(&mut self, request: &Request<'_>) -> Peer {
        let mut bytes = Vec::new();
        request.write(&mut bytes);
        let peer = self.connect();
        self.send(peer, bytes);
        peer
    }

    /// One more peer connects and sends `GET target`, in HTTP/1.1 and with a `Host`.
    ///
    /// ```
    /// use encke::{Event, testing};
    ///
    /// let mut server = testing::serve(|event, ctx| {
    ///     if let Event::Begin(request) = event {
    ///         let _ = ctx.respond(200, &[], request.target().as_bytes());
    ///     }
    /// });
    /// let (first, second) = (server.get("/a"), server.get("/b?c"));
    /// assert!(server.received(first).ends_with("\r\n\r\n/a"));
    /// assert!(server.received(second).ends_with("\r\n\r\n/b?c"));
    /// ```
    pub fn get(&mut self, target: &str) -> Peer {
        self.request(&Request { target, ..Request::default() })
    }

    /// A peer sends bytes: a request, some of one, or several. Nothing happens if its connection is over.
    ///
    /// ```
    /// use encke::{Event, testing};
    ///
    /// let mut server = testing::serve(|event, ctx| {
    ///     if let Event::Begin(_) = event {
    ///         ctx.close();
    ///     }
    /// });
    /// let peer = server.connect();
    /// for byte in b"GET / HTTP/1.1\r\nHost: a\r\n\r\n" {
    ///     assert_eq!(server.received(peer), "");
    ///     server.send(peer, [*byte]);
    /// }
    /// assert!(server.received(peer).starts_with("HTTP/1.1 200 OK\r\n"));
    /// ```
    ///
    /// # Panics
    /// If the peer has closed its sending side, or is another server's.
    #[track_caller]
    pub fn send(&mut self, peer: Peer, bytes: impl AsRef<[u8]>) {
        self.act(peer, |link| link.send(bytes.as_ref()));
    }

    /// A peer closes its sending side (a FIN) and goes on reading; [`HalfClose`](crate::HalfClose) is what the server makes of it.
    ///
    /// ```
    /// use encke::{Cause, Event, HalfClose, testing};
    ///
    /// let mut gone = 0;
    /// let mut server = testing::serve(|event, ctx| match event {
    ///     Event::Begin(_) => ctx.on_half_close(HalfClose::Tell),
    ///     Event::Error(Cause::Disconnected) => gone += 1,
    ///     _ => {}
    /// });
    /// let peer = server.get("/held-back");
    /// server.half_close(peer);
    /// drop(server);
    /// assert_eq!(gone, 1);
    /// ```
    pub fn half_close(&mut self, peer: Peer) {
        self.act(peer, Link::half_close);
    }

    /// A peer closes the connection: the server reads an end, and its next write fails.
    ///
    /// ```
    /// use encke::{Event, testing};
    ///
    /// // What is written to a peer that is gone is lost, and the exchange learns of it.
    /// let mut server = testing::serve(|event, ctx| {
    ///     if let Event::Begin(_) = event {
    ///         let _ = ctx.start(200, &[]);
    ///     }
    /// });
    /// let peer = server.get("/");
    /// server.close(peer);
    /// assert_eq!(server.engine().core().exchanges(), 0);
    /// ```
    pub fn close(&mut self, peer: Peer) {
        self.act(peer, Link::close);
    }

    /// A peer resets the connection (a RST): an open exchange gets [`Cause::Reset`](crate::Cause::Reset).
    ///
    /// ```
    /// use encke::{Cause, End, Event, testing};
    ///
    /// let mut heard = Vec::new();
    /// let mut server = testing::serve(|event, _| match event {
    ///     Event::Error(cause) => heard.push(format!("{cause:?}")),
    ///     Event::End(end) => heard.push(format!("{end:?}")),
    ///     _ => {}
    /// });
    /// let peer = server.get("/");
    /// server.reset(peer);
    /// assert_eq!(server.engine().core().connections(), 0);
    /// drop(server);
    /// assert_eq!(heard, ["Reset", "Failed"]);
    /// ```
    pub fn reset(&mut self, peer: Peer) {
        self.act(peer, Link::reset);
    }

    /// A peer stops reading: what the server writes from now on waits at the server.
    ///
    /// ```
    /// use encke::{Event, Limits, testing};
    ///
    /// let mut server = testing::serve(|event, ctx| {
    ///     if let Event::Begin(_) = event {
    ///         let _ = ctx.respond(200, &[], b"Hello\n");
    ///     }
    /// });
    /// let peer = server.connect();
    /// server.stop_reading(peer);
    /// server.send(peer, "GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    /// assert_eq!(server.received(peer), "");
    /// // Who reads nothing at all is cut.
    /// server.advance(Limits::default().write_timeout * 2);
    /// assert!(!server.is_open(peer));
    /// ```
    pub fn stop_reading(&mut self, peer: Peer) {
        self.stop_reading_after(peer, 0);
    }

    /// A peer reads so many bytes more, and then stops.
    ///
    /// ```
    /// use encke::{Event, testing};
    ///
    /// let mut server = testing::serve(|event, ctx| {
    ///     if let Event::Begin(_) = event {
    ///         let _ = ctx.respond(200, &[], b"Hello\n");
    ///     }
    /// });
    /// let peer = server.connect();
    /// server.stop_reading_after(peer, 12);
    /// server.send(peer, "GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    /// assert_eq!(server.received(peer), "HTTP/1.1 200");
    /// server.resume_reading(peer);
    /// assert!(server.answers(peer)?[0].is_complete);
    /// # Ok::<(), encke::http::peer::PeerError>(())
    /// ```
    pub fn stop_reading_after(&mut self, peer: Peer, bytes: usize) {
        self.act(peer, |link| link.stop_reading_after(bytes));
    }

    /// A peer that has stopped reads on.
    ///
    /// ```
    /// use encke::{Event, Message, Since, WireFormat, testing};
    ///
    /// let mut server = testing::serve(|event, ctx| {
    ///     if let Event::Begin(_) = event {
    ///         let _ = ctx.subscribe(&["news"], Since::Head, WireFormat::STREAM);
    ///         let _ = ctx.start(200, &[]);
    ///     }
    /// });
    /// let peer = server.get("/");
    /// server.stop_reading(peer);
    /// for text in ["one", "two", "three"] {
    ///     server.run(|_, core| core.publish("news", Message::new(text)))?;
    /// }
    /// assert_eq!(server.answers(peer)?[0].text(), "");
    /// server.resume_reading(peer);
    /// assert_eq!(server.answers(peer)?[0].text(), "one\ntwo\nthree\n");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn resume_reading(&mut self, peer: Peer) {
        self.act(peer, Link::resume_reading);
    }

    // ---- time, and what is no peer's doing

    /// Moves the time on. All that comes due on the way happens at its moment: timeouts, timers, heartbeats.
    ///
    /// ```
    /// use encke::{Cause, Event, testing};
    /// use std::time::Duration;
    ///
    /// let mut server = testing::serve(|event, ctx| {
    ///     if let Event::Error(Cause::Timeout) = event {
    ///         let _ = ctx.respond(200, &[], b"Nothing happened.\n");
    ///     }
    /// });
    /// let peer = server.get("/");
    /// server.advance(Duration::from_secs(59));
    /// assert_eq!(server.received(peer), "");
    /// server.advance(Duration::from_secs(2));
    /// assert!(server.received(peer).ends_with("Nothing happened.\n"));
    /// assert_eq!(server.now().at - testing::START.at, Duration::from_secs(61));
    /// ```
    ///
    /// # Panics
    /// As for [`work`](Server::work), for instance if a timer sets itself anew at once.
    #[track_caller]
    pub fn advance(&mut self, duration: Duration) {
        let end = self.now.at + duration;
        self.work();
        while let Some(due) = self.engine.next_deadline().filter(|&due| due <= end) {
            self.set_time(due);
            self.work();
        }
        self.set_time(end);
        self.work();
    }

    /// Acts on the handler and the engine from outside of a callback, as [`Engine::run`] does: to publish, for instance.
    ///
    /// ```
    /// use encke::{Event, Message, Since, WireFormat, testing};
    ///
    /// let mut server = testing::serve(|event, ctx| {
    ///     if let Event::Begin(_) = event {
    ///         let _ = ctx.subscribe(&["news"], Since::Head, WireFormat::SSE);
    ///         let _ = ctx.start(200, &[("Content-Type", "text/event-stream")]);
    ///     }
    /// });
    /// let peer = server.get("/");
    /// server.run(|_, core| core.publish("news", Message::new("Hello")))?;
    /// assert_eq!(server.answers(peer)?[0].text(), "id: 1-1\ndata: Hello\n\n");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[track_caller]
    pub fn run<R>(&mut self, action: impl FnOnce(&mut H, &mut Core) -> R) -> R {
        let result = self.engine.run(self.now, action);
        self.work();
        result
    }

    /// Does all that is left to do at this moment. The other methods do so by themselves; it takes this one when another
    /// thread, or a [`Remote`](crate::Remote) or [`Handle`](crate::Handle) in the test, has posted something.
    ///
    /// ```
    /// use encke::{Event, testing};
    ///
    /// let mut server = testing::serve(|_, _| {});
    /// let remote = server.engine().remote();
    /// std::thread::spawn(move || remote.post(|_, core| core.shutdown())).join().unwrap()?;
    /// server.work();
    /// assert!(server.engine().is_finished());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Panics
    /// If the server does not come to rest within 10,000 turns, or its handler has panicked: see [`allow_panics`](Server::allow_panics).
    #[track_caller]
    pub fn work(&mut self) {
        let mut turns = 0;
        // A driver makes a turn after each batch of events, whether or not the engine says that one is due.
        loop {
            self.engine.turn(self.now);
            if self.engine.next_deadline().is_none_or(|due| due > self.now.at) {
                break;
            }
            turns += 1;
            assert!(
                turns < TURNS_MAX,
                "the server does not come to rest: something starts itself anew at once"
            );
        }
        while let Some((id, mut link)) = self.engine.next_closed() {
            link.give_back();
            let seat = self.seats.iter_mut().find(|seat| matches!(seat, Seat::Open(open) if *open == id));
            if let Some(seat) = seat {
                *seat = Seat::Over(link);
            }
        }
        let has_panicked = self.engine.core().counters().panics > 0;
        assert!(self.panics == Panics::Allowed || !has_panicked, "the handler has panicked");
    }

    /// Lets the handler panic. The engine catches that and goes on, so without this call the kit itself panics instead: otherwise an
    /// assertion that fails inside of a handler would fail no test.
    ///
    /// ```
    /// use encke::{Event, testing};
    ///
    /// let mut server = testing::serve(|event, _| {
    ///     if let Event::Begin(_) = event {
    ///         panic!("on purpose");
    ///     }
    /// });
    /// server.allow_panics();
    /// let peer = server.get("/");
    /// assert!(server.received(peer).starts_with("HTTP/1.1 500 "));
    /// ```
    pub fn allow_panics(&mut self) {
        self.panics = Panics::Allowed;
    }

    // ---- what can be seen

    /// All that a peer has received since it connected, as it came over the wire; what is not UTF-8 is replaced.
    #[must_use]
    pub fn received(&self, peer: Peer) -> Cow<'_, str> {
        String::from_utf8_lossy(self.link(peer).received())
    }

    /// The answers that a peer has received, the last of them perhaps in part. Interim answers (100 Continue) are left out.
    ///
    /// ```
    /// use encke::{Event, http::peer::PeerError, testing};
    ///
    /// let mut server = testing::serve(|event, ctx| {
    ///     if let Event::Begin(_) = event {
    ///         let _ = ctx.start_sized(200, &[("Content-Type", "text/plain")], 10);
    ///         let _ = ctx.write(b"12345");
    ///     }
    /// });
    /// let peer = server.get("/");
    /// let answer = &server.answers(peer)?[0];
    /// assert_eq!((answer.head.status, answer.text().as_ref()), (200, "12345"));
    /// assert_eq!(answer.head.field("Content-Type"), Some(&b"text/plain"[..]));
    /// server.run(|_, core| core.shutdown());
    /// server.advance(std::time::Duration::from_secs(11));
    /// assert_eq!(server.answers(peer), Err(PeerError::Truncated), "it was never finished");
    /// # Ok::<(), PeerError>(())
    /// ```
    ///
    /// # Errors
    /// [`PeerError::Truncated`] if the connection ended inside an answer, which is how one that was broken off looks;
    /// [`PeerError::Malformed`] for what is no HTTP, as only a tunnel can be.
    pub fn answers(&self, peer: Peer) -> Result<Vec<Answer>, PeerError> {
        answer::read_all(self.link(peer))
    }

    /// Whether the server has not closed the connection, as far as the peer can see.
    #[must_use]
    pub fn is_open(&self, peer: Peer) -> bool {
        self.link(peer).is_open()
    }

    /// The handler.
    ///
    /// ```
    /// use encke::{Ctx, Event, Handler, Limits, testing};
    ///
    /// #[derive(Default)]
    /// struct Count(usize);
    ///
    /// impl Handler for Count {
    ///     type State = ();
    ///
    ///     fn event(&mut self, event: Event<'_>, ctx: &mut Ctx<'_, ()>) {
    ///         if let Event::Begin(_) = event {
    ///             self.0 += 1;
    ///             ctx.close();
    ///         }
    ///     }
    /// }
    ///
    /// let mut server = testing::Server::new(Count::default(), Limits::default());
    /// server.get("/");
    /// server.get("/");
    /// assert_eq!(server.handler().0, 2);
    /// ```
    #[must_use]
    pub fn handler(&self) -> &H {
        self.engine.handler()
    }

    /// The engine, to be looked at: connections, counters, channels.
    #[must_use]
    pub fn engine(&self) -> &Engine<Link, H> {
        &self.engine
    }

    /// What time it is: [`START`] and all that [`advance`](Server::advance) has added.
    #[must_use]
    pub fn now(&self) -> Now {
        self.now
    }

    // ---- inside

    fn set_time(&mut self, at: Instant) {
        let seconds = at.since(START.at).as_secs();
        self.now = Now { at, unix_seconds: START.unix_seconds + seconds };
    }

    /// A peer does something, and the engine is told what a poll would tell.
    #[track_caller]
    fn act(&mut self, peer: Peer, action: impl FnOnce(&mut Link)) {
        let Seat::Open(id) = self.seats[peer.0] else { return };
        if let Some(link) = self.engine.transport_mut(id) {
            action(link);
            let readiness = link.readiness();
            self.engine.ready(id, readiness, self.now);
        }
        self.work();
    }

    fn link(&self, peer: Peer) -> &Link {
        match &self.seats[peer.0] {
            Seat::Open(id) => {
                self.engine.transport(*id).expect("a link is the engine's until it is given back")
            }
            Seat::Over(link) => link,
        }
    }
}
