//! `Ctx`: one exchange in its handler's hands, for the length of one call.
//!
//! The engine makes one for each callback. Everything that a handler does with it is noted and carried out when the call has
//! returned; what it writes goes out in one piece then.
//!
//! Next: `core.rs`, for what concerns other exchanges, channels and time.

use std::sync::Arc;
use std::time::Duration;

use super::answer::Fields;
use super::connection::{BodyUse, HalfClose, Life, Method, Reading, Subscription};
use super::core::Core;
use super::halves::{Coding, Sending};
use super::handle::{Handle, Sight};
use super::timers::Owner;
use crate::error::WriteError;
use crate::http::{Version, check_fields};
use crate::hub::{News, Since, Subscribed, WireFormat, Wrapping};
use crate::id::ExchangeId;
use crate::time::{Now, ticks};

/// The exchange that a callback is about, and through it the whole engine.
///
/// ```
/// use encke::{Ctx, Event, Handler, Limits, Read, testing};
///
/// /// Counts the bytes of each request's body.
/// struct Count;
///
/// impl Handler for Count {
///     type State = usize;
///
///     fn event(&mut self, event: Event<'_>, ctx: &mut Ctx<'_, usize>) {
///         match event {
///             Event::Read(Read::Data(bytes)) => *ctx.state += bytes.len(),
///             Event::Read(Read::Done) => {
///                 let text = ctx.state.to_string();
///                 let _ = ctx.respond(200, &[("Content-Type", "text/plain")], text.as_bytes());
///             }
///             _ => {}
///         }
///     }
/// }
///
/// let mut server = testing::Server::new(Count, Limits::default());
/// let peer = server.connect();
/// server.send(peer, "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello");
/// assert!(server.received(peer).ends_with("\r\n\r\n5"));
/// ```
pub struct Ctx<'a, S> {
    /// What the handler keeps for this exchange.
    pub state: &'a mut S,
    core: &'a mut Core,
    slot: u32,
}

