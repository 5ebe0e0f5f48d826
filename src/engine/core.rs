//! `Core`: the engine without its transports and its handler, which is why nothing here is generic.
//!
//! A handler reaches it through [`Ctx`](crate::Ctx), a timer or a posted command. Whatever is asked of an exchange here is only noted
//! in its entry and the connection is put on the list of those with work left; the engine carries it out when the callback
//! has returned. So nothing re-enters, and no connection is touched while another is served.
//!
//! Invariant: an [`ExchangeId`] whose exchange has ended reaches nobody: every method looks the generation up first.
//!
//! Next: `answer.rs`, what becomes of a write.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use slab::Slab;

use super::connection::{Buffers, Connection, Life, Method, NOBODY, Output, Reading};
use super::halves::Sending;
use super::remote::Mailbox;
use super::timers::{Owner, Timers};
use super::turns::TurnTimes;
use super::waiting::{Stalled, Waiting};
use super::wheel::Wheel;
use crate::error::WriteError;
use crate::http::write_date;
use crate::hub::{Format, Hub, HubBounds, Ledger, Message, MessageId, Published, WireFormat};
use crate::id::{ConnectionId, ExchangeId};
use crate::limits::Limits;
use crate::time::{Instant, Now, Tick, ticks};

/// Channels, exchanges and timers: everything that a handler can act on besides its own exchange.
///
/// ```
/// use encke::{Core, Message, WriteError, testing};
///
/// /// Whatever has nothing to do with one exchange takes a `Core`.
/// fn announce(core: &mut Core, text: &str) -> Result<usize, WriteError> {
///     Ok(core.publish("news", Message::new(text))?.subscribers)
/// }
///
/// let mut server = testing::serve(|_, _| {});
/// assert_eq!(server.run(|_, core| announce(core, "Hello"))?, 0);
/// assert_eq!(server.engine().core().hub().stats().messages, 1);
/// # Ok::<(), WriteError>(())
/// ```
pub struct Core {
    pub(crate) limits: Limits,
    pub(crate) now: Now,
    pub(crate) tick: Tick,
    pub(crate) date: [u8; 29],
    pub(crate) connections: Slab<Connection>,
    pub(crate) waiting: Waiting,
    /// Peers that take nothing for now.
    pub(crate) stalled: Stalled,
    pub(crate) wheel: Wheel,
    pub(crate) timers: Timers,
    pub(crate) hub: Hub,
    /// Bytes of large answers that their peers have not taken. They are in the hub's ledger too.
    pub(crate) answers: Ledger,
    /// Bytes of bodies that are being collected. They are in the hub's ledger too.
    pub(crate) bodies: Ledger,
    /// Connections with work left, each once.
    pub(crate) queue: VecDeque<u32>,
    /// The connection whose callback runs: its wishes are carried out right after, without the queue.
    pub(crate) current: u32,
    #[expect(
        clippy::vec_box,
        reason = "they move between here and a connection as the eight bytes that an entry has for them"
    )]
    pub(crate) pool: Vec<Box<Buffers>>,
    pub(crate) counters: Counters,
    pub(crate) turns: TurnTimes,
    pub(crate) exchanges: usize,
    pub(crate) parked: usize,
    /// Whether the last turn's share of publishers to be released was used up.
    pub(crate) has_publishers_to_release: bool,
    pub(crate) shutdown: Shutdown,
    /// Where commands of handles wait: those need no handler, so they do not depend on its type.
    pub(crate) handles: Arc<Mailbox<()>>,
    next_generation: u32,
}

/// How far a shutdown has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Shutdown {
    No,
    /// Exchanges are being ended in order of their slots, up to the deadline.
    Draining {
        next: u32,
        deadline: Tick,
    },
}

