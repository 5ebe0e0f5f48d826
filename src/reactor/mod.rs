//! The reactor: the engine on mio's poll. The only door to the street.
//!
//! ```text
//!        ┌─────────────────── turn ───────────────────┐
//!   poll ─► accept (a share) ─► Engine::open, register │
//!        ─► readiness ───────► Engine::ready           ├─► poll again, for as long as next_deadline allows
//!        ─► always ──────────► Engine::turn            │
//!        ◄─ next_closed ◄──── dropped, closed          │
//!        └─────────────────────────────────────────────┘
//! ```
//!
//! Each socket is registered once, edge-triggered, for its whole life. What an edge has told is remembered by the engine and the listener, so
//! the poll is asked to wait only when nothing is left to do, and without a timeout if nothing is armed: idle is free.
//!
//! Next: `embed.rs`, `clock.rs`, `listener.rs`, `unix.rs`, `socket.rs`, `addresses.rs`.

#[cfg(not(target_pointer_width = "64"))]
compile_error!(
    "a poll token carries a connection's slot and generation, for which this system's usize is too small"
);

mod addresses;
mod clock;
mod embed;
mod listener;
mod socket;
#[cfg(unix)]
mod unix;

pub use self::listener::Address;
pub use self::socket::Socket;

use std::io;
use std::net::{IpAddr, SocketAddr, ToSocketAddrs};
use std::sync::Arc;
use std::time::Duration;

use mio::{Events, Interest, Poll, Token, Waker};

use self::addresses::{Addresses, Party};
use self::clock::{Clock, unix_millis};
use self::listener::{Listener, Reach};
use crate::engine::{Engine, Handler, Readiness, Remote};
use crate::error::Refusal;
use crate::id::ConnectionId;
use crate::limits::Limits;
use crate::time::{Instant, Now};

/// Beyond every connection's token: those hold a slot of little more than 24 bits in their low half. Listeners come below, one
/// after the other.
const WAKER: Token = Token(usize::MAX);
const FIRST_LISTENER: usize = usize::MAX - 1;

/// Events taken from the poll at once.
const EVENTS: usize = 1024;

/// A turn that takes longer is worth a line in the log: nobody else is served meanwhile.
const LONG_TURN: Duration = Duration::from_millis(100);

/// A server: an [`Engine`] on this thread's poll, with listeners.
///
/// ```
/// use encke::{Ctx, Event, Handler, Limits, Reactor};
///
/// struct Hello;
///
/// impl Handler for Hello {
///     type State = ();
///
///     fn event(&mut self, event: Event<'_>, ctx: &mut Ctx<'_, ()>) {
///         if let Event::Begin(_) = event {
///             let _ = ctx.respond(200, &[], b"Hello\n");
///         }
///     }
/// }
///
/// let mut reactor = Reactor::bind("127.0.0.1:0", Hello, Limits::default())?;
/// let remote = reactor.remote();
/// std::thread::spawn(move || {
///     // …and when it is time to go:
///     let _ = remote.post(|_, core| core.shutdown());
/// });
/// reactor.run()?;
/// # Ok::<(), std::io::Error>(())
/// ```
pub struct Reactor<H: Handler> {
    poll: Poll,
    events: Events,
    engine: Engine<Socket, H>,
    listeners: Vec<Listener>,
    /// Which listener is asked first for the next newcomer.
    next_listener: usize,
    /// Where it has listened, in order: remembered when the listeners are gone.
    addresses: Vec<Address>,
    parties: Addresses,
    clock: Clock,
    /// Whether there may be events that the poll has not told yet: the last batch came back full, or a signal came instead of it.
    has_untold: bool,
}

impl<H: Handler> Reactor<H> {
    /// Listens at the first of the addresses that can be bound.
    ///
    /// ```
    /// use encke::{Limits, Reactor, testing::OnEvent};
    ///
    /// // Port 0 asks the system for one that is free.
    /// let reactor = Reactor::bind("127.0.0.1:0", OnEvent(|_, _| {}), Limits::default())?;
    /// let address = reactor.local_addr().expect("it listens at a port");
    /// let taken = Reactor::bind(address, OnEvent(|_, _| {}), Limits::default());
    /// assert_eq!(taken.err().map(|error| error.kind()), Some(std::io::ErrorKind::AddrInUse));
    /// # Ok::<(), std::io::Error>(())
    /// ```
    ///
    /// # Errors
    /// `InvalidInput` if the limits cannot work, otherwise as the system says: `AddrInUse`, `PermissionDenied` …
    pub fn bind(address: impl ToSocketAddrs, handler: H, limits: Limits) -> io::Result<Reactor<H>> {
        let mut reactor = Reactor::new(handler, limits)?;
        reactor.listen(address)?;
        Ok(reactor)
    }

