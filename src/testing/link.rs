//! A link: a connection in memory, with the engine at one end and a peer that does what it is told at the other.
//!
//! [`Server`](super::Server) has one for each of its peers; a test that drives an [`Engine`](crate::Engine) by itself makes its own.
//!
//! ```text
//!   peer ── send, half_close, close, reset ──► read  ──┐
//!                                                      Link: Transport ── the engine
//!   peer ◄─ received ────────── room ──────── write ◄──┘
//! ```
//!
//! It answers as a socket does: a short read means drained, a short write means blocked.
//!
//! Invariants: what the engine has written is kept for good, so a test can look at it when the connection is gone; a write is
//! refused exactly while there is no room.
//! Absent on purpose: delays, losses and pieces drawn by lot, which only a simulator with a seed has a use for.
//! Next: `answer.rs`.

use std::io;

use crate::engine::{More, Moved, Readiness, Transport};

/// A connection in memory: a [`Transport`] whose other end is a peer that a test commands.
///
/// ```
/// use encke::testing::{Link, OnEvent};
/// use encke::{Engine, Event, Limits, time::Now};
///
/// let hello = OnEvent(|event, ctx| {
///     if let Event::Begin(_) = event {
///         let _ = ctx.respond(200, &[], b"Hello\n");
///     }
/// });
/// let now = Now::default();
/// let mut engine = Engine::new(hello, Limits::default(), 1, now)?;
/// let id = engine.open(Link::new(), now).ok().expect("there is room");
///
/// // Something happens to the connection, the engine is told, and the answer is there.
/// let link = engine.transport_mut(id).expect("it is open");
/// link.send(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n");
/// let readiness = link.readiness();
/// engine.ready(id, readiness, now);
/// let link = engine.transport_mut(id).expect("it is kept alive");
/// assert!(link.received().ends_with(b"\r\n\r\nHello\n"));
/// # Ok::<(), encke::LimitsError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Link {
    /// All that the peer has ever sent, and how much of it the engine has read.
    sent: Vec<u8>,
    read: usize,
    /// All that the peer has ever received.
    received: Vec<u8>,
    /// How many bytes more the peer will take.
    room: usize,
    peer: PeerEnd,
    server: ServerEnd,
}

/// What the peer has done with the connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum PeerEnd {
    Open,
    /// It sends nothing more, and reads.
    HalfClosed,
    /// It neither sends nor reads.
    Closed,
    Reset,
}

/// What the engine has done with the connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum ServerEnd {
    Open,
    Closed,
    /// Closed so that the peer can see a failure.
    BrokenOff,
}

impl Default for Link {
    fn default() -> Link {
        Link::new()
    }
}

impl Link {
    /// A connection that is open, whose peer has sent nothing and reads all that it is sent.
    #[must_use]
    pub const fn new() -> Link {
        Link {
            sent: Vec::new(),
            read: 0,
            received: Vec::new(),
            room: usize::MAX,
            peer: PeerEnd::Open,
            server: ServerEnd::Open,
        }
    }

    // ---- what the peer does

    /// The peer sends bytes. However many they are, they arrive at once.
    ///
    /// ```
    /// use encke::engine::Transport;
    /// use encke::testing::Link;
    ///
    /// let mut link = Link::new();
    /// link.send(b"GET / HT");
    /// link.send(b"TP/1.1\r\n");
    /// let mut buffer = [0; 64];
    /// assert_eq!(link.read(&mut buffer)?.bytes, 16);
    /// # Ok::<(), std::io::Error>(())
    /// ```
    ///
    /// # Panics
    /// If the peer has closed its sending side.
    #[track_caller]
    pub fn send(&mut self, bytes: &[u8]) {
        assert!(self.peer == PeerEnd::Open, "a peer that has closed cannot send");
        self.sent.extend_from_slice(bytes);
    }

    /// The peer closes its sending side (a FIN) and goes on reading, as `nc -N` does.
    ///
    /// ```
    /// use encke::engine::Transport;
    /// use encke::testing::Link;
    ///
    /// let mut link = Link::new();
    /// link.half_close();
    /// assert_eq!(link.read(&mut [0; 64])?.bytes, 0, "the end");
    /// assert_eq!(link.write(b"your answer")?.bytes, 11);
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn half_close(&mut self) {
        if self.peer == PeerEnd::Open {
            self.peer = PeerEnd::HalfClosed;
        }
    }

    /// The peer closes the connection: the engine reads an end, and its next write fails.
    ///
    /// ```
    /// use encke::engine::Transport;
    /// use encke::testing::Link;
    ///
    /// let mut link = Link::new();
    /// link.close();
    /// assert_eq!(link.read(&mut [0; 64])?.bytes, 0, "the end");
    /// assert_eq!(link.write(b"Hello").unwrap_err().kind(), std::io::ErrorKind::BrokenPipe);
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn close(&mut self) {
        if self.peer != PeerEnd::Reset {
            self.peer = PeerEnd::Closed;
        }
    }

