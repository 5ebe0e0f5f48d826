//! The reactor inside somebody else's loop: what to watch, when to come back, and connections that others have accepted.
//!
//! ```text
//!   your loop: wait for ─┬─ your own descriptors
//!                        ├─ reactor.as_fd(), readable          ─┐
//!                        └─ until reactor.next_deadline()      ─┴─► reactor.turn(Some(Duration::ZERO))
//! ```
//!
//! The descriptor is the poll's own: it is readable whenever one of the reactor's sockets has something to tell, or another thread has
//! posted something. A turn may leave events for the next one. A loop that watches level-triggered is told again; for one that watches
//! edge-triggered, as tokio does, the deadline is *now* then. So ask for the deadline anew after each turn.
//!
//! Invariant: who waits for both misses nothing and is never woken in vain.
//! Examples: `in_mio`, `in_tokio`; the guide is docs/embedding.md.
//! Next: `clock.rs`.

use std::io;
use std::time::Instant;

#[cfg(unix)]
use super::listener::Listener;
use super::socket::Socket;
use super::{Reactor, round_up};
use crate::engine::{Core, Handler};
use crate::id::ConnectionId;

impl<H: Handler> Reactor<H> {
    /// Acts on the engine between two turns: publishes what a source of your own has told, or closes an exchange. What is asked for is
    /// carried out in the next turn, for which [`next_deadline`](Reactor::next_deadline) is *now*. This is the way for the reactor's own
    /// thread; others have a [`Remote`](crate::Remote).
    ///
    /// ```
    /// # use encke::{Ctx, Event, Handler, Limits, Message, Reactor};
    /// # struct Hello;
    /// # impl Handler for Hello {
    /// #     type State = ();
    /// #     fn event(&mut self, _: Event<'_>, _: &mut Ctx<'_, ()>) {}
    /// # }
    /// let mut reactor = Reactor::bind("127.0.0.1:0", Hello, Limits::default())?;
    /// let published = reactor.act(|_handler, core| core.publish("news", Message::new("Hello")));
    /// assert_eq!(published.map(|published| published.subscribers), Ok(0));
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn act<R>(&mut self, action: impl FnOnce(&mut H, &mut Core) -> R) -> R {
        let now = self.clock.now();
        self.engine.run(now, action)
    }

    /// Begins the shutdown, see [`Core::shutdown`]. Go on with turns until [`is_finished`](Reactor::is_finished).
    ///
    /// ```
    /// use encke::{Limits, Reactor, testing::OnEvent};
    /// use std::time::Duration;
    ///
    /// let mut reactor = Reactor::bind("127.0.0.1:0", OnEvent(|_, _| {}), Limits::default())?;
    /// reactor.shutdown();
    /// while !reactor.is_finished() {
    ///     reactor.turn(Some(Duration::from_secs(1)))?;
    /// }
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn shutdown(&mut self) {
        self.act(|_, core| core.shutdown());
    }

    /// Whether a shutdown has begun and is over: nothing is open any more, and there is no need for another turn.
    #[must_use]
    pub fn is_finished(&self) -> bool {
        self.engine.is_finished()
    }

    /// When [`turn`](Reactor::turn) has to be called next, if the descriptor is not readable before: now or earlier while work is left, and
    /// never if nothing waits. It is rounded up to the milliseconds in which polls count, so that nobody comes too early.
    ///
    /// ```
    /// use encke::{Limits, Reactor, testing::OnEvent};
    /// use std::time::{Duration, Instant};
    ///
    /// let mut reactor = Reactor::bind("127.0.0.1:0", OnEvent(|_, _| {}), Limits::default())?;
    /// // A listener that has just come has to be asked once whether somebody waits already.
    /// while reactor.next_deadline().is_some_and(|due| due <= Instant::now()) {
    ///     reactor.turn(Some(Duration::ZERO))?;
    /// }
    /// assert_eq!(reactor.next_deadline(), None, "nobody is there, so nothing is waited for");
    /// # Ok::<(), std::io::Error>(())
    /// ```
    #[must_use]
    pub fn next_deadline(&self) -> Option<Instant> {
        let now = self.clock.now().at;
        self.deadline(now).map(|deadline| Instant::now() + round_up(now, deadline))
    }