    /// Listens at a path: see [`listen_unix`](Reactor::listen_unix).
    ///
    /// ```
    /// use encke::{Limits, Reactor, testing::OnEvent};
    ///
    /// let path = std::env::temp_dir().join(format!("encke-bind-{}.sock", std::process::id()));
    /// let reactor = Reactor::bind_unix(&path, OnEvent(|_, _| {}), Limits::default())?;
    /// assert!(std::os::unix::net::UnixStream::connect(&path).is_ok());
    /// drop(reactor);
    /// assert!(!path.exists(), "the path goes with it");
    /// # Ok::<(), std::io::Error>(())
    /// ```
    ///
    /// # Errors
    /// As for [`bind`](Reactor::bind) and [`listen_unix`](Reactor::listen_unix).
    #[cfg(unix)]
    pub fn bind_unix(
        path: impl AsRef<std::path::Path>,
        handler: H,
        limits: Limits,
    ) -> io::Result<Reactor<H>> {
        let mut reactor = Reactor::new(handler, limits)?;
        reactor.listen_unix(path)?;
        Ok(reactor)
    }

    /// Takes over a listener that is open already: see [`add_listener`](Reactor::add_listener).
    ///
    /// ```
    /// use encke::{Limits, Reactor, testing::OnEvent};
    /// use std::net::TcpListener;
    ///
    /// // Somebody else has opened it: an init system, a parent process, a test.
    /// let listener = TcpListener::bind("127.0.0.1:0")?;
    /// let address = listener.local_addr()?;
    /// let reactor = Reactor::from_listener(listener, OnEvent(|_, _| {}), Limits::default())?;
    /// assert_eq!(reactor.local_addr(), Some(address));
    /// # Ok::<(), std::io::Error>(())
    /// ```
    ///
    /// # Errors
    /// As for [`bind`](Reactor::bind).
    pub fn from_listener(
        listener: std::net::TcpListener,
        handler: H,
        limits: Limits,
    ) -> io::Result<Reactor<H>> {
        let mut reactor = Reactor::new(handler, limits)?;
        reactor.add_listener(listener)?;
        Ok(reactor)
    }

    /// A reactor that does not listen yet.
    ///
    /// ```
    /// use encke::{Limits, Reactor, testing::OnEvent};
    ///
    /// let mut reactor = Reactor::new(OnEvent(|_, _| {}), Limits::default())?;
    /// assert!(reactor.addresses().is_empty());
    /// reactor.listen("127.0.0.1:0")?;
    /// assert_eq!(reactor.addresses().len(), 1);
    /// # Ok::<(), std::io::Error>(())
    /// ```
    ///
    /// # Errors
    /// `InvalidInput` if the limits cannot work, otherwise what the making of a poll fails with.
    pub fn new(handler: H, limits: Limits) -> io::Result<Reactor<H>> {
        let clock = Clock::new();
        let poll = Poll::new()?;
        let parties = Addresses::new(limits.connections_per_address_max, limits.connections_max);
        let mut engine = Engine::new(handler, limits, unix_millis(), clock.now())
            .map_err(|error| io::Error::new(io::ErrorKind::InvalidInput, error))?;
        let waker = Arc::new(Waker::new(poll.registry(), WAKER)?);
        engine.set_waker(move || {
            // A poll that is gone needs no waking.
            let _ = waker.wake();
        });
        Ok(Reactor {
            poll,
            events: Events::with_capacity(EVENTS),
            engine,
            listeners: Vec::new(),
            next_listener: 0,
            addresses: Vec::new(),
            parties,
            clock,
            has_untold: false,
        })
    }

    // ---- where it listens