impl<'a, S> Ctx<'a, S> {
    pub(crate) fn new(state: &'a mut S, core: &'a mut Core, slot: u32) -> Ctx<'a, S> {
        Ctx { state, core, slot }
    }

    /// The name of this exchange, for later: see [`Core::write`].
    #[must_use]
    pub fn id(&self) -> ExchangeId {
        self.core.exchange_at(self.slot)
    }

    /// The engine: channels, other exchanges, timers.
    ///
    /// ```
    /// use encke::{Event, Message, Read, testing};
    ///
    /// // Every body that is sent is published.
    /// let mut server = testing::serve(|event, ctx| match event {
    ///     Event::Begin(_) => ctx.collect_body(64 * 1024),
    ///     Event::Read(Read::Data(body)) => {
    ///         let text = String::from_utf8_lossy(body);
    ///         let _ = ctx.core().publish("news", Message::new(&text));
    ///     }
    ///     Event::Read(Read::Done) => ctx.close(),
    ///     _ => {}
    /// });
    /// let peer = server.connect();
    /// server.send(peer, "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello");
    /// assert_eq!(server.engine().core().hub().stats().published, 1);
    /// ```
    pub fn core(&mut self) -> &mut Core {
        self.core
    }

    /// What time it is.
    #[must_use]
    pub fn now(&self) -> Now {
        self.core.now()
    }

    /// A way to this exchange from any thread. The exchange keeps some two hundred bytes of buffers while a handle may be out.
    ///
    /// ```
    /// use encke::{Event, WriteError, testing};
    /// use std::sync::mpsc;
    ///
    /// let (handles, work) = mpsc::channel();
    /// let mut server = testing::serve(move |event, ctx| {
    ///     if let Event::Begin(_) = event {
    ///         let _ = handles.send(ctx.handle());
    ///     }
    /// });
    /// let peer = server.get("/");
    ///
    /// let worker = std::thread::spawn(move || {
    ///     let handle = work.recv().map_err(|_| WriteError::Ended)?;
    ///     handle.write("what took a long time to find out")?;
    ///     handle.close()
    /// });
    /// worker.join().expect("it does not panic")?;
    /// server.work();
    /// assert_eq!(server.answers(peer)?[0].text(), "what took a long time to find out");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn handle(&mut self) -> Handle {
        let id = self.id();
        let remote = self.core.handles.remote();
        let bound = self.core.limits.output_bytes_max;
        if !self.is_open() {
            let sight = Sight::open(bound);
            sight.set_ended();
            return Handle::new(id, sight, remote);
        }
        let sight = self.core.buffers(self.slot).sight.get_or_insert_with(|| Sight::open(bound));
        Handle::new(id, Arc::clone(sight), remote)
    }

    /// Whether the exchange may still be written to.
    #[must_use]
    pub fn is_open(&self) -> bool {
        self.core.is_open(self.id())
    }

    /// Whether the request was HEAD: the answer's body will not be sent, and nothing should wait for it.
    ///
    /// ```
    /// use encke::{Event, testing};
    ///
    /// let mut server = testing::serve(|event, ctx| match event {
    ///     // An endless stream without a body would only wait for nothing.
    ///     Event::Begin(_) if ctx.is_head_request() => drop(ctx.respond(200, &[], b"")),
    ///     Event::Begin(_) => drop(ctx.start(200, &[])),
    ///     _ => {}
    /// });
    /// let peer = server.connect();
    /// server.send(peer, "HEAD / HTTP/1.1\r\nHost: a\r\n\r\n");
    /// assert!(server.answers(peer)?[0].is_complete);
    /// # Ok::<(), encke::http::peer::PeerError>(())
    /// ```
    #[must_use]
    pub fn is_head_request(&self) -> bool {
        self.core.is_head_request(self.slot)
    }

    // ---- answering

    /// Gives the whole answer at once, with its `Content-Length`, and closes the exchange. It is taken whole whatever
    /// its size, as the handler has it in hand already.
    ///
    /// ```
    /// use encke::{Event, testing};
    ///
    /// let mut server = testing::serve(|event, ctx| {
    ///     if let Event::Begin(request) = event {
    ///         let _ = match request.path() {
    ///             "/" => ctx.respond(200, &[("Content-Type", "text/plain")], b"Hello\n"),
    ///             "/old" => ctx.respond(301, &[("Location", "/")], b""),
    ///             _ => ctx.respond(404, &[], b"There is nothing here.\n"),
    ///         };
    ///     }
    /// });
    /// for (target, status) in [("/", 200), ("/old", 301), ("/new", 404)] {
    ///     let peer = server.get(target);
    ///     assert_eq!(server.answers(peer)?[0].head.status, status);
    /// }
    /// # Ok::<(), encke::http::peer::PeerError>(())
    /// ```
    ///
    /// # Errors
    /// [`WriteError::Begun`], [`WriteError::Ended`] or [`WriteError::BadHead`].
    pub fn respond(&mut self, status: u16, fields: Fields<'_>, body: &[u8]) -> Result<(), WriteError> {
        self.core.respond_at(self.slot, status, fields, body)
    }

    /// Begins an answer without a length: chunked, or to HTTP/1.0 bare until the connection closes. The head goes out when the
    /// call returns, also if nothing is written: EventSource and fetch wait for it.
    ///
    /// ```
    /// use encke::{Event, testing};
    ///
    /// let mut server = testing::serve(|event, ctx| {
    ///     if let Event::Begin(_) = event {
    ///         let _ = ctx.start(200, &[("Content-Type", "text/event-stream")]);
    ///     }
    /// });
    /// let (new, old) = (server.get("/"), server.connect());
    /// server.send(old, "GET / HTTP/1.0\r\n\r\n");
    /// assert!(server.received(new).contains("\r\nTransfer-Encoding: chunked\r\n"));
    /// assert!(server.received(old).contains("\r\nConnection: close\r\n"));
    /// ```
    ///
    /// # Errors
    /// As for [`respond`](Ctx::respond).
    pub fn start(&mut self, status: u16, fields: Fields<'_>) -> Result<(), WriteError> {
        self.core.start_at(self.slot, status, fields)
    }

    /// Begins an answer of `length` bytes, to be written piece by piece.
    ///
    /// ```
    /// use encke::{Event, testing};
    ///
    /// let mut server = testing::serve(|event, ctx| {
    ///     if let Event::Begin(_) = event {
    ///         let _ = ctx.start_sized(200, &[], 10);
    ///         let _ = ctx.write(b"12345");
    ///         let _ = ctx.write(b"67890");
    ///         ctx.close();
    ///     }
    /// });
    /// let peer = server.get("/");
    /// assert!(server.received(peer).contains("\r\nContent-Length: 10\r\n"));
    /// assert!(server.received(peer).ends_with("\r\n\r\n1234567890"));
    /// ```
    ///
    /// # Errors
    /// As for [`respond`](Ctx::respond).
    pub fn start_sized(&mut self, status: u16, fields: Fields<'_>, length: u64) -> Result<(), WriteError> {
        self.core.start_sized_at(self.slot, status, fields, length)
    }

    /// Writes body bytes, one chunk a call; without a head before, `200` begins the answer. All are taken or none.
    ///
    /// ```
    /// use encke::{Ctx, Event, Handler, Limits, WriteError, testing};
    ///
    /// /// Writes as much as there is room for, and goes on when there is room again.
    /// struct Endless;
    ///
    /// impl Endless {
    ///     fn go_on(ctx: &mut Ctx<'_, u32>) {
    ///         while ctx.write(format!("{}\n", ctx.state).as_bytes()) != Err(WriteError::Full) {
    ///             *ctx.state += 1;
    ///         }
    ///     }
    /// }
    ///
    /// impl Handler for Endless {
    ///     type State = u32;
    ///
    ///     fn event(&mut self, event: Event<'_>, ctx: &mut Ctx<'_, u32>) {
    ///         if let Event::Begin(_) = event {
    ///             Endless::go_on(ctx);
    ///         }
    ///     }
    ///
    ///     fn drained(&mut self, ctx: &mut Ctx<'_, u32>) {
    ///         Endless::go_on(ctx);
    ///     }
    /// }
    ///
    /// let mut server = testing::Server::new(Endless, Limits { output_bytes_max: 1000, ..Limits::default() });
    /// let peer = server.connect();
    /// server.stop_reading_after(peer, 10_000);
    /// server.send(peer, "GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    /// assert!(server.answers(peer)?[0].text().contains("\n500\n"), "it came as far as it was read");
    /// # Ok::<(), encke::http::peer::PeerError>(())
    /// ```
    ///
    /// # Errors
    /// [`WriteError::Full`] if [`Limits::output_bytes_max`](crate::Limits::output_bytes_max) are waiting already, and then
    /// [`Handler::drained`](crate::Handler::drained) is called when it is time to go on; [`WriteError::Ended`] after a close;
    /// [`WriteError::TooLong`] beyond the announced length.
    pub fn write(&mut self, bytes: &[u8]) -> Result<(), WriteError> {
        self.core.write_at(self.slot, bytes)
    }

    /// Ends the exchange: what was written goes out, then the end of the answer, and the connection is back for its next
    /// request. Messages of channels that have not reached it by now do not; [`Core::end_channel`] closes whoever hears a channel behind
    /// its last message. Without any answer it is `200` with nothing in it.
    ///
    /// ```
    /// use encke::{End, Event, testing};
    ///
    /// let mut server = testing::serve(|event, ctx| match event {
    ///     Event::Begin(_) => {
    ///         let _ = ctx.write(b"some words, ");
    ///         ctx.close();
    ///     }
    ///     // The handler may still write, for the last time.
    ///     Event::End(End::Closed) => drop(ctx.write(b"and the last ones")),
    ///     _ => {}
    /// });
    /// let peer = server.get("/");
    /// let answer = &server.answers(peer)?[0];
    /// assert_eq!((answer.text().as_ref(), answer.is_complete), ("some words, and the last ones", true));
    /// assert!(server.is_open(peer), "for the next request");
    /// # Ok::<(), encke::http::peer::PeerError>(())
    /// ```
    pub fn close(&mut self) {
        self.core.ask_at(self.slot, Life::CloseAsked);
    }

    /// Breaks the exchange off so that the peer can see it: `500` if no answer has begun, else an answer without its
    /// end. The exchange gets `End(Failed)`, and no `Error`, as nothing happened that its handler does not know.
    ///
    /// ```
    /// use encke::{Event, http::peer::PeerError, testing};
    ///
    /// let mut server = testing::serve(|event, ctx| {
    ///     if let Event::Begin(request) = event {
    ///         if request.path() == "/half" {
    ///             let _ = ctx.write(b"half of it");
    ///         }
    ///         ctx.abort();
    ///     }
    /// });
    /// let (none, half) = (server.get("/"), server.get("/half"));
    /// assert_eq!(server.answers(none)?[0].head.status, 500);
    /// assert_eq!(server.answers(half), Err(PeerError::Truncated));
    /// # Ok::<(), PeerError>(())
    /// ```
    pub fn abort(&mut self) {
        self.core.ask_at(self.slot, Life::AbortAsked);
    }

    /// Turns the connection into a tunnel: `101 Switching Protocols`, and from then on `Read(Data)` brings, and `write` sends,
    /// raw bytes. The engine adds `Upgrade: protocol` and `Connection: upgrade`.
    ///
    /// ```
    /// use encke::{Event, Read, testing};
    ///
    /// let mut server = testing::serve(|event, ctx| match event {
    ///     Event::Begin(request) if request.upgrade() == Some("shout") => {
    ///         let _ = ctx.upgrade("shout", &[]);
    ///     }
    ///     Event::Begin(_) => drop(ctx.respond(426, &[("Upgrade", "shout")], b"")),
    ///     Event::Read(Read::Data(raw)) => drop(ctx.write(&raw.to_ascii_uppercase())),
    ///     _ => {}
    /// });
    /// let peer = server.connect();
    /// server.send(peer, "GET / HTTP/1.1\r\nHost: a\r\nConnection: upgrade\r\nUpgrade: shout\r\n\r\n");
    /// server.send(peer, "hello");
    /// assert!(server.received(peer).starts_with("HTTP/1.1 101 Switching Protocols\r\n"));
    /// assert!(server.received(peer).ends_with("\r\n\r\nHELLO"));
    /// ```
    ///
    /// # Errors
    /// As for [`respond`](Ctx::respond); [`WriteError::BadHead`] also for HTTP/1.0, and while the request's body is coming.
    pub fn upgrade(&mut self, protocol: &str, fields: Fields<'_>) -> Result<(), WriteError> {
        self.core.upgrade_at(self.slot, protocol, fields)
    }

    // ---- channels

    /// Listens to channels, one or up to 32: from now on their messages flow by themselves, in this wire format, from where `since`
    /// says, in the order in which they were published. They follow the head that [`start`](Ctx::start) writes, before this call or
    /// after it: what is learned here (a gap, for instance) can still go into the head.
    ///
    /// ```
    /// use encke::{Event, Message, Since, WireFormat, testing};
    ///
    /// let mut server = testing::serve(|event, ctx| {
    ///     if let Event::Begin(_) = event {
    ///         let subscribed = ctx.subscribe(&["news", "weather"], Since::Start, WireFormat::SSE);
    ///         let gap = subscribed.is_ok_and(|subscribed| subscribed.gap);
    ///         let fields = [("Content-Type", "text/event-stream"), ("Encke-Gap", "true")];
    ///         let _ = ctx.start(200, if gap { &fields } else { &fields[..1] });
    ///     }
    /// });
    /// server.run(|_, core| core.publish("news", Message::new("before")))?;
    /// let peer = server.get("/");
    /// server.run(|_, core| core.publish("weather", Message::new("behind")))?;
    /// let text = "id: 1-1\ndata: before\n\nid: 1-2\ndata: behind\n\n";
    /// assert_eq!(server.answers(peer)?[0].text(), text);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// [`WriteError::Begun`] if the answer is no such stream, is to HEAD, or listens already; [`WriteError::BadName`],
    /// [`WriteError::TooManyChannels`], [`WriteError::UnknownFormat`], [`WriteError::Ended`].
    pub fn subscribe(
        &mut self,
        channels: &[&str],
        since: Since,
        format: WireFormat,
    ) -> Result<Subscribed, WriteError> {
        if !self.is_open() {
            return Err(WriteError::Ended);
        }
        let connection = self.core.at(self.slot);
        let wrapping = match (connection.sending, connection.form.version(), connection.form.method()) {
            (_, _, Method::Head) => return Err(WriteError::Begun),
            (Sending::Streaming(Coding::Chunked), ..) | (Sending::Awaited, Version::Http11, _) => {
                Wrapping::Chunked
            }
            (Sending::Streaming(Coding::Bare), ..) | (Sending::Awaited, Version::Http10, _) => Wrapping::Bare,
            _ => return Err(WriteError::Begun),
        };
        if self.core.at(self.slot).subscription != Subscription::None {
            return Err(WriteError::Begun);
        }
        let subscribed = self.core.hub.subscribe(self.slot, channels, since, format, wrapping)?;
        let is_beating = self.core.hub.has_heartbeat(format);
        self.core.at_mut(self.slot).subscription =
            if is_beating { Subscription::Beating } else { Subscription::Quiet };
        Ok(subscribed)
    }

    /// Listens to channels, and holds the answer back until there is something to answer: a long-poll. No answer may have begun.
    ///
    /// If `behind` or `gap` of the result says so, there is something at once: [`take_news`](Ctx::take_news). Otherwise
    /// [`Handler::news`](crate::Handler::news) is called as soon as there is, and [`Cause::Timeout`](crate::Cause::Timeout) comes if
    /// there is not; choose [`HalfClose::Tell`] to learn that the peer has gone.
    ///
    /// ```
    /// use encke::{Cause, Ctx, Event, HalfClose, Handler, Limits, Message, Since, WireFormat, testing};
    ///
    /// /// A long-poll: answered as soon as there is news, or with nothing at the timeout.
    /// struct Poll;
    ///
    /// impl Poll {
    ///     fn answer(ctx: &mut Ctx<'_, ()>) {
    ///         let mut list = Vec::new();
    ///         let news = ctx.take_news(64 * 1024, &mut list);
    ///         let cursor = news.cursor.to_string();
    ///         let _ = ctx.respond(200, &[("Last-Event-ID", &cursor)], &list);
    ///     }
    /// }
    ///
    /// impl Handler for Poll {
    ///     type State = ();
    ///
    ///     fn event(&mut self, event: Event<'_>, ctx: &mut Ctx<'_, ()>) {
    ///         match event {
    ///             Event::Begin(_) => match ctx.park(&["news"], Since::Head, WireFormat::NDJSON) {
    ///                 Ok(there) if there.behind || there.gap => Poll::answer(ctx),
    ///                 Ok(_) => ctx.on_half_close(HalfClose::Tell),
    ///                 Err(_) => ctx.abort(),
    ///             },
    ///             Event::Error(Cause::Timeout) => Poll::answer(ctx),
    ///             _ => {}
    ///         }
    ///     }
    ///
    ///     fn news(&mut self, ctx: &mut Ctx<'_, ()>) {
    ///         Poll::answer(ctx);
    ///     }
    /// }
    ///
    /// let mut server = testing::Server::new(Poll, Limits::default());
    /// let (early, late) = (server.get("/"), server.connect());
    /// server.run(|_, core| core.publish("news", Message::new("Hello")))?;
    /// let line = "{\"id\":\"1-1\",\"channel\":\"news\",\"event\":null,\"data\":\"Hello\"}\n";
    /// assert_eq!(server.answers(early)?[0].text(), line);
    ///
    /// server.send(late, "GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    /// server.advance(Limits::default().comet_timeout * 2);
    /// assert_eq!(server.answers(late)?[0].text(), "");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// As for [`subscribe`](Ctx::subscribe).
    pub fn park(
        &mut self,
        channels: &[&str],
        since: Since,
        format: WireFormat,
    ) -> Result<Subscribed, WriteError> {
        if !self.is_open() {
            return Err(WriteError::Ended);
        }
        let connection = self.core.at(self.slot);
        let may_park = connection.sending == Sending::Awaited
            && connection.form.method() != Method::Head
            && connection.subscription == Subscription::None;
        if !may_park {
            return Err(WriteError::Begun);
        }
        let subscribed = self.core.hub.subscribe(self.slot, channels, since, format, Wrapping::Bare)?;
        self.core.at_mut(self.slot).subscription = Subscription::Parked;
        self.core.parked += 1;
        Ok(subscribed)
    }

    /// Takes what a [`park`](Ctx::park)ed exchange lacks: its messages in the wire format are appended to `out`, as many as are no
    /// longer than `bytes_max` together (at most [`Limits::batch_bytes_max`](crate::Limits::batch_bytes_max)), and at least one if
    /// there is any. The exchange goes on listening behind them until it ends.
    ///
    /// ```
    /// use encke::{Event, Message, Since, WireFormat, testing};
    ///
    /// // Whoever comes back with a cursor is answered at once, if there is anything behind it.
    /// let mut server = testing::serve(|event, ctx| {
    ///     if let Event::Begin(_) = event {
    ///         let there = ctx.park(&["news"], Since::Start, WireFormat::STREAM);
    ///         if there.is_ok_and(|there| there.behind) {
    ///             let mut lines = Vec::new();
    ///             let news = ctx.take_news(9, &mut lines);
    ///             assert_eq!((news.messages, news.cursor.seq), (2, 2), "three would be more than nine bytes");
    ///             let _ = ctx.respond(200, &[], &lines);
    ///         }
    ///     }
    /// });
    /// for text in ["one", "two", "three"] {
    ///     server.run(|_, core| core.publish("news", Message::new(text)))?;
    /// }
    /// let peer = server.get("/");
    /// assert_eq!(server.answers(peer)?[0].text(), "one\ntwo\n");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn take_news(&mut self, bytes_max: usize, out: &mut Vec<u8>) -> News {
        let bytes_max = bytes_max.min(self.core.limits.batch_bytes_max);
        self.core.hub.take(self.slot, bytes_max, out)
    }

    /// Whether the exchange listens and there is something that its peer has not taken: messages, or bytes of them. A stream whose peer
    /// is slow has a comet timeout too, and this tells that it is no silence.
    ///
    /// ```
    /// use encke::testing::{OnEvent, Server};
    /// use encke::{Cause, Event, Limits, Message, Since, WireFormat};
    /// use std::time::Duration;
    ///
    /// let listen = OnEvent(|event, ctx| match event {
    ///     Event::Begin(_) => {
    ///         let _ = ctx.subscribe(&["news"], Since::Head, WireFormat::STREAM);
    ///         let _ = ctx.start(200, &[]);
    ///     }
    ///     // A minute of silence ends the stream, but who is only slow has not heard any.
    ///     Event::Error(Cause::Timeout) if !ctx.is_behind() => ctx.close(),
    ///     _ => {}
    /// });
    /// let limits = Limits { write_timeout: Duration::from_secs(600), ..Limits::default() };
    /// let mut server = Server::new(listen, limits);
    /// let (level, slow) = (server.get("/"), server.get("/"));
    /// server.stop_reading(slow);
    /// server.run(|_, core| core.publish("news", Message::new("Hello")))?;
    /// server.advance(Duration::from_secs(61));
    /// assert!(server.answers(level)?[0].is_complete);
    /// assert_eq!(server.engine().core().exchanges(), 1);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn is_behind(&self) -> bool {
        self.core.at(self.slot).owed() > 0 || self.core.hub.lacks(self.slot)
    }

    /// Stops listening. The answer stays open.
    ///
    /// ```
    /// use encke::{Ctx, Event, Handler, Limits, Message, Since, WireFormat, testing};
    /// use std::time::Duration;
    ///
    /// /// A second of news for everybody, and then something else on the same answer.
    /// struct Teaser;
    ///
    /// impl Handler for Teaser {
    ///     type State = ();
    ///
    ///     fn event(&mut self, event: Event<'_>, ctx: &mut Ctx<'_, ()>) {
    ///         if let Event::Begin(_) = event {
    ///             let _ = ctx.subscribe(&["news"], Since::Head, WireFormat::STREAM);
    ///             let _ = ctx.start(200, &[]);
    ///             ctx.set_timer(0, Duration::from_secs(1));
    ///         }
    ///     }
    ///
    ///     fn timer(&mut self, _: u64, ctx: &mut Ctx<'_, ()>) {
    ///         ctx.unsubscribe();
    ///         let _ = ctx.write(b"More of this for a fee.\n");
    ///     }
    /// }
    ///
    /// let mut server = testing::Server::new(Teaser, Limits::default());
    /// let peer = server.get("/");
    /// server.run(|_, core| core.publish("news", Message::new("Hello")))?;
    /// server.advance(Duration::from_secs(1));
    /// server.run(|_, core| core.publish("news", Message::new("unheard")))?;
    /// assert_eq!(server.answers(peer)?[0].text(), "Hello\nMore of this for a fee.\n");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn unsubscribe(&mut self) {
        self.core.unsubscribe(self.slot);
    }

    // ---- the request's body

    /// Has the whole body given in one `Read(Data)`, if it is at most `bytes_max` long; a longer one is `413`. To be called in
    /// `Begin`.
    ///
    /// ```
    /// use encke::{Event, Read, testing};
    ///
    /// let mut server = testing::serve(|event, ctx| match event {
    ///     Event::Begin(_) => ctx.collect_body(1024),
    ///     // However it was cut on its way, it is here in one piece.
    ///     Event::Read(Read::Data(body)) => drop(ctx.respond(200, &[], body)),
    ///     _ => {}
    /// });
    /// let peer = server.connect();
    /// server.send(peer, "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhe");
    /// server.send(peer, "llo");
    /// assert!(server.received(peer).ends_with("\r\n\r\nhello"));
    /// ```
    pub fn collect_body(&mut self, bytes_max: u64) {
        self.core.buffers(self.slot).body_use = BodyUse::Collect;
        self.set_body_max(bytes_max);
    }

    /// Has the body read and thrown away, within [`Limits::discard_bytes_max`](crate::Limits::discard_bytes_max); a longer one
    /// is `413`. Only `Read(Done)` comes.
    ///
    /// ```
    /// use encke::{Event, Read, testing};
    ///
    /// let mut server = testing::serve(|event, ctx| match event {
    ///     Event::Begin(_) => ctx.discard_body(),
    ///     Event::Read(Read::Data(_)) => unreachable!("nobody wanted it"),
    ///     Event::Read(Read::Done) => drop(ctx.respond(200, &[], b"Thank you.\n")),
    ///     _ => {}
    /// });
    /// let peer = server.connect();
    /// server.send(peer, "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello");
    /// assert!(server.received(peer).ends_with("Thank you.\n"));
    /// ```
    pub fn discard_body(&mut self) {
        self.core.buffers(self.slot).body_use = BodyUse::Discard;
        let bytes_max = self.core.limits.discard_bytes_max;
        self.set_body_max(bytes_max);
    }

    /// Has the engine's own refusals of this exchange (`408`, `413`, `503` …) carry these fields too: what every answer of an application
    /// owes to its peer, for instance that a page of another origin may read it.
    ///
    /// ```
    /// use encke::{Event, testing};
    ///
    /// let mut server = testing::serve(|event, ctx| {
    ///     if let Event::Begin(_) = event {
    ///         let _ = ctx.set_refusal_fields(&[("Access-Control-Allow-Origin", "*")]);
    ///         ctx.collect_body(4);
    ///     }
    /// });
    /// let peer = server.connect();
    /// server.send(peer, "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello");
    /// let refused = &server.answers(peer)?[0].head;
    /// assert_eq!((refused.status, refused.field("Access-Control-Allow-Origin")), (413, Some(&b"*"[..])));
    /// # Ok::<(), encke::http::peer::PeerError>(())
    /// ```
    ///
    /// # Errors
    /// [`WriteError::BadHead`] for fields that no answer can carry.
    pub fn set_refusal_fields(&mut self, fields: Fields<'_>) -> Result<(), WriteError> {
        check_fields(400, fields)?;
        let own = fields.iter().map(|(name, value)| (Box::from(*name), Box::from(*value)));
        self.core.buffers(self.slot).refusal_fields = Some(Box::new(own.collect()));
        Ok(())
    }

    /// How many bytes the body may have, instead of [`Limits::body_bytes_max`](crate::Limits::body_bytes_max).
    ///
    /// ```
    /// use encke::{Event, testing};
    ///
    /// let mut server = testing::serve(|event, ctx| {
    ///     if let Event::Begin(request) = event {
    ///         ctx.set_body_max(if request.path() == "/photos" { 10 << 20 } else { 1024 });
    ///     }
    /// });
    /// let peer = server.connect();
    /// server.send(peer, "POST /notes HTTP/1.1\r\nHost: a\r\nContent-Length: 2000\r\n\r\n");
    /// server.send(peer, [b'x'; 1025]);
    /// assert_eq!(server.answers(peer)?[0].head.status, 413);
    /// # Ok::<(), encke::http::peer::PeerError>(())
    /// ```
    pub fn set_body_max(&mut self, bytes_max: u64) {
        self.core.buffers(self.slot).body_bytes_max = bytes_max;
    }

    /// Stops reading: nothing more is taken from the peer, who feels it, until [`resume_reading`](Ctx::resume_reading). The body
    /// timeout rests meanwhile, the comet timeout does not.
    ///
    /// ```
    /// use encke::{Ctx, Event, Handler, Limits, Read, testing};
    /// use std::time::Duration;
    ///
    /// /// Takes one piece of the body a second, as a slow disk might.
    /// struct Slow(usize);
    ///
    /// impl Handler for Slow {
    ///     type State = ();
    ///
    ///     fn event(&mut self, event: Event<'_>, ctx: &mut Ctx<'_, ()>) {
    ///         if let Event::Read(Read::Data(bytes)) = event {
    ///             self.0 += bytes.len();
    ///             ctx.pause_reading();
    ///             ctx.set_timer(0, Duration::from_secs(1));
    ///         }
    ///     }
    ///
    ///     fn timer(&mut self, _: u64, ctx: &mut Ctx<'_, ()>) {
    ///         ctx.resume_reading();
    ///     }
    /// }
    ///
    /// let mut server = testing::Server::new(Slow(0), Limits::default());
    /// let peer = server.connect();
    /// server.send(peer, "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 6\r\n\r\none");
    /// server.send(peer, "two");
    /// assert_eq!(server.handler().0, 3, "the rest waits at the peer's");
    /// server.advance(Duration::from_secs(1));
    /// assert_eq!(server.handler().0, 6);
    /// ```
    pub fn pause_reading(&mut self) {
        self.core.set_reading(self.slot, Reading::Paused);
    }

    /// Stops reading while the subscribers of a channel are too far behind, see [`Pressure`](crate::Pressure); says whether it did. To
    /// be called in `Begin` by whoever is about to publish the body: so a message that nobody has room for waits at its
    /// publisher's. Reading goes on by itself, when those who read have caught up, when the grace of those who do not is over, or when
    /// the channel has held its publishers for the sake of such as do not for as long as it may: half of any ten seconds. An exchange
    /// waits for one channel at a time: while it is held, asking again changes nothing.
    ///
    /// ```
    /// use encke::testing::{OnEvent, Server};
    /// use encke::{Event, Limits, Message, Read, Since, WireFormat};
    ///
    /// let room = OnEvent(|event, ctx| match event {
    ///     Event::Begin(request) if request.method() == "POST" => {
    ///         ctx.collect_body(1024);
    ///         ctx.pause_while_pressed("news");
    ///     }
    ///     Event::Begin(_) => {
    ///         let _ = ctx.subscribe(&["news"], Since::Head, WireFormat::SSE);
    ///         let _ = ctx.start(200, &[]);
    ///     }
    ///     Event::Read(Read::Data(body)) => {
    ///         let text = String::from_utf8_lossy(body);
    ///         let _ = ctx.core().publish("news", Message::new(&text));
    ///         ctx.close();
    ///     }
    ///     _ => {}
    /// });
    /// let mut server = Server::new(room, Limits { history_count_max: 4, ..Limits::default() });
    /// let reader = server.get("/");
    /// server.stop_reading(reader);
    /// let publisher = server.connect();
    /// for _ in 0..4 {
    ///     server.send(publisher, "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello");
    /// }
    /// assert!(server.engine().core().hub().stats().held > 0, "whoever reads would miss something");
    /// server.resume_reading(reader);
    /// assert_eq!(server.answers(publisher)?.len(), 4);
    /// # Ok::<(), encke::http::peer::PeerError>(())
    /// ```
    pub fn pause_while_pressed(&mut self, channel: &str) -> bool {
        let was_held = self.core.at(self.slot).buffers.as_deref().is_some_and(|buffers| buffers.is_held);
        let is_held = was_held || self.is_open() && self.core.hub.hold(channel, self.id());
        if is_held {
            self.core.buffers(self.slot).is_held = true;
            self.core.set_reading(self.slot, Reading::Paused);
        }
        is_held
    }

    /// Goes on reading, behind [`pause_reading`](Ctx::pause_reading).
    ///
    /// ```
    /// use encke::{Ctx, Event, Handler, Limits, Read, testing};
    /// use std::time::Duration;
    ///
    /// /// Reads no body before somebody has looked the key up, which takes a second.
    /// struct Door;
    ///
    /// impl Handler for Door {
    ///     type State = ();
    ///
    ///     fn event(&mut self, event: Event<'_>, ctx: &mut Ctx<'_, ()>) {
    ///         match event {
    ///             Event::Begin(_) => {
    ///                 ctx.pause_reading();
    ///                 ctx.set_timer(0, Duration::from_secs(1));
    ///             }
    ///             Event::Read(Read::Done) => ctx.close(),
    ///             _ => {}
    ///         }
    ///     }
    ///
    ///     fn timer(&mut self, _: u64, ctx: &mut Ctx<'_, ()>) {
    ///         ctx.resume_reading();
    ///     }
    /// }
    ///
    /// let mut server = testing::Server::new(Door, Limits::default());
    /// let peer = server.connect();
    /// server.send(peer, "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello");
    /// assert_eq!(server.received(peer), "");
    /// server.advance(Duration::from_secs(1));
    /// assert!(server.received(peer).starts_with("HTTP/1.1 200 OK\r\n"));
    /// ```
    pub fn resume_reading(&mut self) {
        self.core.set_reading(self.slot, Reading::Flowing);
    }

    /// Chooses what it means that the peer shuts down its sending side.
    ///
    /// ```
    /// use encke::{Cause, Event, HalfClose, testing};
    /// use std::cell::Cell;
    ///
    /// let waiting = Cell::new(0);
    /// let mut server = testing::serve(|event, ctx| match event {
    ///     Event::Begin(_) => {
    ///         ctx.on_half_close(HalfClose::Tell);
    ///         waiting.set(waiting.get() + 1);
    ///     }
    ///     Event::Error(Cause::Disconnected) => waiting.set(waiting.get() - 1),
    ///     _ => {}
    /// });
    /// let peer = server.get("/");
    /// assert_eq!(waiting.get(), 1);
    /// server.close(peer);
    /// assert_eq!(waiting.get(), 0, "it is told before anything is written");
    /// ```
    pub fn on_half_close(&mut self, choice: HalfClose) {
        self.core.at_mut(self.slot).half_close = choice;
    }

    // ---- time

    /// Sets the comet timeout of this exchange, counted from now; zero is never. It starts anew with each read and write.
    ///
    /// ```
    /// use encke::{Cause, Event, testing};
    /// use std::time::Duration;
    ///
    /// let mut server = testing::serve(|event, ctx| match event {
    ///     Event::Begin(_) => ctx.set_timeout(Duration::from_secs(5)),
    ///     // It comes every five seconds, until the exchange ends.
    ///     Event::Error(Cause::Timeout) => drop(ctx.write(b".")),
    ///     _ => {}
    /// });
    /// let peer = server.get("/");
    /// server.advance(Duration::from_secs(16));
    /// assert_eq!(server.answers(peer)?[0].text(), "...");
    /// # Ok::<(), encke::http::peer::PeerError>(())
    /// ```
    pub fn set_timeout(&mut self, timeout: Duration) {
        let tick = self.core.tick;
        let connection = self.core.at_mut(self.slot);
        connection.comet = if timeout.is_zero() { 0 } else { ticks(timeout) };
        connection.since = tick;
    }

    /// Sets this exchange's timer `key`, instead of the one with that key. [`Handler::timer`](crate::Handler::timer) is called
    /// once, `after` from now, unless the exchange ends before.
    ///
    /// ```
    /// use encke::{Ctx, Event, Handler, Limits, testing};
    /// use std::time::Duration;
    ///
    /// /// Counts down, a number a second.
    /// struct Countdown;
    ///
    /// impl Handler for Countdown {
    ///     type State = ();
    ///
    ///     fn event(&mut self, event: Event<'_>, ctx: &mut Ctx<'_, ()>) {
    ///         if let Event::Begin(_) = event {
    ///             for number in 1..=3 {
    ///                 ctx.set_timer(3 - number, Duration::from_secs(number));
    ///             }
    ///         }
    ///     }
    ///
    ///     fn timer(&mut self, key: u64, ctx: &mut Ctx<'_, ()>) {
    ///         let _ = ctx.write(key.to_string().as_bytes());
    ///     }
    /// }
    ///
    /// let mut server = testing::Server::new(Countdown, Limits::default());
    /// let peer = server.get("/");
    /// server.advance(Duration::from_secs(3));
    /// assert_eq!(server.answers(peer)?[0].text(), "210");
    /// # Ok::<(), encke::http::peer::PeerError>(())
    /// ```
    pub fn set_timer(&mut self, key: u64, after: Duration) {
        let due = self.core.now.at + after;
        self.core.timers.set(Owner::Exchange(self.slot), key, due);
    }

    /// Forgets this exchange's timer `key`.
    ///
    /// ```
    /// use encke::{Ctx, Event, Handler, Limits, Read, testing};
    /// use std::time::Duration;
    ///
    /// /// Who has not sent the whole body within a second is told to hurry.
    /// struct Strict;
    ///
    /// impl Handler for Strict {
    ///     type State = ();
    ///
    ///     fn event(&mut self, event: Event<'_>, ctx: &mut Ctx<'_, ()>) {
    ///         match event {
    ///             Event::Begin(_) => ctx.set_timer(0, Duration::from_secs(1)),
    ///             Event::Read(Read::Done) => {
    ///                 ctx.cancel_timer(0);
    ///                 let _ = ctx.start(200, &[]);
    ///             }
    ///             _ => {}
    ///         }
    ///     }
    ///
    ///     fn timer(&mut self, _: u64, ctx: &mut Ctx<'_, ()>) {
    ///         let _ = ctx.respond(408, &[], b"Hurry.\n");
    ///     }
    /// }
    ///
    /// let mut server = testing::Server::new(Strict, Limits::default());
    /// let (quick, slow) = (server.get("/"), server.connect());
    /// server.send(slow, "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhel");
    /// server.advance(Duration::from_secs(2));
    /// assert_eq!(server.answers(quick)?[0].head.status, 200);
    /// assert_eq!(server.answers(slow)?[0].head.status, 408);
    /// # Ok::<(), encke::http::peer::PeerError>(())
    /// ```
    pub fn cancel_timer(&mut self, key: u64) {
        self.core.timers.cancel(Owner::Exchange(self.slot), key);
    }
}
