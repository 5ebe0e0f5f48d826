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
//! Next: `clock.rs`, `listener.rs`, `socket.rs`.

#[cfg(not(target_pointer_width = "64"))]
compile_error!(
    "a poll token carries a connection's slot and generation, for which this system's usize is too small"
);

mod clock;
mod listener;
mod socket;

use std::io;
use std::net::{SocketAddr, ToSocketAddrs};
use std::sync::Arc;
use std::time::Duration;

use mio::net::TcpStream;
use mio::{Events, Interest, Poll, Token, Waker};

use self::clock::{Clock, unix_millis};
use self::listener::Listener;
use crate::engine::{Engine, Handler, Readiness, Remote};
use crate::id::ConnectionId;
use crate::limits::Limits;
use crate::time::Instant;

/// Beyond every connection's token: those hold a slot of at most 24 bits in their low half.
const LISTENER: Token = Token(usize::MAX);
const WAKER: Token = Token(usize::MAX - 1);

/// Events taken from the poll at once.
const EVENTS: usize = 1024;

/// A turn that takes longer is worth a line in the log: nobody else is served meanwhile.
const LONG_TURN: Duration = Duration::from_millis(100);

/// A server: an [`Engine`] on this thread's poll, with a listener.
///
/// ```no_run
/// # use encke::{Ctx, Event, Handler, Limits, Reactor};
/// # struct Hello;
/// # impl Handler for Hello {
/// #     type State = ();
/// #     fn event(&mut self, event: Event<'_>, ctx: &mut Ctx<'_, ()>) {
/// #         if let Event::Begin(_) = event { let _ = ctx.respond(200, &[], b"Hello\n"); }
/// #     }
/// # }
/// # fn main() -> std::io::Result<()> {
/// let mut reactor = Reactor::bind("127.0.0.1:8080", Hello, Limits::default())?;
/// let remote = reactor.remote();
/// std::thread::spawn(move || {
///     // …and when it is time to go:
///     let _ = remote.post(|_, core| core.shutdown());
/// });
/// reactor.run()
/// # }
/// ```
pub struct Reactor<H: Handler> {
    poll: Poll,
    events: Events,
    engine: Engine<TcpStream, H>,
    listener: Option<Listener>,
    address: SocketAddr,
    clock: Clock,
    /// Whether the last batch of events came back full: there may be more that the poll has not told yet.
    is_batch_full: bool,
}

impl<H: Handler> Reactor<H> {
    /// Listens at the first of the addresses that can be bound.
    ///
    /// # Errors
    /// `InvalidInput` if the limits cannot work, otherwise as the system says: `AddrInUse`, `PermissionDenied` …
    pub fn bind(address: impl ToSocketAddrs, handler: H, limits: Limits) -> io::Result<Reactor<H>> {
        let mut refusal = io::Error::new(io::ErrorKind::InvalidInput, "the name stands for no address");
        for address in address.to_socket_addrs()? {
            match Listener::bind(address) {
                Ok(listener) => return Reactor::new(listener, handler, limits),
                Err(error) => refusal = error,
            }
        }
        Err(refusal)
    }

    /// Takes over a listener that is open already. Its backlog is as it was; the options that connections inherit are set.
    ///
    /// # Errors
    /// As for [`bind`](Reactor::bind).
    pub fn from_listener(
        listener: std::net::TcpListener,
        handler: H,
        limits: Limits,
    ) -> io::Result<Reactor<H>> {
        Reactor::new(Listener::from_std(listener)?, handler, limits)
    }

    fn new(mut listener: Listener, handler: H, limits: Limits) -> io::Result<Reactor<H>> {
        let clock = Clock::new();
        let poll = Poll::new()?;
        let mut engine = Engine::new(handler, limits, unix_millis(), clock.now())
            .map_err(|error| io::Error::new(io::ErrorKind::InvalidInput, error))?;
        let waker = Arc::new(Waker::new(poll.registry(), WAKER)?);
        engine.set_waker(move || {
            // A poll that is gone needs no waking.
            let _ = waker.wake();
        });
        poll.registry().register(&mut listener.socket, LISTENER, Interest::READABLE)?;
        let address = listener.socket.local_addr()?;
        let events = Events::with_capacity(EVENTS);
        Ok(Reactor { poll, events, engine, listener: Some(listener), address, clock, is_batch_full: false })
    }