    /// Listens at one more address, the first of these that can be bound, and tells which: with port 0 asked for, the port
    /// that was found. All listeners together share [`Limits::accepts_per_turn_max`], each in its turn.
    ///
    /// ```
    /// # use encke::{Ctx, Event, Handler, Limits, Reactor};
    /// # struct Hello;
    /// # impl Handler for Hello {
    /// #     type State = ();
    /// #     fn event(&mut self, _: Event<'_>, _: &mut Ctx<'_, ()>) {}
    /// # }
    /// let mut reactor = Reactor::bind("127.0.0.1:0", Hello, Limits::default())?;
    /// let second = reactor.listen("127.0.0.1:0")?;
    /// assert_eq!(reactor.addresses().len(), 2);
    /// assert!(reactor.local_addr() != Some(second), "that is the first");
    /// # Ok::<(), std::io::Error>(())
    /// ```
    ///
    /// `[::]` is everybody where the system does so; where IPv4 has the same port already, here, it is IPv6 alone.
    ///
    /// # Errors
    /// As the system says: `AddrInUse`, `PermissionDenied` …
    pub fn listen(&mut self, address: impl ToSocketAddrs) -> io::Result<SocketAddr> {
        let mut refusal = io::Error::new(io::ErrorKind::InvalidInput, "the name stands for no address");
        for address in address.to_socket_addrs()? {
            let write_timeout = self.engine.core().limits().write_timeout;
            match Listener::bind(address, self.reach(address), write_timeout) {
                Ok(listener) => {
                    self.add(listener)?;
                    return Ok(self.tcp_addresses().last().unwrap_or(address));
                }
                Err(error) => refusal = error,
            }
        }
        Err(refusal)
    }

    /// Takes one more listener over that is open already. Its backlog is as it was; the options that connections inherit
    /// are set.
    ///
    /// ```
    /// use encke::{Limits, Reactor, testing::OnEvent};
    /// use std::net::TcpListener;
    ///
    /// let mut reactor = Reactor::bind("127.0.0.1:0", OnEvent(|_, _| {}), Limits::default())?;
    /// let second = TcpListener::bind("127.0.0.1:0")?;
    /// reactor.add_listener(second)?;
    /// assert_eq!(reactor.addresses().len(), 2);
    /// # Ok::<(), std::io::Error>(())
    /// ```
    ///
    /// # Errors
    /// As the system says.
    pub fn add_listener(&mut self, listener: std::net::TcpListener) -> io::Result<()> {
        let write_timeout = self.engine.core().limits().write_timeout;
        self.add(Listener::from_std(listener, write_timeout)?)
    }

    /// Listens at a path too, as a Unix-domain socket with mode 0660: its owner and its group may connect. A socket that is
    /// there already and that nobody answers at was left by a server that died, and is replaced. The path is removed when the
    /// reactor stops listening, if it still names this socket.
    ///
    /// ```
    /// # use encke::{Ctx, Event, Handler, Limits, Reactor};
    /// # struct Hello;
    /// # impl Handler for Hello {
    /// #     type State = ();
    /// #     fn event(&mut self, _: Event<'_>, _: &mut Ctx<'_, ()>) {}
    /// # }
    /// let path = std::env::temp_dir().join(format!("encke-doc-{}.sock", std::process::id()));
    /// let mut reactor = Reactor::bind("127.0.0.1:0", Hello, Limits::default())?;
    /// reactor.listen_unix(&path)?;
    /// assert_eq!(reactor.addresses()[1].to_string(), format!("unix:{}", path.display()));
    /// drop(reactor);
    /// assert!(!path.exists());
    /// # Ok::<(), std::io::Error>(())
    /// ```
    ///
    /// # Errors
    /// `AddrInUse` if somebody answers there, `AlreadyExists` if something else than a socket is there, `InvalidInput` for a path that is
    /// empty or too long for an address (about a hundred bytes), otherwise as the system says.
    #[cfg(unix)]
    pub fn listen_unix(&mut self, path: impl AsRef<std::path::Path>) -> io::Result<()> {
        self.add(Listener::bind_unix(path.as_ref())?)
    }

    fn add(&mut self, mut listener: Listener) -> io::Result<()> {
        let token = Token(FIRST_LISTENER - self.listeners.len());
        self.poll.registry().register(listener.source(), token, Interest::READABLE)?;
        self.addresses.push(listener.address().clone());
        self.listeners.push(listener);
        Ok(())
    }

    /// Whether a port is shared by both versions of IP.
    fn reach(&self, address: SocketAddr) -> Reach {
        let is_taken = self.tcp_addresses().any(|other| other.is_ipv4() && other.port() == address.port());
        let is_everybody = address.is_ipv6() && address.ip().is_unspecified();
        if is_everybody && is_taken { Reach::V6Only } else { Reach::Usual }
    }

