//! The engine: a whole server as a value. What happened goes in, with the time; bytes go out through a [`Transport`].
//!
//! It owns no socket and asks no clock, so `reactor/` drives it with mio, the simulator drives the very same code with hostile links, and an
//! embedder can drive it with anything.
//!
//! ```text
//!   open, ready ──► serve ─► receive ─► events ─► Handler ─► respond, write, publish, close
//!   turn ─► commands   │                                          │
//!        ─► due timers │        settle ◄── nothing re-enters ─────┘
//!        ─► waiting ───┘          └─► flush, deliver ─► close ─► next_closed
//!        ─► a slice of fan-out, of a shutdown
//! ```
//!
//! | file | one sentence |
//! | --- | --- |
//! | `transport.rs`, `event.rs`, `handler.rs`, `ctx.rs`, `core.rs` | what a user sees |
//! | `halves.rs` | the states of a request and its answer, and every legal step |
//! | `connection.rs`, `waiting.rs` | a peer's entry; who gives way when the table is full |
//! | `receive.rs`, `bodies.rs`, `answer.rs`, `output.rs` | bytes in; bodies; answers as they are written; bytes out |
//! | `exchange.rs` | how an exchange opens and the one way in which it ends |
//! | `fanout.rs` | channels to subscribers, in slices |
//! | `wheel.rs`, `timers.rs`, `deadlines.rs` | waits that end |
//! | `turns.rs` | how long turns take |
//! | `shutdown.rs`, `remote.rs`, `handle.rs` | leaving; other threads |
//!
//! Invariants: a call does a bounded amount of work, and what is left over is remembered: [`Engine::next_deadline`] is *now* then.
//! `tests/simulation/` holds the law of events over all of this.
//!
//! Next: `transport.rs`, and from there as each file says.

mod answer;
mod bodies;
mod connection;
mod core;
mod ctx;
mod deadlines;
mod event;
mod exchange;
mod fanout;
mod halves;
mod handle;
mod handler;
mod output;
mod receive;
mod remote;
mod shutdown;
mod timers;
mod transport;
mod turns;
mod waiting;
mod wheel;

pub use self::answer::Fields;
pub use self::connection::HalfClose;
pub use self::core::{Core, Counters};
pub use self::ctx::Ctx;
pub use self::event::{Cause, End, Event, Read, Stall};
pub use self::handle::Handle;
pub use self::handler::Handler;
pub use self::remote::{PostError, Remote};
pub use self::transport::{More, Moved, Transport};
pub use self::turns::TurnTimes;

use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::Duration;

use self::connection::{Connection, Fate, Input, Life, Output, PeerSide};
use self::halves::Receiving;
use self::remote::Mailbox;
use self::timers::Owner;
use crate::error::Refusal;
use crate::id::ConnectionId;
use crate::limits::{Limits, LimitsError};
use crate::time::{Instant, Now};

/// A server of HTTP/1.1 as a value, over transports `T`, for a handler `H`.
///
/// The driver's side of the contract: [`open`](Engine::open) each connection, register [`transport_mut`](Engine::transport_mut) with a
/// poll, report readiness with [`ready`](Engine::ready), call [`turn`](Engine::turn) once for each batch of events and whenever
/// [`next_deadline`](Engine::next_deadline) has come, and drop what [`next_closed`](Engine::next_closed) gives back. Readiness may be
/// edge-triggered: the engine remembers what it has not used up. It may be reported in vain or too often, never too seldom.
///
/// ```
/// use encke::testing::{Link, OnEvent};
/// use encke::{Engine, Event, Limits, time::Now};
///
/// # let hello = OnEvent(|event, ctx| {
/// #     if let Event::Begin(_) = event {
/// #         let _ = ctx.respond(200, &[], b"Hello\n");
/// #     }
/// # });
/// // What a driver does for a connection, here one in memory.
/// let now = Now::default();
/// let mut engine = Engine::new(hello, Limits::default(), 1, now)?;
/// let id = engine.open(Link::new(), now).ok().expect("there is room");
///
/// let link = engine.transport_mut(id).expect("it is open");
/// link.send(b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
/// link.half_close();
/// let readiness = link.readiness();
/// engine.ready(id, readiness, now);
/// engine.turn(now);
///
/// while let Some((closed, link)) = engine.next_closed() {
///     assert_eq!(closed, id);
///     assert!(link.received().ends_with(b"\r\n\r\nHello\n"));
/// }
/// assert_eq!(engine.core().connections(), 0);
/// # Ok::<(), encke::LimitsError>(())
/// ```
pub struct Engine<T, H: Handler> {
    core: Core,
    handler: H,
    /// Beside the slab, under the same slots: so that `Core` need not know them.
    transports: Vec<Option<T>>,
    states: Vec<H::State>,
    scratch: Box<[u8]>,
    closed: VecDeque<(ConnectionId, T)>,
    mailbox: Arc<Mailbox<H>>,
}