/// What has happened since the engine began. All of them only grow.
///
/// ```
/// use encke::{Event, testing};
///
/// let mut server = testing::serve(|event, ctx| {
///     if let Event::Begin(_) = event {
///         let _ = ctx.respond(200, &[], b"Hello\n");
///     }
/// });
/// server.get("/");
/// let peer = server.connect();
/// server.send(peer, "NONSENSE\r\n\r\n");
/// let counters = server.engine().core().counters();
/// assert_eq!((counters.opened, counters.exchanges, counters.refused), (2, 1, 1));
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Counters {
    /// Connections taken in, including those that were answered 503 at once.
    pub opened: u64,
    /// Connections given back.
    pub closed: u64,
    /// Connections answered 503 because the table was full, their address had as many as it may, or a shutdown had begun.
    pub turned_away: u64,
    /// Idle or half-begun connections that gave way to newcomers.
    pub evicted: u64,
    /// Exchanges begun.
    pub exchanges: u64,
    /// Requests answered by the engine itself, because they are not acceptable.
    pub refused: u64,
    /// Batches handed to subscribers, in part or whole; [`HubStats::delivered`](crate::HubStats::delivered) counts messages.
    pub deliveries: u64,
    /// Subscribers cut because they did not read.
    pub cuts: u64,
    /// Heartbeats sent.
    pub heartbeats: u64,
    /// Bytes read from peers.
    pub bytes_in: u64,
    /// Bytes taken by peers.
    pub bytes_out: u64,
    /// Reads asked of transports.
    pub reads: u64,
    /// Writes asked of transports.
    pub writes: u64,
    /// Callbacks that panicked.
    pub panics: u64,
    /// Writes of handles that came when their exchange had ended.
    pub dropped: u64,
}

impl Core {
    /// A core without connections, whose hub numbers its messages in the given epoch.
    pub(crate) fn new(limits: Limits, epoch: u64, now: Now) -> Core {
        let bounds = HubBounds {
            history_count_max: limits.history_count_max,
            history_bytes_max: limits.history_bytes_max,
            history_age_max: limits.history_age_max,
            memory_bytes_max: limits.memory_bytes_max,
            grace: limits.grace,
            channels_max: limits.channels_max,
            batch_bytes_max: limits.batch_bytes_max,
        };
        let tick = Tick::at(now.at);
        let handles = Mailbox::new(limits.commands_max);
        Core {
            handles,
            limits,
            now,
            tick,
            date: write_date(now.unix_seconds),
            connections: Slab::new(),
            waiting: Waiting::new(),
            stalled: Stalled::new(),
            wheel: Wheel::new(tick),
            timers: Timers::default(),
            hub: Hub::new(epoch, bounds, now.at),
            answers: Ledger::default(),
            bodies: Ledger::default(),
            queue: VecDeque::new(),
            current: NOBODY,
            pool: Vec::new(),
            counters: Counters::default(),
            turns: TurnTimes::default(),
            exchanges: 0,
            parked: 0,
            has_publishers_to_release: false,
            shutdown: Shutdown::No,
            next_generation: 0,
        }
    }

    // ---- channels

    /// Appends a message to a channel; its subscribers get it in this turn and the next.
    ///
    /// ```
    /// use encke::{Message, Pressure, testing};
    ///
    /// let mut server = testing::serve(|_, _| {});
    /// let published = server.run(|_, core| core.publish("news", Message::new("Hello")))?;
    /// assert_eq!((published.id.to_string().as_str(), published.subscribers), ("1-1", 0));
    /// assert_eq!(published.pressure, Pressure::Low);
    ///
    /// // The type of a message is for formats that have one.
    /// let typed = Message { event: Some("weather"), ..Message::new("rain") };
    /// server.run(|_, core| core.publish("news", typed))?;
    /// # Ok::<(), encke::WriteError>(())
    /// ```
    ///
    /// # Errors
    /// [`WriteError::BadName`] if the channel's, the event's or the key's name is not one, [`WriteError::TooManyChannels`] if the
    /// channel is new and there may be no more.
    pub fn publish(&mut self, channel: &str, message: Message<'_>) -> Result<Published, WriteError> {
        self.hub.publish(channel, message)
    }