    /// Takes over a connection that somebody else has accepted, and perhaps read from: `already_read` is what has come of it so far, at
    /// most 64 KiB. It is served from the next turn on, like any other. The options that accepted connections inherit are the
    /// caller's to set; `TCP_NODELAY` is worth having.
    ///
    /// ```
    /// use std::io::{Read, Write};
    /// use std::net::{TcpListener, TcpStream};
    /// use std::time::Duration;
    /// # use encke::{Ctx, Event, Handler, Limits, Reactor};
    /// # struct Hello;
    /// # impl Handler for Hello {
    /// #     type State = ();
    /// #     fn event(&mut self, event: Event<'_>, ctx: &mut Ctx<'_, ()>) {
    /// #         if let Event::Begin(_) = event { let _ = ctx.respond(200, &[], b"Hello"); }
    /// #     }
    /// # }
    ///
    /// let listener = TcpListener::bind("127.0.0.1:0")?;
    /// let mut peer = TcpStream::connect(listener.local_addr()?)?;
    /// peer.write_all(b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")?;
    ///
    /// // A server of one's own accepts, and looks at the first bytes to see what the peer wants.
    /// let (mut accepted, _) = listener.accept()?;
    /// let mut first = [0; 3];
    /// accepted.read_exact(&mut first)?;
    ///
    /// let mut reactor = Reactor::new(Hello, Limits::default())?;
    /// reactor.adopt(accepted, &first)?;
    /// while reactor.engine().core().counters().bytes_out == 0 {
    ///     reactor.turn(Some(Duration::from_secs(5)))?;
    /// }
    /// let mut answer = String::new();
    /// peer.read_to_string(&mut answer)?;
    /// assert!(answer.ends_with("\r\n\r\nHello"));
    /// # Ok::<(), std::io::Error>(())
    /// ```
    ///
    /// The connection counts among all, but not among those of its address (`Limits::connections_per_address_max`): whoever has
    /// accepted it knows better whom it stands for.
    ///
    /// # Errors
    /// `InvalidInput` if more was read than is taken, `ConnectionRefused` if the reactor has as many connections as it may and cannot even
    /// say so to this one, otherwise what the system says; the connection is closed then.
    pub fn adopt(&mut self, stream: std::net::TcpStream, already_read: &[u8]) -> io::Result<ConnectionId> {
        stream.set_nonblocking(true)?;
        self.take_over(Socket::tcp(mio::net::TcpStream::from_std(stream)), already_read)
    }

    /// The same for a Unix-domain stream, for instance one that an init system or a parent process has passed.
    ///
    /// ```
    /// use encke::{Event, Limits, Reactor, testing::OnEvent};
    /// use std::io::{Read, Write};
    /// use std::os::unix::net::UnixStream;
    ///
    /// let hello = OnEvent(|event, ctx| {
    ///     if let Event::Begin(_) = event {
    ///         let _ = ctx.respond(200, &[], b"Hello");
    ///     }
    /// });
    /// let (ours, mut theirs) = UnixStream::pair()?;
    /// theirs.write_all(b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")?;
    /// let mut reactor = Reactor::new(hello, Limits::default())?;
    /// reactor.adopt_unix(ours, b"")?;
    /// while reactor.engine().core().counters().bytes_out == 0 {
    ///     reactor.turn(None)?;
    /// }
    /// let mut answer = String::new();
    /// theirs.read_to_string(&mut answer)?;
    /// assert!(answer.ends_with("\r\n\r\nHello"));
    /// # Ok::<(), std::io::Error>(())
    /// ```
    ///
    /// # Errors
    /// As for [`adopt`](Reactor::adopt).
    #[cfg(unix)]
    pub fn adopt_unix(
        &mut self,
        stream: std::os::unix::net::UnixStream,
        already_read: &[u8],
    ) -> io::Result<ConnectionId> {
        stream.set_nonblocking(true)?;
        self.take_over(Socket::unix(mio::net::UnixStream::from_std(stream)), already_read)
    }

    /// Takes one more listener over that is open already, at a path: for instance one that an init system has bound. Its mode is as it was, and
    /// its path stays when the reactor stops listening. For one at a port there is [`add_listener`](Reactor::add_listener).
    ///
    /// ```
    /// use encke::{Limits, Reactor, testing::OnEvent};
    /// use std::os::unix::net::UnixListener;
    ///
    /// let path = std::env::temp_dir().join(format!("encke-given-{}.sock", std::process::id()));
    /// let listener = UnixListener::bind(&path)?;
    /// let mut reactor = Reactor::new(OnEvent(|_, _| {}), Limits::default())?;
    /// reactor.add_unix_listener(listener)?;
    /// drop(reactor);
    /// assert!(path.exists(), "it is somebody else's");
    /// std::fs::remove_file(path)?;
    /// # Ok::<(), std::io::Error>(())
    /// ```
    ///
    /// # Errors
    /// As the system says.
    #[cfg(unix)]
    pub fn add_unix_listener(&mut self, listener: std::os::unix::net::UnixListener) -> io::Result<()> {
        self.add(Listener::from_std_unix(listener)?)
    }

    fn take_over(&mut self, socket: Socket, already_read: &[u8]) -> io::Result<ConnectionId> {
        let now = self.clock.now();
        if already_read.len() > crate::engine::ALREADY_READ_MAX {
            return Err(io::Error::new(io::ErrorKind::InvalidInput, "more was read already than 64 KiB"));
        }
        let Ok(id) = self.engine.open_with(socket, already_read, now) else {
            let why = match self.engine.core().is_shutting_down() {
                true => "the reactor is shutting down",
                false => "there are as many connections as there may be",
            };
            return Err(io::Error::new(io::ErrorKind::ConnectionRefused, why));
        };
        self.watch(id, now);
        Ok(id)
    }
}

#[cfg(unix)]
impl<H: Handler> std::os::fd::AsFd for Reactor<H> {
    /// The poll's own descriptor, to be watched for reading by another loop. A loop that wants to own what it watches is given a copy,
    /// by `try_clone_to_owned`: it stands for the same poll.
    fn as_fd(&self) -> std::os::fd::BorrowedFd<'_> {
        self.poll.registry().as_fd()
    }
}

#[cfg(unix)]
impl<H: Handler> std::os::fd::AsRawFd for Reactor<H> {
    /// The same as a number.
    fn as_raw_fd(&self) -> std::os::fd::RawFd {
        self.poll.as_raw_fd()
    }
}

/// The guide's own code, compiled and run with the other examples.
#[cfg(doctest)]
#[doc = include_str!("../../docs/embedding.md")]
struct Guide;