/// What a poll has found out about a connection. Several may be true, and all may be false.
///
/// ```
/// use encke::engine::Readiness;
///
/// // What an edge-triggered poll tells when bytes have come, and behind them the end.
/// let readiness = Readiness { readable: true, read_closed: true, ..Readiness::default() };
/// assert!(!readiness.writable && !readiness.error);
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Readiness {
    /// A read may find bytes, or the end.
    pub readable: bool,
    /// A write may be taken.
    pub writable: bool,
    /// The peer has closed its sending side; unread bytes may lie before the end.
    pub read_closed: bool,
    /// The connection has failed; a read will say how.
    pub error: bool,
}

/// By how much a table of `count` entries, one for each connection, grows when it is full: a sixteenth, not twice as much, for these tables
/// are all that an idle connection costs. What is copied on the way is some dozens of nanoseconds for each newcomer.
fn growth(count: usize) -> usize {
    (count / 16).max(64)
}

/// The most that may have been read of a connection before the engine takes it in.
pub const ALREADY_READ_MAX: usize = receive::READ_BYTES_MAX;

/// Connections beyond the table's size that are answered 503 at the same time; more are given back without a word.
const RESERVE: usize = 64;

impl<T: Transport, H: Handler> Engine<T, H> {
    /// An engine without connections. `epoch` tells this run's message ids from those of other runs: Unix milliseconds serve well.
    ///
    /// ```
    /// use encke::testing::{Link, OnEvent};
    /// use encke::{Engine, Limits, time::Now};
    ///
    /// let none = Limits { connections_max: 0, ..Limits::default() };
    /// let refused = Engine::<Link, _>::new(OnEvent(|_, _| {}), none, 1, Now::default());
    /// let why = refused.err().expect("that cannot work");
    /// assert_eq!(why.to_string(), "connections_max must be between 1 and 16777216, and is 0");
    /// ```
    ///
    /// # Errors
    /// [`LimitsError`] if the limits cannot work.
    pub fn new(handler: H, limits: Limits, epoch: u64, now: Now) -> Result<Engine<T, H>, LimitsError> {
        limits.check()?;
        let scratch = vec![0; receive::scratch_bytes(&limits)].into_boxed_slice();
        let mailbox = Mailbox::new(limits.commands_max);
        Ok(Engine {
            core: Core::new(limits, epoch, now),
            handler,
            transports: Vec::new(),
            states: Vec::new(),
            scratch,
            closed: VecDeque::new(),
            mailbox,
        })
    }

    // ---- what happened

    /// Takes a connection in. When the table is full, the oldest that only waits for a request gives way; if there is none, or a
    /// shutdown has begun, the newcomer is answered 503.
    ///
    /// ```
    /// use encke::testing::{Link, OnEvent};
    /// use encke::{Engine, Limits, time::Now};
    ///
    /// let (now, limits) = (Now::default(), Limits { connections_max: 1, ..Limits::default() });
    /// let mut engine = Engine::new(OnEvent(|_, _| {}), limits, 1, now)?;
    /// let first = engine.open(Link::new(), now).ok().expect("there is room");
    /// let second = engine.open(Link::new(), now).ok().expect("who only waits gives way");
    /// assert_ne!(first, second);
    /// assert_eq!(engine.next_closed().map(|(id, _)| id), Some(first));
    /// # Ok::<(), encke::LimitsError>(())
    /// ```
    ///
    /// # Errors
    /// Gives the transport back if not even that can be done.
    pub fn open(&mut self, transport: T, now: Now) -> Result<ConnectionId, T> {
        self.core.set_now(now);
        let bound = self.core.limits.connections_max;
        if self.core.connections.len() >= bound && !self.core.is_shutting_down() {
            self.evict();
        }
        if self.core.is_shutting_down() {
            let why = "the server is shutting down; try again in a moment";
            return self.turn_away(transport, Refusal::new(503, why), now);
        }
        if self.core.connections.len() >= bound {
            let why = "there are as many connections as there may be; try again in a moment";
            return self.turn_away(transport, Refusal::new(503, why), now);
        }
        let id = self.insert(transport);
        self.core.note_waiting(id.slot);
        self.core.arm(id.slot);
        Ok(id)
    }