    /// Where it listens; with port 0 asked for, the port that was found.
    #[must_use]
    pub fn local_addr(&self) -> SocketAddr {
        self.address
    }

    /// A way in from other threads.
    #[must_use]
    pub fn remote(&self) -> Remote<H> {
        self.engine.remote()
    }

    /// The engine.
    #[must_use]
    pub fn engine(&self) -> &Engine<TcpStream, H> {
        &self.engine
    }

    /// The engine, to act on it between turns.
    pub fn engine_mut(&mut self) -> &mut Engine<TcpStream, H> {
        &mut self.engine
    }

    /// Serves until a shutdown that somebody has begun is over.
    ///
    /// # Errors
    /// What the poll itself fails with; no connection's failure comes out here.
    pub fn run(&mut self) -> io::Result<()> {
        while !self.engine.is_finished() {
            self.turn(None)?;
        }
        Ok(())
    }

    /// Waits until something happens, at most `wait_max`, and does all that is due.
    ///
    /// # Errors
    /// As for [`run`](Reactor::run).
    pub fn turn(&mut self, wait_max: Option<Duration>) -> io::Result<()> {
        let wait = self.wait(wait_max);
        match self.poll.poll(&mut self.events, wait) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => self.events.clear(),
            outcome => outcome?,
        }
        let begun = self.clock.now();
        let mut count = 0;
        for event in &self.events {
            count += 1;
            match event.token() {
                LISTENER => self.listener.iter_mut().for_each(Listener::note_ready),
                WAKER => {}
                token => self.engine.ready(ConnectionId::from_bits(token.0 as u64), readiness(event), begun),
            }
        }
        self.is_batch_full = count == EVENTS;
        self.accept();
        self.engine.turn(self.clock.now());
        while let Some((_, transport)) = self.engine.next_closed() {
            drop(transport);
            self.listener.iter_mut().for_each(Listener::note_closed);
        }
        if self.engine.core().is_shutting_down() {
            // Newcomers are refused by the kernel from now on, and a successor can bind the port.
            self.listener = None;
        }
        let took = self.clock.now().at.since(begun.at);
        if took > LONG_TURN {
            log::warn!("a turn took {} ms: a handler that blocks holds everybody", took.as_millis());
        }
        Ok(())
    }

    /// How long the poll may wait: not at all while work is left, for ever if nothing is armed.
    fn wait(&self, wait_max: Option<Duration>) -> Option<Duration> {
        let now = self.clock.now().at;
        let accepting = self.listener.as_ref().and_then(|listener| listener.next_attempt(now));
        let full = self.is_batch_full.then_some(now);
        let deadline = [self.engine.next_deadline(), accepting, full].into_iter().flatten().min();
        let wait = deadline.map(|deadline| round_up(now, deadline));
        [wait, wait_max].into_iter().flatten().min()
    }

    /// Takes in a share of those who wait.
    fn accept(&mut self) {
        let Some(listener) = &mut self.listener else { return };
        let now = self.clock.now();
        for _ in 0..self.engine.core().limits().accepts_per_turn_max {
            let Some(stream) = listener.accept(now.at) else { return };
            // What the engine cannot even refuse is closed by being dropped.
            let Ok(id) = self.engine.open(stream, now) else { continue };
            let Some(stream) = self.engine.transport_mut(id) else { continue };
            let token = Token(id.to_bits() as usize);
            if let Err(error) =
                self.poll.registry().register(stream, token, Interest::READABLE | Interest::WRITABLE)
            {
                log::warn!("a connection cannot be watched and is closed: {error}");
                self.engine.ready(id, Readiness { error: true, ..Readiness::default() }, now);
            }
        }
    }
}

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

#[cfg(unix)]
impl<H: Handler> std::os::fd::AsRawFd for Reactor<H> {
    /// The poll's own descriptor, to be watched level-triggered by another loop.
    fn as_raw_fd(&self) -> std::os::fd::RawFd {
        self.poll.as_raw_fd()
    }
}
