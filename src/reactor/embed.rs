//! The reactor inside somebody else's loop: what to watch, when to come back, and connections that others have accepted.
//!
//! ```text
//!   your loop: wait for ─┬─ your own descriptors
//!                        ├─ reactor.as_raw_fd(), readable      ─┐
//!                        └─ until reactor.next_deadline()      ─┴─► reactor.turn(Some(Duration::ZERO))
//! ```
//!
//! The descriptor is the poll's own: it is readable whenever one of the reactor's sockets has something to tell, or another thread has
//! posted something. Watch it level-triggered, for a turn may leave events for the next one, and ask for the deadline anew after each turn.
//!
//! Invariant: who waits for both misses nothing and is never woken in vain.
//! Examples: `embed_in_your_own_loop`, `in_tokio`, `in_mio`.
//! Next: `clock.rs`.

use std::io;
use std::time::Instant;

use super::socket::Socket;
use super::{Reactor, round_up};
use crate::engine::Handler;
use crate::id::ConnectionId;

impl<H: Handler> Reactor<H> {
    /// When [`turn`](Reactor::turn) has to be called next, if the descriptor is not readable before: now or earlier while work is left, and
    /// never if nothing waits. It is rounded up to the milliseconds in which polls count, so that nobody comes too early.
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
    /// while reactor.engine().core().connections() > 0 {
    ///     reactor.turn(Some(Duration::from_secs(5)))?;
    /// }
    /// let mut answer = String::new();
    /// peer.read_to_string(&mut answer)?;
    /// assert!(answer.ends_with("\r\n\r\nHello"));
    /// # Ok::<(), std::io::Error>(())
    /// ```
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

    fn take_over(&mut self, socket: Socket, already_read: &[u8]) -> io::Result<ConnectionId> {
        let now = self.clock.now();
        if already_read.len() > crate::engine::ALREADY_READ_MAX {
            return Err(io::Error::new(io::ErrorKind::InvalidInput, "more was read already than 64 KiB"));
        }
        let Ok(id) = self.engine.open_with(socket, already_read, now) else {
            return Err(io::Error::new(
                io::ErrorKind::ConnectionRefused,
                "there are as many connections as there may be",
            ));
        };
        self.watch(id, now);
        Ok(id)
    }
}

#[cfg(unix)]
impl<H: Handler> std::os::fd::AsRawFd for Reactor<H> {
    /// The poll's own descriptor, to be watched level-triggered by another loop.
    fn as_raw_fd(&self) -> std::os::fd::RawFd {
        self.poll.as_raw_fd()
    }
}