    /// The same for a connection of which something has been read already, at most [`ALREADY_READ_MAX`] bytes: they are used in the next
    /// turn, as if they had come then.
    ///
    /// ```
    /// use encke::testing::{Link, OnEvent};
    /// use encke::{Engine, Event, Limits, time::Now};
    ///
    /// # let hello = OnEvent(|event, ctx| {
    /// #     if let Event::Begin(_) = event {
    /// #         let _ = ctx.respond(200, &[], b"Hello\n");
    /// #     }
    /// # });
    /// let now = Now::default();
    /// let mut engine = Engine::new(hello, Limits::default(), 1, now)?;
    /// // Somebody has read the head, and found that this one is for Encke.
    /// let head = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n";
    /// let id = engine.open_with(Link::new(), head, now).ok().expect("there is room");
    /// engine.turn(now);
    /// assert!(engine.transport_mut(id).expect("it is open").received().ends_with(b"Hello\n"));
    /// # Ok::<(), encke::LimitsError>(())
    /// ```
    ///
    /// # Errors
    /// As for [`open`](Engine::open).
    ///
    /// # Panics
    /// If more was read already than is taken.
    pub fn open_with(&mut self, transport: T, already_read: &[u8], now: Now) -> Result<ConnectionId, T> {
        assert!(already_read.len() <= ALREADY_READ_MAX, "more was read already than is taken");
        let id = self.open(transport, now)?;
        if !already_read.is_empty() && self.core.at(id.slot).receiving == Receiving::Head {
            self.core.buffers(id.slot).input.extend_from_slice(already_read);
            self.core.enqueue(id.slot);
        }
        Ok(id)
    }

    /// Takes a connection in only to tell its peer why it is not served, whatever it asks, and to close it: for bounds that a driver
    /// keeps itself, such as one for each address. It holds a place of the table until the peer has heard it (or for
    /// [`Limits::linger_timeout`]), so a driver lets only so many of these be under way.
    ///
    /// ```
    /// use encke::testing::{Link, OnEvent};
    /// use encke::{Engine, Limits, Refusal, time::Now};
    ///
    /// let now = Now::default();
    /// let mut engine = Engine::new(OnEvent(|_, _| {}), Limits::default(), 1, now)?;
    /// let why = Refusal::new(503, "your address has as many connections as it may");
    /// let id = engine.turn_away(Link::new(), why, now).ok().expect("there is room to say so");
    /// engine.turn(now);
    /// let link = engine.transport_mut(id).expect("it lingers until the peer has closed too");
    /// assert!(link.received().starts_with(b"HTTP/1.1 503 ") && !link.is_open());
    /// # Ok::<(), encke::LimitsError>(())
    /// ```
    ///
    /// # Errors
    /// Gives the transport back if the table and its reserve are full.
    pub fn turn_away(&mut self, transport: T, refusal: Refusal, now: Now) -> Result<ConnectionId, T> {
        self.core.set_now(now);
        if self.core.connections.len() >= self.core.limits.connections_max + RESERVE {
            return Err(transport);
        }
        let id = self.insert(transport);
        self.core.counters.turned_away += 1;
        self.core.put_refusal(id.slot, refusal);
        self.core.start_closing(id.slot, Fate::Close);
        Ok(id)
    }