    /// Appends a message under an id from outside, for relays that keep the ids of the hub they hear. The engine has to have been
    /// made with that hub's epoch, and ids have to grow; they may leave some out.
    ///
    /// ```
    /// use encke::{Message, MessageId, WriteError, testing};
    ///
    /// let mut server = testing::serve(|_, _| {});
    /// // The hub of a `testing::Server` is in epoch 1.
    /// let id = MessageId { epoch: 1, seq: 700 };
    /// let published = server.run(|_, core| core.append("news", Message::new("relayed"), id))?;
    /// assert_eq!(published.id, id);
    /// let again = server.run(|_, core| core.append("news", Message::new("relayed"), id));
    /// assert_eq!(again, Err(WriteError::StaleId));
    /// # Ok::<(), WriteError>(())
    /// ```
    ///
    /// # Errors
    /// [`WriteError::StaleId`] for an id that is not above all before it, or of another epoch; otherwise as for
    /// [`publish`](Core::publish).
    pub fn append(
        &mut self,
        channel: &str,
        message: Message<'_>,
        id: MessageId,
    ) -> Result<Published, WriteError> {
        self.hub.append(channel, message, id)
    }

    /// Ends a channel: whoever hears it, alone or beside others, gets what it lacks and a notice where its format has one; then its
    /// exchange is closed. The name is free at once, and its messages are gone for newcomers. Says how many heard it; `None` if
    /// there is no such channel.
    ///
    /// ```
    /// use encke::{Event, Since, WireFormat, testing};
    ///
    /// let mut server = testing::serve(|event, ctx| {
    ///     if let Event::Begin(_) = event {
    ///         let _ = ctx.subscribe(&["match"], Since::Head, WireFormat::NDJSON);
    ///         let _ = ctx.start(200, &[]);
    ///     }
    /// });
    /// let peer = server.get("/");
    /// assert_eq!(server.run(|_, core| core.end_channel("match")), Some(1));
    /// let answer = &server.answers(peer)?[0];
    /// assert_eq!(answer.text(), "{\"end\":true,\"id\":\"1-0\"}\n");
    /// assert!(answer.is_complete);
    /// assert_eq!(server.run(|_, core| core.end_channel("match")), None, "it is gone");
    /// # Ok::<(), encke::http::peer::PeerError>(())
    /// ```
    pub fn end_channel(&mut self, channel: &str) -> Option<usize> {
        self.hub.end_channel(channel)
    }