    /// The peer resets the connection (a RST): what it has sent and nobody has read is lost, and reads and writes fail.
    ///
    /// ```
    /// use encke::engine::Transport;
    /// use encke::testing::Link;
    ///
    /// let mut link = Link::new();
    /// link.send(b"unread");
    /// link.reset();
    /// let error = link.read(&mut [0; 64]).unwrap_err();
    /// assert_eq!(error.kind(), std::io::ErrorKind::ConnectionReset);
    /// ```
    pub fn reset(&mut self) {
        self.peer = PeerEnd::Reset;
        self.read = self.sent.len();
    }

    /// The peer reads so many bytes more and then stops: the next write is refused with `WouldBlock`. Zero stops it at once.
    ///
    /// ```
    /// use encke::engine::Transport;
    /// use encke::testing::Link;
    ///
    /// let mut link = Link::new();
    /// link.stop_reading_after(3);
    /// assert_eq!(link.write(b"Hello")?.bytes, 3);
    /// assert_eq!(link.write(b"lo").unwrap_err().kind(), std::io::ErrorKind::WouldBlock);
    /// link.resume_reading();
    /// link.write(b"lo")?;
    /// assert_eq!(link.received(), b"Hello");
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn stop_reading_after(&mut self, bytes: usize) {
        self.room = bytes;
    }

    /// The peer reads all that comes, again.
    ///
    /// ```
    /// use encke::engine::Transport;
    /// use encke::testing::Link;
    ///
    /// let mut link = Link::new();
    /// link.stop_reading_after(0);
    /// assert!(!link.readiness().writable);
    /// link.resume_reading();
    /// assert_eq!(link.write(b"Hello")?.bytes, 5);
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn resume_reading(&mut self) {
        self.room = usize::MAX;
    }

    // ---- what can be seen of it

    /// What a poll would tell [`Engine::ready`](crate::Engine::ready) about this connection now: its state, not what has changed.
    ///
    /// ```
    /// use encke::testing::Link;
    ///
    /// let mut link = Link::new();
    /// assert!(!link.readiness().readable);
    /// link.send(b"GET");
    /// assert!(link.readiness().readable && !link.readiness().read_closed);
    /// link.half_close();
    /// assert!(link.readiness().read_closed);
    /// ```
    #[must_use]
    pub fn readiness(&self) -> Readiness {
        Readiness {
            readable: self.read < self.sent.len() || self.peer != PeerEnd::Open,
            writable: self.room > 0 && matches!(self.peer, PeerEnd::Open | PeerEnd::HalfClosed),
            read_closed: self.peer != PeerEnd::Open,
            error: self.peer == PeerEnd::Reset,
        }
    }

    /// All that the peer has received since the connection began.
    #[must_use]
    pub fn received(&self) -> &[u8] {
        &self.received
    }

    /// Whether the server has not closed the connection, as far as the peer can see.
    #[must_use]
    pub fn is_open(&self) -> bool {
        self.server == ServerEnd::Open
    }

    /// All that the peer has sent, read or not.
    pub(super) fn sent(&self) -> &[u8] {
        &self.sent
    }

    /// Whether the server has closed it so that the peer sees a failure.
    pub(super) fn is_broken_off(&self) -> bool {
        self.server == ServerEnd::BrokenOff
    }

    /// The engine has given it back, which closes it.
    pub(super) fn give_back(&mut self) {
        if self.server == ServerEnd::Open {
            self.server = ServerEnd::Closed;
        }
    }
}

impl Transport for Link {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<Moved> {
        if self.peer == PeerEnd::Reset {
            return Err(io::ErrorKind::ConnectionReset.into());
        }
        let unread = &self.sent[self.read..];
        if unread.is_empty() && self.peer == PeerEnd::Open {
            return Err(io::ErrorKind::WouldBlock.into());
        }
        let bytes = unread.len().min(buffer.len());
        buffer[..bytes].copy_from_slice(&unread[..bytes]);
        self.read += bytes;
        Ok(Moved { bytes, more: more_if(bytes == buffer.len()) })
    }

    fn write(&mut self, bytes: &[u8]) -> io::Result<Moved> {
        match self.peer {
            PeerEnd::Open | PeerEnd::HalfClosed => {}
            PeerEnd::Closed => return Err(io::ErrorKind::BrokenPipe.into()),
            PeerEnd::Reset => return Err(io::ErrorKind::ConnectionReset.into()),
        }
        if self.room == 0 {
            return Err(io::ErrorKind::WouldBlock.into());
        }
        let taken = bytes.len().min(self.room);
        if self.room < usize::MAX {
            self.room -= taken;
        }
        self.received.extend_from_slice(&bytes[..taken]);
        Ok(Moved { bytes: taken, more: more_if(taken == bytes.len()) })
    }

    fn shutdown_write(&mut self) -> io::Result<()> {
        self.give_back();
        Ok(())
    }

    fn break_off(&mut self) {
        self.server = ServerEnd::BrokenOff;
    }
}

fn more_if(is_whole: bool) -> More {
    if is_whole { More::Yes } else { More::No }
}