    /// Takes note of what a poll has found out, and serves the connection. A name whose connection is gone is passed over.
    ///
    /// ```
    /// use encke::engine::Readiness;
    /// use encke::testing::{Link, OnEvent};
    /// use encke::{Engine, Limits, time::Now};
    ///
    /// let now = Now::default();
    /// let mut engine = Engine::new(OnEvent(|_, _| {}), Limits::default(), 1, now)?;
    /// let id = engine.open(Link::new(), now).ok().expect("there is room");
    ///
    /// engine.transport_mut(id).expect("it is open").send(b"NONSENSE\r\n\r\n");
    /// engine.ready(id, Readiness { readable: true, ..Readiness::default() }, now);
    /// assert_eq!(engine.core().counters().refused, 1);
    /// # Ok::<(), encke::LimitsError>(())
    /// ```
    pub fn ready(&mut self, id: ConnectionId, readiness: Readiness, now: Now) {
        self.core.set_now(now);
        let Some(slot) = self.core.find(id) else { return };
        let connection = self.core.at_mut(slot);
        if readiness.readable || readiness.read_closed || readiness.error {
            connection.input = Input::Ready;
        }
        if (readiness.read_closed || readiness.error) && connection.peer == PeerSide::Open {
            connection.peer = PeerSide::Closing;
        }
        if readiness.writable {
            self.core.note_free(slot);
        }
        if readiness.error && !self.has_unread(slot) {
            // Nobody would ever read how it failed.
            self.lose(slot, &std::io::ErrorKind::ConnectionReset.into());
        }
        self.serve(slot);
        // It may have been given a large answer that it does not take.
        self.cut_for_memory();
    }

    // TOUR 6.1
    /// Does what is due and a share of what is left over: commands, timers, connections that wait for their share, a slice of the
    /// fan-out, a slice of a shutdown.
    ///
    /// ```
    /// use encke::testing::{Link, OnEvent};
    /// use encke::{Engine, Limits, Message, time::Now};
    ///
    /// let mut engine = Engine::<Link, _>::new(OnEvent(|_, _| {}), Limits::default(), 1, Now::default())?;
    /// engine.remote().post(|_, core| drop(core.publish("news", Message::new("Hello")))).expect("there is room");
    /// assert_eq!(engine.core().hub().channels(), 0, "it waits for the next turn");
    /// engine.turn(Now::default());
    /// assert_eq!(engine.core().hub().channels(), 1);
    /// # Ok::<(), encke::LimitsError>(())
    /// ```
    pub fn turn(&mut self, now: Now) {
        self.core.set_now(now);
        self.core.hub.begin_turn();
        self.carry_out_commands();
        self.expire();
        self.ring_timers();
        for _ in 0..self.core.queue.len().min(self.core.limits.resumptions_per_turn_max) {
            let Some(slot) = self.core.queue.pop_front() else { break };
            if let Some(connection) = self.core.connections.get_mut(slot as usize).filter(|c| c.queued) {
                connection.queued = false;
                self.serve(slot);
            }
        }
        self.fan_out();
        self.release_publishers();
        self.keep_to_memory();
        self.continue_shutdown();
    }

    /// Counts a turn by the time that it took, which only a driver can measure; see [`Core::turns`].
    ///
    /// ```
    /// use encke::testing::{Link, OnEvent};
    /// use encke::{Engine, Limits, time::Now};
    ///
    /// let mut engine = Engine::<Link, _>::new(OnEvent(|_, _| {}), Limits::default(), 1, Now::default())?;
    /// let begun = std::time::Instant::now();
    /// engine.turn(Now::default());
    /// engine.note_turn(begun.elapsed());
    /// assert_eq!(engine.core().turns().count(), 1);
    /// # Ok::<(), encke::LimitsError>(())
    /// ```
    pub fn note_turn(&mut self, took: Duration) {
        self.core.turns.note(took);
    }