    fn tcp_addresses(&self) -> impl Iterator<Item = SocketAddr> {
        self.addresses.iter().filter_map(|address| match address {
            Address::Tcp(address) => Some(*address),
            Address::Unix(_) => None,
        })
    }

    /// The first address with a port at which it listens or has listened; with port 0 asked for, the port that was found.
    #[must_use]
    pub fn local_addr(&self) -> Option<SocketAddr> {
        self.tcp_addresses().next()
    }

    /// Where it listens, or has listened before a shutdown began, in the order in which the listeners came.
    #[must_use]
    pub fn addresses(&self) -> &[Address] {
        &self.addresses
    }

    // ---- what it drives

    /// A way in from other threads.
    ///
    /// ```
    /// use encke::{Limits, Reactor, testing::OnEvent};
    ///
    /// let mut reactor = Reactor::bind("127.0.0.1:0", OnEvent(|_, _| {}), Limits::default())?;
    /// let remote = reactor.remote();
    /// std::thread::spawn(move || {
    ///     // It is carried out by the reactor's thread, which wakes for it.
    ///     remote.post(|_handler, core| core.shutdown()).is_ok()
    /// });
    /// reactor.run()?;
    /// # Ok::<(), std::io::Error>(())
    /// ```
    #[must_use]
    pub fn remote(&self) -> Remote<H> {
        self.engine.remote()
    }

    /// The engine.
    #[must_use]
    pub fn engine(&self) -> &Engine<Socket, H> {
        &self.engine
    }

    /// The engine, to act on it between turns.
    ///
    /// ```
    /// use encke::{Limits, Reactor, testing::OnEvent};
    ///
    /// let mut reactor = Reactor::bind("127.0.0.1:0", OnEvent(|_, _| {}), Limits::default())?;
    /// // Between two turns this thread may do what a posted command could.
    /// let now = reactor.engine().core().now();
    /// reactor.engine_mut().run(now, |_handler, core| core.shutdown());
    /// reactor.run()?;
    /// assert!(reactor.engine().is_finished());
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn engine_mut(&mut self) -> &mut Engine<Socket, H> {
        &mut self.engine
    }

    /// Serves until a shutdown that somebody has begun is over.
    ///
    /// ```
    /// use encke::{Event, Limits, Reactor, testing::OnEvent};
    /// use std::io::{Read, Write};
    /// use std::net::TcpStream;
    ///
    /// let once = OnEvent(|event, ctx| {
    ///     if let Event::Begin(_) = event {
    ///         let _ = ctx.respond(200, &[], b"Hello, and goodbye.");
    ///         ctx.core().shutdown();
    ///     }
    /// });
    /// let mut reactor = Reactor::bind("127.0.0.1:0", once, Limits::default())?;
    /// let mut peer = TcpStream::connect(reactor.local_addr().expect("it listens at a port"))?;
    /// peer.write_all(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")?;
    /// # peer.shutdown(std::net::Shutdown::Write)?;
    /// reactor.run()?;
    /// let mut answer = String::new();
    /// peer.read_to_string(&mut answer)?;
    /// assert!(answer.ends_with("\r\n\r\nHello, and goodbye."));
    /// # Ok::<(), std::io::Error>(())
    /// ```
    ///
    /// # Errors
    /// What the poll itself fails with; no connection's failure comes out here.
    pub fn run(&mut self) -> io::Result<()> {
        while !self.engine.is_finished() {
            self.turn(None)?;
        }
        Ok(())
    }