    /// Adds a wire format to the engine's table, for subscriptions from now on. `None` if the table is full (121 besides those that
    /// Encke brings along), or for a heartbeat that is empty.
    ///
    /// ```
    /// use encke::{Event, Format, Message, Since, testing};
    /// use std::cell::Cell;
    ///
    /// let lengths = Format {
    ///     encode: |message, out| out.extend(format!("{}:{},", message.data.len(), message.data).bytes()),
    ///     notice: None,
    ///     heartbeat: None,
    /// };
    /// let format = Cell::new(None);
    /// let mut server = testing::serve(|event, ctx| {
    ///     if let (Event::Begin(_), Some(format)) = (event, format.get()) {
    ///         let _ = ctx.subscribe(&["news"], Since::Head, format);
    ///         let _ = ctx.start(200, &[]);
    ///     }
    /// });
    /// format.set(server.run(|_, core| core.add_format(lengths)));
    /// let peer = server.get("/");
    /// server.run(|_, core| core.publish("news", Message::new("Hello")))?;
    /// assert_eq!(server.answers(peer)?[0].text(), "5:Hello,");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn add_format(&mut self, format: Format) -> Option<WireFormat> {
        self.hub.add_format(format)
    }

    /// The channels, to be looked at.
    #[must_use]
    pub fn hub(&self) -> &Hub {
        &self.hub
    }

    // ---- other exchanges

    /// Whether the exchange is open and may still be written to.
    #[must_use]
    pub fn is_open(&self, id: ExchangeId) -> bool {
        self.slot_of(id).is_ok_and(|slot| matches!(self.at(slot).life, Life::Open | Life::LastWords))
    }

    /// Writes to an exchange as [`Ctx::write`](crate::Ctx::write) does.
    ///
    /// ```
    /// use encke::{Event, WriteError, testing};
    /// use std::cell::Cell;
    ///
    /// let held = Cell::new(None);
    /// let mut server = testing::serve(|event, ctx| {
    ///     if let Event::Begin(_) = event {
    ///         held.set(Some(ctx.id()));
    ///     }
    /// });
    /// let peer = server.get("/");
    /// let id = held.get().expect("the exchange has begun");
    /// server.run(|_, core| core.write(id, b"an answer to an old question"))?;
    /// server.run(|_, core| core.close(id));
    /// assert_eq!(server.answers(peer)?[0].text(), "an answer to an old question");
    /// assert!(server.run(|_, core| !core.is_open(id) && core.write(id, b"?") == Err(WriteError::Ended)));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// [`WriteError::Ended`] if the exchange has ended; otherwise as for `Ctx::write`.
    pub fn write(&mut self, id: ExchangeId, bytes: &[u8]) -> Result<(), WriteError> {
        let slot = self.slot_of(id)?;
        self.write_at(slot, bytes)
    }

    /// Ends an exchange: what was written goes out, then the end of the answer. Nothing happens if it has ended.
    ///
    /// ```
    /// use encke::{Event, testing};
    /// use std::cell::RefCell;
    ///
    /// let waiting = RefCell::new(Vec::new());
    /// let mut server = testing::serve(|event, ctx| {
    ///     if let Event::Begin(_) = event {
    ///         let _ = ctx.start(200, &[]);
    ///         waiting.borrow_mut().push(ctx.id());
    ///     }
    /// });
    /// let (first, second) = (server.get("/"), server.get("/"));
    /// server.run(|_, core| waiting.borrow_mut().drain(..).for_each(|id| core.close(id)));
    /// assert!(server.answers(first)?[0].is_complete && server.answers(second)?[0].is_complete);
    /// # Ok::<(), encke::http::peer::PeerError>(())
    /// ```
    pub fn close(&mut self, id: ExchangeId) {
        self.ask(id, Life::CloseAsked);
    }

    /// Breaks an exchange off so that its peer can see it: 500 if no answer has begun, else an answer without its end.
    ///
    /// ```
    /// use encke::{Event, http::peer::PeerError, testing};
    /// use std::cell::Cell;
    ///
    /// let held = Cell::new(None);
    /// let mut server = testing::serve(|event, ctx| {
    ///     if let Event::Begin(_) = event {
    ///         held.set(Some(ctx.id()));
    ///         let _ = ctx.write(b"the first half");
    ///     }
    /// });
    /// let peer = server.get("/");
    /// let id = held.get().expect("the exchange has begun");
    /// server.run(|_, core| core.abort(id));
    /// assert_eq!(server.answers(peer), Err(PeerError::Truncated), "nobody takes it for a whole answer");
    /// ```
    pub fn abort(&mut self, id: ExchangeId) {
        self.ask(id, Life::AbortAsked);
    }

    /// Sets an exchange's comet timeout, counted from now; zero is never.
    ///
    /// ```
    /// use encke::{Cause, Event, testing};
    /// use std::cell::Cell;
    /// use std::time::Duration;
    ///
    /// let held = Cell::new(None);
    /// let mut server = testing::serve(|event, ctx| match event {
    ///     Event::Begin(_) => held.set(Some(ctx.id())),
    ///     Event::Error(Cause::Timeout) => ctx.close(),
    ///     _ => {}
    /// });
    /// let peer = server.get("/");
    /// let id = held.get().expect("the exchange has begun");
    /// server.run(|_, core| core.set_timeout(id, Duration::from_secs(5)));
    /// server.advance(Duration::from_secs(6));
    /// assert!(server.received(peer).starts_with("HTTP/1.1 200 OK\r\n"));
    /// ```
    pub fn set_timeout(&mut self, id: ExchangeId, timeout: Duration) {
        if let Ok(slot) = self.slot_of(id) {
            let tick = self.tick;
            let connection = self.at_mut(slot);
            connection.comet = if timeout.is_zero() { 0 } else { ticks(timeout) };
            connection.since = tick;
            self.enqueue(slot);
        }
    }

    /// Sets an exchange's timer `key`, instead of the one with that key. [`Handler::timer`](crate::Handler::timer) is called once.
    ///
    /// ```
    /// use encke::{Ctx, Event, ExchangeId, Handler, Limits, testing};
    /// use std::time::Duration;
    ///
    /// /// Who waits is answered a second after the next one has come.
    /// #[derive(Default)]
    /// struct Relay(Option<ExchangeId>);
    ///
    /// impl Handler for Relay {
    ///     type State = ();
    ///
    ///     fn event(&mut self, event: Event<'_>, ctx: &mut Ctx<'_, ()>) {
    ///         if let Event::Begin(_) = event {
    ///             let before = self.0.replace(ctx.id());
    ///             before.into_iter().for_each(|id| ctx.core().set_timer(id, 0, Duration::from_secs(1)));
    ///         }
    ///     }
    ///
    ///     fn timer(&mut self, _: u64, ctx: &mut Ctx<'_, ()>) {
    ///         let _ = ctx.respond(200, &[], b"Somebody came.\n");
    ///     }
    /// }
    ///
    /// let mut server = testing::Server::new(Relay::default(), Limits::default());
    /// let (first, second) = (server.get("/"), server.get("/"));
    /// server.advance(Duration::from_secs(1));
    /// assert!(server.received(first).ends_with("Somebody came.\n"));
    /// assert_eq!(server.received(second), "");
    /// ```
    pub fn set_timer(&mut self, id: ExchangeId, key: u64, after: Duration) {
        if let Ok(slot) = self.slot_of(id) {
            self.timers.set(Owner::Exchange(slot), key, self.now.at + after);
        }
    }

    /// Forgets an exchange's timer `key`.
    ///
    /// ```
    /// use encke::{Event, testing};
    /// use std::cell::Cell;
    /// use std::time::Duration;
    ///
    /// let held = Cell::new(None);
    /// let mut server = testing::serve(|event, ctx| {
    ///     if let Event::Begin(_) = event {
    ///         ctx.set_timer(0, Duration::from_secs(5));
    ///         ctx.set_timeout(Duration::ZERO);
    ///         held.set(Some(ctx.id()));
    ///     }
    /// });
    /// server.get("/");
    /// let due = server.engine().next_deadline();
    /// let id = held.get().expect("the exchange has begun");
    /// server.run(|_, core| core.cancel_timer(id, 0));
    /// assert_ne!(server.engine().next_deadline(), due, "nothing is waited for any more");
    /// ```
    pub fn cancel_timer(&mut self, id: ExchangeId, key: u64) {
        if let Ok(slot) = self.slot_of(id) {
            self.timers.cancel(Owner::Exchange(slot), key);
        }
    }

    /// Goes on reading for an exchange that has called [`Ctx::pause_reading`](crate::Ctx::pause_reading).
    ///
    /// ```
    /// use encke::{Event, Read, testing};
    /// use std::cell::Cell;
    ///
    /// let (held, heard) = (Cell::new(None), Cell::new(0));
    /// let mut server = testing::serve(|event, ctx| match event {
    ///     Event::Begin(_) => {
    ///         held.set(Some(ctx.id()));
    ///         ctx.pause_reading();
    ///     }
    ///     Event::Read(Read::Data(body)) => heard.set(heard.get() + body.len()),
    ///     _ => {}
    /// });
    /// let peer = server.connect();
    /// server.send(peer, "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello");
    /// assert_eq!(heard.get(), 0);
    /// let id = held.get().expect("the exchange has begun");
    /// server.run(|_, core| core.resume_reading(id));
    /// assert_eq!(heard.get(), 5);
    /// ```
    pub fn resume_reading(&mut self, id: ExchangeId) {
        if let Ok(slot) = self.slot_of(id) {
            self.set_reading(slot, Reading::Flowing);
        }
    }

    // ---- the handler's own

    /// Sets the handler's timer `key`, instead of the one with that key. [`Handler::alarm`](crate::Handler::alarm) is called once.
    ///
    /// ```
    /// use encke::{Core, Ctx, Event, Handler, Limits, Message, testing};
    /// use std::time::Duration;
    ///
    /// /// Publishes the time once a minute, whether or not anybody asks.
    /// struct Clock;
    ///
    /// impl Handler for Clock {
    ///     type State = ();
    ///
    ///     fn event(&mut self, _: Event<'_>, _: &mut Ctx<'_, ()>) {}
    ///
    ///     fn alarm(&mut self, key: u64, core: &mut Core) {
    ///         let time = core.now().unix_seconds.to_string();
    ///         let _ = core.publish("time", Message::new(&time));
    ///         core.set_alarm(key, Duration::from_secs(60));
    ///     }
    /// }
    ///
    /// let mut server = testing::Server::new(Clock, Limits::default());
    /// server.run(|_, core| core.set_alarm(0, Duration::ZERO));
    /// server.advance(Duration::from_secs(150));
    /// assert_eq!(server.engine().core().hub().stats().published, 3);
    /// server.run(|_, core| core.cancel_alarm(0));
    /// server.advance(Duration::from_secs(150));
    /// assert_eq!(server.engine().core().hub().stats().published, 3);
    /// ```
    pub fn set_alarm(&mut self, key: u64, after: Duration) {
        self.timers.set(Owner::Handler, key, self.now.at + after);
    }

    /// Forgets the handler's timer `key`.
    ///
    /// ```
    /// use encke::testing;
    /// use std::time::Duration;
    ///
    /// let mut server = testing::serve(|_, _| {});
    /// server.run(|_, core| core.set_alarm(0, Duration::from_secs(60)));
    /// assert!(server.engine().next_deadline().is_some());
    /// server.run(|_, core| core.cancel_alarm(0));
    /// assert_eq!(server.engine().next_deadline(), None);
    /// ```
    pub fn cancel_alarm(&mut self, key: u64) {
        self.timers.cancel(Owner::Handler, key);
    }

    /// Begins the shutdown: nobody new is served, every exchange whose request is complete gets `End(Shutdown)`, and what
    /// is not handed over within [`Limits::drain_timeout`] is cut. Asking twice is asking once.
    ///
    /// ```
    /// use encke::{End, Event, testing};
    ///
    /// let mut server = testing::serve(|event, ctx| match event {
    ///     Event::Begin(_) => drop(ctx.start(200, &[])),
    ///     Event::End(End::Shutdown) => drop(ctx.write(b"Goodbye.\n")),
    ///     _ => {}
    /// });
    /// let peer = server.get("/");
    /// server.run(|_, core| core.shutdown());
    /// let answer = &server.answers(peer)?[0];
    /// assert_eq!((answer.text().as_ref(), answer.is_complete), ("Goodbye.\n", true));
    ///
    /// assert!(server.engine().core().is_shutting_down() && !server.engine().is_finished());
    /// server.close(peer);
    /// assert!(server.engine().is_finished());
    /// # Ok::<(), encke::http::peer::PeerError>(())
    /// ```
    pub fn shutdown(&mut self) {
        if self.shutdown == Shutdown::No {
            let deadline = self.tick.plus(ticks(self.limits.drain_timeout));
            self.shutdown = Shutdown::Draining { next: 0, deadline };
        }
    }

    /// Whether a shutdown has begun.
    #[must_use]
    pub fn is_shutting_down(&self) -> bool {
        self.shutdown != Shutdown::No
    }

    /// What time it is, as the engine was last told.
    #[must_use]
    pub fn now(&self) -> Now {
        self.now
    }

    /// The bounds that hold.
    ///
    /// ```
    /// use encke::{Event, testing};
    ///
    /// // A handler may go by the bounds that it was given.
    /// let mut server = testing::serve(|event, ctx| {
    ///     if let Event::Begin(_) = event {
    ///         let half = ctx.core().limits().body_bytes_max / 2;
    ///         ctx.set_body_max(half);
    ///     }
    /// });
    /// server.get("/");
    /// ```
    #[must_use]
    pub fn limits(&self) -> &Limits {
        &self.limits
    }

    /// Open connections.
    ///
    /// ```
    /// use encke::{Event, Since, WireFormat, testing};
    ///
    /// let mut server = testing::serve(|event, ctx| match event {
    ///     Event::Begin(request) if request.path() == "/poll" => {
    ///         let _ = ctx.park(&["news"], Since::Head, WireFormat::JSON);
    ///     }
    ///     Event::Begin(_) => drop(ctx.respond(200, &[], b"")),
    ///     _ => {}
    /// });
    /// server.get("/poll");
    /// server.get("/");
    /// let core = server.engine().core();
    /// assert_eq!((core.connections(), core.exchanges()), (2, 1));
    /// assert_eq!((core.parked(), core.idle(), core.blocked()), (1, 1, 0));
    /// ```
    #[must_use]
    pub fn connections(&self) -> usize {
        self.connections.len()
    }

    /// Connections that have no exchange, are owed nothing, and wait for a request or for the rest of its head.
    #[must_use]
    pub fn idle(&self) -> usize {
        self.waiting.len()
    }

    /// Peers that take nothing for now of what they are owed: subscribers, and whoever was answered.
    #[must_use]
    pub fn blocked(&self) -> usize {
        self.stalled.len()
    }

    /// Exchanges whose answer is held back until there is news, see [`Ctx::park`](crate::Ctx::park).
    #[must_use]
    pub fn parked(&self) -> usize {
        self.parked
    }

    /// Open exchanges.
    #[must_use]
    pub fn exchanges(&self) -> usize {
        self.exchanges
    }

    /// What has happened so far.
    #[must_use]
    pub fn counters(&self) -> &Counters {
        &self.counters
    }

    /// How long turns have taken, if the driver tells with [`Engine::note_turn`](crate::Engine::note_turn), as the reactor does.
    #[must_use]
    pub fn turns(&self) -> &TurnTimes {
        &self.turns
    }

    // ---- inside the engine

    /// Takes the time over. A monotonic clock that runs backwards is held.
    pub(crate) fn set_now(&mut self, now: Now) {
        if now.unix_seconds != self.now.unix_seconds {
            self.date = write_date(now.unix_seconds);
        }
        self.now = Now { at: now.at.max(self.now.at), unix_seconds: now.unix_seconds };
        self.tick = Tick::at(self.now.at);
        self.hub.set_now(self.now.at);
    }

    /// The moment at which a tick begins.
    pub(crate) fn instant_of(&self, tick: Tick) -> Instant {
        tick.begins(self.now.at)
    }

    /// A generation that no other connection or exchange of the last four thousand million has had.
    pub(crate) fn generation(&mut self) -> u32 {
        self.next_generation = self.next_generation.wrapping_add(1);
        self.next_generation
    }

    pub(crate) fn at(&self, slot: u32) -> &Connection {
        &self.connections[slot as usize]
    }

    pub(crate) fn at_mut(&mut self, slot: u32) -> &mut Connection {
        &mut self.connections[slot as usize]
    }

    /// The slot of a connection that is still the one that is meant.
    pub(crate) fn find(&self, id: ConnectionId) -> Option<u32> {
        self.connections.get(id.slot as usize).filter(|c| c.generation == id.generation).map(|_| id.slot)
    }

    /// The slot of an exchange that is still the one that is meant.
    pub(crate) fn slot_of(&self, id: ExchangeId) -> Result<u32, WriteError> {
        let connection = self.connections.get(id.slot as usize).ok_or(WriteError::Ended)?;
        let is_same = connection.exchange == id.generation && connection.has_exchange();
        if is_same { Ok(id.slot) } else { Err(WriteError::Ended) }
    }

    /// The name of the exchange that is open on a slot.
    pub(crate) fn exchange_at(&self, slot: u32) -> ExchangeId {
        ExchangeId { slot, generation: self.at(slot).exchange }
    }

    /// Puts a connection on the list of those with work left, unless its callback is running.
    pub(crate) fn enqueue(&mut self, slot: u32) {
        if slot != self.current && !self.connections[slot as usize].queued {
            self.connections[slot as usize].queued = true;
            self.queue.push_back(slot);
        }
    }

    /// The buffers of a connection, from the pool if it has none.
    pub(crate) fn buffers(&mut self, slot: u32) -> &mut Buffers {
        let pool = &mut self.pool;
        self.connections[slot as usize]
            .buffers
            .get_or_insert_with(|| pool.pop().unwrap_or_else(|| Box::new(Buffers::new())))
    }

    /// Gives buffers back to the pool once nothing is in them and nothing will be asked of them. Those that are empty and stay, as a handle
    /// is out, give up what was large.
    pub(crate) fn release_buffers(&mut self, slot: u32) {
        let connection = &mut self.connections[slot as usize];
        if connection.reads_body() || connection.sending == Sending::Sized {
            return;
        }
        let Some(buffers) = &mut connection.buffers else { return };
        let is_idle =
            buffers.input.is_empty() && buffers.owed() == 0 && !buffers.is_awaited && buffers.missing == 0;
        if is_idle && buffers.sight.is_some() {
            buffers.trim();
        } else if is_idle && let Some(buffers) = connection.buffers.take() {
            self.recycle(buffers);
        }
    }

    /// Keeps a few spare buffers, and lets the rest go.
    pub(crate) fn recycle(&mut self, mut buffers: Box<Buffers>) {
        const SPARE_MAX: usize = 64;
        if self.pool.len() < SPARE_MAX {
            buffers.reset();
            self.pool.push(buffers);
        }
    }

    /// Notes how an exchange shall end. The first word counts.
    fn ask(&mut self, id: ExchangeId, life: Life) {
        if let Ok(slot) = self.slot_of(id) {
            self.ask_at(slot, life);
        }
    }

    pub(crate) fn ask_at(&mut self, slot: u32, life: Life) {
        let connection = self.at_mut(slot);
        if connection.life == Life::Open {
            connection.life = life;
            self.enqueue(slot);
        }
    }

    pub(crate) fn set_reading(&mut self, slot: u32, reading: Reading) {
        let tick = self.tick;
        let connection = self.at_mut(slot);
        if connection.reading == reading {
            return;
        }
        connection.reading = reading;
        if reading == Reading::Flowing {
            // The peer could not send while it was not read from, so its clocks start anew.
            if let Some(buffers) = &mut connection.buffers {
                buffers.start_body_clocks(tick);
            }
            self.enqueue(slot);
        }
    }

    /// Whether a write to the slot's peer may be tried now.
    pub(crate) fn can_send(&self, slot: u32) -> bool {
        self.at(slot).output == Output::Free
    }

    /// Whether the answer of the slot's exchange goes without a body.
    pub(crate) fn is_head_request(&self, slot: u32) -> bool {
        self.at(slot).form.method() == Method::Head
    }
}