    /// When `turn` has to be called next, if nothing happens before: now while work is left over, and never if nothing waits.
    ///
    /// ```
    /// use encke::testing::{Link, OnEvent};
    /// use encke::{Engine, Limits, time::{Instant, Now}};
    ///
    /// let now = |seconds: u64| Now { at: Instant::from_micros(seconds * 1_000_000), ..Now::default() };
    /// let mut engine = Engine::new(OnEvent(|_, _| {}), Limits::default(), 1, now(0))?;
    /// assert_eq!(engine.next_deadline(), None, "idle is free");
    ///
    /// let _ = engine.open(Link::new(), now(0));
    /// let due = engine.next_deadline().expect("its head is waited for, but not for ever");
    /// engine.turn(Now { at: due, ..Now::default() });
    /// engine.turn(now(20));
    /// assert!(engine.core().counters().exchanges == 0 && !engine.core().is_shutting_down());
    /// # Ok::<(), encke::LimitsError>(())
    /// ```
    #[must_use]
    pub fn next_deadline(&self) -> Option<Instant> {
        let is_busy = !self.core.queue.is_empty()
            || self.core.hub.has_visits()
            || self.mailbox.has_mail()
            || self.core.handles.has_mail()
            || self.has_slots_to_dismiss()
            || self.core.has_publishers_to_release
            || self.core.next_to_cut().is_some();
        if is_busy {
            return Some(self.core.now.at);
        }
        let wheel = self.core.wheel.next().map(|tick| self.core.instant_of(tick));
        let shutdown = match self.core.shutdown {
            core::Shutdown::Draining { deadline, .. } if !self.core.connections.is_empty() => {
                Some(self.core.instant_of(deadline))
            }
            _ => None,
        };
        let hub = self.core.hub.next_deadline();
        [wheel, shutdown, hub, self.core.timers.next()].into_iter().flatten().min()
    }

    /// A connection that is over. Dropping the transport closes it.
    ///
    /// ```
    /// use encke::testing::{Link, OnEvent};
    /// use encke::{Engine, Limits, time::Now};
    ///
    /// let now = Now::default();
    /// let mut engine = Engine::new(OnEvent(|_, _| {}), Limits::default(), 1, now)?;
    /// let id = engine.open(Link::new(), now).ok().expect("there is room");
    /// let link = engine.transport_mut(id).expect("it is open");
    /// link.close();
    /// let readiness = link.readiness();
    /// engine.ready(id, readiness, now);
    ///
    /// let (closed, _link) = engine.next_closed().expect("the peer has gone");
    /// assert_eq!(closed, id);
    /// assert!(engine.transport_mut(id).is_none() && engine.next_closed().is_none());
    /// # Ok::<(), encke::LimitsError>(())
    /// ```
    pub fn next_closed(&mut self) -> Option<(ConnectionId, T)> {
        self.closed.pop_front()
    }

    // ---- leaving

    /// Begins the shutdown, see [`Core::shutdown`].
    ///
    /// ```
    /// use encke::testing::{Link, OnEvent};
    /// use encke::{Engine, Limits, time::Now};
    ///
    /// let now = Now::default();
    /// let mut engine = Engine::new(OnEvent(|_, _| {}), Limits::default(), 1, now)?;
    /// let _ = engine.open(Link::new(), now);
    /// engine.shutdown(now);
    /// while engine.next_deadline().is_some_and(|due| due <= now.at) {
    ///     engine.turn(now);
    /// }
    /// assert!(!engine.is_finished(), "the peer may take its time to close too");
    /// # let due = now.at + Limits::default().drain_timeout * 2;
    /// # engine.turn(Now { at: due, ..now });
    /// # assert!(engine.is_finished());
    /// # Ok::<(), encke::LimitsError>(())
    /// ```
    pub fn shutdown(&mut self, now: Now) {
        self.core.set_now(now);
        self.core.shutdown();
    }

    /// Whether a shutdown has begun and nothing is open any more.
    #[must_use]
    pub fn is_finished(&self) -> bool {
        self.core.is_shutting_down() && self.core.connections.is_empty()
    }

    /// Cuts every connection at once. Open exchanges get `End(Shutdown)`, and what their peers do not take now is lost.
    ///
    /// ```
    /// use encke::testing::{Link, OnEvent};
    /// use encke::{Engine, Limits, time::Now};
    ///
    /// let now = Now::default();
    /// let mut engine = Engine::new(OnEvent(|_, _| {}), Limits::default(), 1, now)?;
    /// let _ = engine.open(Link::new(), now);
    /// engine.abort();
    /// assert!(engine.next_closed().is_some() && engine.is_finished());
    /// # Ok::<(), encke::LimitsError>(())
    /// ```
    pub fn abort(&mut self) {
        self.core.shutdown();
        self.cut_all();
    }

    // ---- looking in