    // TOUR 7.1
    /// Waits until something happens, at most `wait_max`, and does all that is due.
    ///
    /// ```
    /// use encke::{Limits, Reactor, testing::OnEvent};
    /// use std::time::Duration;
    ///
    /// let mut reactor = Reactor::bind("127.0.0.1:0", OnEvent(|_, _| {}), Limits::default())?;
    /// let _peer = std::net::TcpStream::connect(reactor.local_addr().expect("it listens at a port"))?;
    /// while reactor.engine().core().connections() == 0 {
    ///     reactor.turn(Some(Duration::from_millis(100)))?;
    ///     // …and here is room for whatever else this thread has to do.
    /// }
    /// # Ok::<(), std::io::Error>(())
    /// ```
    ///
    /// # Errors
    /// As for [`run`](Reactor::run).
    pub fn turn(&mut self, wait_max: Option<Duration>) -> io::Result<()> {
        let wait = self.wait(wait_max);
        let mut is_cut_short = false;
        match self.poll.poll(&mut self.events, wait) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {
                self.events.clear();
                is_cut_short = true;
            }
            outcome => outcome?,
        }
        let begun = self.clock.now();
        let mut count = 0;
        for event in &self.events {
            count += 1;
            let token = event.token();
            if let Some(listener) =
                FIRST_LISTENER.checked_sub(token.0).and_then(|n| self.listeners.get_mut(n))
            {
                listener.note_ready();
            } else if token != WAKER {
                self.engine.ready(ConnectionId::from_bits(token.0 as u64), readiness(event), begun);
            }
        }
        self.has_untold = is_cut_short || count == EVENTS;
        self.accept();
        self.engine.turn(self.clock.now());
        while let Some((id, transport)) = self.engine.next_closed() {
            drop(transport);
            self.parties.leave(id);
            self.listeners.iter_mut().for_each(Listener::note_closed);
        }
        if self.engine.core().is_shutting_down() {
            // Newcomers are refused by the kernel from now on, and a successor can bind the port.
            self.listeners.clear();
        }
        let took = self.clock.now().at.since(begun.at);
        self.engine.note_turn(took);
        if took > LONG_TURN {
            log::warn!("a turn took {} ms: a handler that blocks holds everybody", took.as_millis());
        }
        Ok(())
    }

    /// How long the poll may wait: not at all while work is left, for ever if nothing is armed.
    fn wait(&self, wait_max: Option<Duration>) -> Option<Duration> {
        let now = self.clock.now().at;
        let wait = self.deadline(now).map(|deadline| round_up(now, deadline));
        [wait, wait_max].into_iter().flatten().min()
    }

    /// When the next turn is due, if nothing happens before.
    fn deadline(&self, now: Instant) -> Option<Instant> {
        let accepting = self.listeners.iter().filter_map(|listener| listener.next_attempt(now)).min();
        let untold = self.has_untold.then_some(now);
        [self.engine.next_deadline(), accepting, untold].into_iter().flatten().min()
    }

    /// Takes in a share of those who wait.
    fn accept(&mut self) {
        let now = self.clock.now();
        for _ in 0..self.engine.core().limits().accepts_per_turn_max {
            let Some((socket, address)) = self.next_newcomer(now.at) else { return };
            // Whom the engine cannot even refuse, or too many are told already, is closed by being dropped.
            let Some(party) = self.parties.admit(address) else { continue };
            let opened = match party {
                Party::TurnedAway => self.engine.turn_away(socket, TOO_MANY_OF_ONE, now),
                _ => self.engine.open(socket, now),
            };
            let Ok(id) = opened else { continue };
            self.parties.enter(id, party);
            self.watch(id, now);
        }
    }

    /// Registers a connection with the poll, once and for its whole life.
    fn watch(&mut self, id: ConnectionId, now: Now) {
        let Some(socket) = self.engine.transport_mut(id) else { return };
        let token = Token(id.to_bits() as usize);
        let interest = Interest::READABLE | Interest::WRITABLE;
        if let Err(error) = self.poll.registry().register(socket.source(), token, interest) {
            log::warn!("a connection cannot be watched and is closed: {error}");
            self.engine.ready(id, Readiness { error: true, ..Readiness::default() }, now);
        }
    }

    /// Somebody who waits, at the listeners in rotation: a crowd at one does not keep the others waiting.
    fn next_newcomer(&mut self, now: Instant) -> Option<(Socket, Option<IpAddr>)> {
        for _ in 0..self.listeners.len() {
            let index = self.next_listener % self.listeners.len();
            self.next_listener = index + 1;
            let newcomer = self.listeners[index].accept(now);
            if newcomer.is_some() {
                return newcomer;
            }
        }
        None
    }
}

/// What a newcomer is told when its address has as many connections as it may.
const TOO_MANY_OF_ONE: Refusal =
    Refusal::new(503, "your address has as many connections as it may; close some, or try again in a moment");

/// From `now` to `deadline`, in whole milliseconds as the poll counts them: one that woke too early would only ask again.
fn round_up(now: Instant, deadline: Instant) -> Duration {
    Duration::from_millis(deadline.since(now).as_micros().div_ceil(1000) as u64)
}

fn readiness(event: &mio::event::Event) -> Readiness {
    Readiness {
        readable: event.is_readable(),
        writable: event.is_writable(),
        read_closed: event.is_read_closed(),
        error: event.is_error(),
    }
}