    /// The transport of an open connection, to be registered with a poll.
    ///
    /// ```
    /// use encke::testing::{Link, OnEvent};
    /// use encke::{Engine, Limits, time::Now};
    ///
    /// let now = Now::default();
    /// let mut engine = Engine::new(OnEvent(|_, _| {}), Limits::default(), 1, now)?;
    /// let id = engine.open(Link::new(), now).ok().expect("there is room");
    /// let link = engine.transport_mut(id).expect("it is open");
    /// link.send(b"GET / HTTP/1.1\r\n");
    /// assert!(link.readiness().readable);
    /// # Ok::<(), encke::LimitsError>(())
    /// ```
    pub fn transport_mut(&mut self, id: ConnectionId) -> Option<&mut T> {
        let slot = self.core.find(id)?;
        self.transports[slot as usize].as_mut()
    }

    /// The same to be looked at, for the test kit.
    pub(crate) fn transport(&self, id: ConnectionId) -> Option<&T> {
        let slot = self.core.find(id)?;
        self.transports[slot as usize].as_ref()
    }

    /// The handler.
    #[must_use]
    pub fn handler(&self) -> &H {
        &self.handler
    }

    /// The engine's inside that handlers act on.
    #[must_use]
    pub fn core(&self) -> &Core {
        &self.core
    }

    /// Acts on the engine from outside of a callback, for instance to publish. What it asks for is carried out in the next turn.
    ///
    /// ```
    /// use encke::testing::{Link, OnEvent};
    /// use encke::{Engine, Limits, Message, time::Now};
    ///
    /// let now = Now::default();
    /// let mut engine = Engine::<Link, _>::new(OnEvent(|_, _| {}), Limits::default(), 1, now)?;
    /// let published = engine.run(now, |_handler, core| core.publish("news", Message::new("Hello")))?;
    /// assert_eq!(engine.core().hub().head(), published.id);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn run<R>(&mut self, now: Now, action: impl FnOnce(&mut H, &mut Core) -> R) -> R {
        self.core.set_now(now);
        action(&mut self.handler, &mut self.core)
    }

    /// A way in from other threads.
    ///
    /// ```
    /// use encke::testing::{Link, OnEvent};
    /// use encke::{Engine, Limits, time::Now};
    ///
    /// let mut engine = Engine::<Link, _>::new(OnEvent(|_, _| {}), Limits::default(), 1, Now::default())?;
    /// let remote = engine.remote();
    /// let thread = std::thread::spawn(move || remote.post(|_, core| core.shutdown()).is_ok());
    /// assert_eq!(thread.join().ok(), Some(true));
    /// engine.turn(Now::default());
    /// assert!(engine.is_finished());
    /// # Ok::<(), encke::LimitsError>(())
    /// ```
    #[must_use]
    pub fn remote(&self) -> Remote<H> {
        self.mailbox.remote()
    }

    /// Sets how a post from another thread wakes whoever drives this engine. The first call counts.
    ///
    /// ```
    /// use encke::testing::{Link, OnEvent};
    /// use encke::{Engine, Limits, time::Now};
    /// use std::sync::mpsc;
    ///
    /// let mut engine = Engine::<Link, _>::new(OnEvent(|_, _| {}), Limits::default(), 1, Now::default())?;
    /// let (bell, ears) = mpsc::channel();
    /// engine.set_waker(move || drop(bell.send(())));
    ///
    /// let remote = engine.remote();
    /// std::thread::spawn(move || remote.post(|_, core| core.shutdown()).is_ok());
    /// ears.recv().expect("the driver sleeps here, and is woken");
    /// engine.turn(Now::default());
    /// assert!(engine.is_finished());
    /// # Ok::<(), encke::LimitsError>(())
    /// ```
    pub fn set_waker(&mut self, wake: impl Fn() + Send + Sync + 'static) {
        let wake = Arc::new(wake);
        let shared = Arc::clone(&wake);
        self.mailbox.set_waker(move || wake());
        self.core.handles.set_waker(move || shared());
    }

    // ---- inside

    // TOUR 6.2
    /// One connection's share of a turn: what happened to it, or was wished, leads here. Visits of the fan-out have a shorter way.
    fn serve(&mut self, slot: u32) {
        self.settle(slot);
        self.receive(slot);
        if self.core.at(slot).kept() == 0 {
            self.core.offer_continue(slot);
        }
        self.flush(slot);
        if self.can_deliver(slot) {
            self.deliver(slot);
        }
        if self.may_leave_now(slot) {
            self.end(slot, End::Shutdown);
            self.flush(slot);
        }
        if self.close(slot) {
            self.remove(slot);
            return;
        }
        if self.can_deliver(slot) || self.has_more_to_do(slot) {
            self.core.enqueue(slot);
        }
        self.core.release_buffers(slot);
        self.core.arm(slot);
    }

    /// Whether output can go on, or a flush has made room for requests that were held back by the answers before them.
    fn has_more_to_do(&self, slot: u32) -> bool {
        let connection = self.core.at(slot);
        if connection.output == Output::Free && connection.owed() > 0 {
            // A transport that takes less than it is given without being blocked, as a TLS session may.
            return true;
        }
        let is_next_held = connection.receiving == Receiving::Quiet && connection.kept() > 0;
        is_next_held && connection.owed() <= self.core.limits.output_bytes_max / 2
    }

    fn insert(&mut self, transport: T) -> ConnectionId {
        let generation = self.core.generation();
        let exchange = self.core.generation();
        if self.core.connections.len() == self.core.connections.capacity() {
            self.core.connections.reserve_exact(growth(self.core.connections.len()));
        }
        let slot = self.core.connections.insert(Connection::new(generation, exchange, self.core.tick));
        if slot >= self.transports.len() {
            if self.transports.len() == self.transports.capacity() {
                self.transports.reserve_exact(growth(slot));
                self.states.reserve_exact(growth(slot));
            }
            self.transports.push(None);
            self.states.push(H::State::default());
        }
        self.transports[slot] = Some(transport);
        self.core.counters.opened += 1;
        ConnectionId { slot: slot as u32, generation }
    }

    /// Gives a connection back to the driver. It has no exchange any more.
    fn remove(&mut self, slot: u32) {
        debug_assert!(!self.core.at(slot).has_exchange(), "a connection goes with its exchange open");
        self.core.note_free(slot);
        self.core.leave_waiting(slot);
        self.core.wheel.cancel(slot);
        let connection = self.core.connections.remove(slot as usize);
        let is_cut = connection.owed() > 0;
        if let Some(buffers) = connection.buffers {
            self.core.recycle(buffers);
        }
        self.core.counters.closed += 1;
        if let Some(mut transport) = self.transports[slot as usize].take() {
            if is_cut {
                // Half of an unframed answer must not end like a whole one.
                transport.break_off();
            }
            self.closed.push_back((ConnectionId { slot, generation: connection.generation }, transport));
        }
    }

    /// Makes room for a newcomer, if anybody only waits.
    fn evict(&mut self) {
        if let Some(slot) = self.core.waiting.first() {
            self.core.counters.evicted += 1;
            self.remove(slot);
        }
    }

    /// Carries out a turn's share of what other threads have posted.
    fn carry_out_commands(&mut self) {
        let share = self.core.limits.commands_per_turn_max;
        for command in self.mailbox.take(share) {
            let (handler, core) = (&mut self.handler, &mut self.core);
            if catch_unwind(AssertUnwindSafe(|| command(handler, core))).is_err() {
                self.core.counters.panics += 1;
            }
        }
        for command in self.core.handles.take(share) {
            command(&mut (), &mut self.core);
        }
    }

    /// Calls handlers whose timers are due.
    fn ring_timers(&mut self) {
        for _ in 0..self.core.limits.resumptions_per_turn_max {
            let Some((owner, key)) = self.core.timers.take_due(self.core.now.at) else { return };
            match owner {
                Owner::Exchange(slot) => {
                    // A callback of this very turn may have closed it: then its end comes first, and its timers are forgotten.
                    if self.core.at(slot).life != Life::Open {
                        self.core.enqueue(slot);
                        continue;
                    }
                    let state = &mut self.states[slot as usize];
                    let called = exchange::call(&mut self.handler, &mut self.core, state, slot, |h, ctx| {
                        h.timer(key, ctx)
                    });
                    self.after_call(slot, called);
                    self.serve(slot);
                }
                Owner::Handler => {
                    let (handler, core) = (&mut self.handler, &mut self.core);
                    if catch_unwind(AssertUnwindSafe(|| handler.alarm(key, core))).is_err() {
                        self.core.counters.panics += 1;
                    }
                }
            }
        }
    }
}

impl<T, H: Handler> Drop for Engine<T, H> {
    fn drop(&mut self) {
        self.mailbox.close();
        self.core.handles.close();
    }
}
