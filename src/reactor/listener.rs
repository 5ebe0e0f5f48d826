//! A listener: how connections come in, and what happens when there is no descriptor for them.
//!
//! `reactor/mod.rs` has one for each address and calls [`accept`](Listener::accept) each turn while connections may be waiting.
//!
//! Invariants: one turn accepts at most its share; the edge that the poll told of is kept over turns and used up only by `WouldBlock`;
//! without descriptors accepting pauses and never spins: it is tried again when a connection closes, or after a moment, and said once
//! a minute at most.
//!
//! Next: `unix.rs`, where a path instead of a port is listened at.

use std::fmt;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

use mio::event::Source;
use mio::net::TcpListener;
use socket2::{Domain, Protocol, SockRef, TcpKeepalive, Type};

use super::socket::Socket;
#[cfg(unix)]
use super::unix::UnixDoor;
use crate::time::Instant;

/// Connections that the kernel keeps waiting for us. The usual 128 makes a storm of connects many times slower.
pub(crate) const BACKLOG: i32 = 4096;

/// How long accepting pauses when descriptors have run out and none of ours closes.
const PAUSE: Duration = Duration::from_millis(50);

/// How long nothing more is said of a lack of descriptors. Each place that becomes free and is taken at once would be a line otherwise.
const TELLING_PAUSE: Duration = Duration::from_secs(60);

/// Where a reactor listens.
///
/// ```
/// use encke::{Address, Limits, Reactor, testing::OnEvent};
///
/// let reactor = Reactor::bind("127.0.0.1:0", OnEvent(|_, _| {}), Limits::default())?;
/// for address in reactor.addresses() {
///     match address {
///         Address::Tcp(address) => println!("http://{address}/"),
///         other => println!("{other}"),
///     }
/// }
/// # Ok::<(), std::io::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Address {
    /// At a port of this machine.
    Tcp(SocketAddr),
    /// At a path of this machine's file system.
    Unix(PathBuf),
}

impl fmt::Display for Address {
    /// `127.0.0.1:8080`, or `unix:/run/encke.sock`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Address::Tcp(address) => address.fmt(f),
            Address::Unix(path) => write!(f, "unix:{}", path.display()),
        }
    }
}

/// What the two versions of IP share of a port.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Reach {
    /// As the system does: on most, `[::]` is everybody.
    Usual,
    /// IPv6 alone, because the port is taken by IPv4 already.
    V6Only,
}

/// An open listener, and whether anybody may be waiting at it.
pub(crate) struct Listener {
    door: Door,
    address: Address,
    state: State,
    /// When it was last said that accepting pauses.
    told: Option<Instant>,
}

/// What is listened at.
enum Door {
    Tcp(TcpListener),
    #[cfg(unix)]
    Unix(UnixDoor),
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    /// Nobody waits until the poll says so.
    Quiet,
    /// Somebody may wait.
    Ready,
    /// Somebody waits and there is no descriptor; tried again at this moment.
    Paused(Instant),
}

impl Listener {
    /// A listener at `address`, with all that its connections inherit.
    pub(crate) fn bind(address: SocketAddr, reach: Reach, write_timeout: Duration) -> io::Result<Listener> {
        let socket = socket2::Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
        #[cfg(unix)]
        socket.set_reuse_address(true)?;
        if reach == Reach::V6Only {
            socket.set_only_v6(true)?;
        }
        socket.bind(&address.into())?;
        socket.listen(BACKLOG)?;
        Listener::from_std(socket.into(), write_timeout)
    }

    /// Takes over a listener that is open already.
    pub(crate) fn from_std(listener: std::net::TcpListener, write_timeout: Duration) -> io::Result<Listener> {
        listener.set_nonblocking(true)?;
        set_inherited_options(SockRef::from(&listener), write_timeout)?;
        let address = Address::Tcp(listener.local_addr()?);
        Ok(Listener::new(Door::Tcp(TcpListener::from_std(listener)), address))
    }

    /// A listener at a path. It has none of TCP's options, and needs none: nothing is lost on the way, and a peer that dies
    /// is known at once.
    #[cfg(unix)]
    pub(crate) fn bind_unix(path: &std::path::Path) -> io::Result<Listener> {
        Ok(Listener::at(UnixDoor::bind(path)?))
    }

    /// Takes over a listener at a path that is open already.
    #[cfg(unix)]
    pub(crate) fn from_std_unix(listener: std::os::unix::net::UnixListener) -> io::Result<Listener> {
        Ok(Listener::at(UnixDoor::from_std(listener)?))
    }

    #[cfg(unix)]
    fn at(door: UnixDoor) -> Listener {
        let address = Address::Unix(door.path().to_owned());
        Listener::new(Door::Unix(door), address)
    }

    fn new(door: Door, address: Address) -> Listener {
        Listener { door, address, state: State::Ready, told: None }
    }

    /// Where it listens.
    pub(crate) fn address(&self) -> &Address {
        &self.address
    }

    /// What is registered with the poll.
    pub(crate) fn source(&mut self) -> &mut dyn Source {
        match &mut self.door {
            Door::Tcp(socket) => socket,
            #[cfg(unix)]
            Door::Unix(door) => &mut door.socket,
        }
    }

    /// Notes that the poll has told of somebody.
    pub(crate) fn note_ready(&mut self) {
        self.state = State::Ready;
    }

    /// Notes that a descriptor has become free.
    pub(crate) fn note_closed(&mut self) {
        if matches!(self.state, State::Paused(_)) {
            self.state = State::Ready;
        }
    }

    /// The next who waits, with its address if it has one, or nobody for now.
    pub(crate) fn accept(&mut self, now: Instant) -> Option<(Socket, Option<IpAddr>)> {
        if matches!(self.state, State::Paused(until) if until <= now) {
            self.state = State::Ready;
        }
        while self.state == State::Ready {
            match self.door.accept() {
                Ok(newcomer) => return Some(newcomer),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => self.state = State::Quiet,
                // The peer has left before its turn, or a signal came: the next one may be there.
                Err(error) if is_passing(&error) => {}
                Err(error) => {
                    if self.told.is_none_or(|before| now.since(before) >= TELLING_PAUSE) {
                        self.told = Some(now);
                        log::warn!("accepting pauses until a connection closes: {error}");
                    }
                    self.state = State::Paused(now + PAUSE);
                }
            }
        }
        None
    }

    /// When accepting wants to be tried, if the poll tells of nobody before.
    pub(crate) fn next_attempt(&self, now: Instant) -> Option<Instant> {
        match self.state {
            State::Quiet => None,
            State::Ready => Some(now),
            State::Paused(until) => Some(until),
        }
    }
}

impl Door {
    fn accept(&self) -> io::Result<(Socket, Option<IpAddr>)> {
        match self {
            Door::Tcp(socket) => {
                socket.accept().map(|(stream, address)| (Socket::tcp(stream), Some(address.ip())))
            }
            #[cfg(unix)]
            Door::Unix(door) => door.socket.accept().map(|(stream, _)| (Socket::unix(stream), None)),
        }
    }
}

fn is_passing(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::ConnectionAborted | io::ErrorKind::Interrupted)
}

/// Set on the listener, so that every connection has them from its first moment and without a system call of its own.
fn set_inherited_options(socket: SockRef<'_>, write_timeout: Duration) -> io::Result<()> {
    // A message is worth sending when it is written: nothing is gained by waiting for more (RFC 9293 §3.7.4).
    socket.set_tcp_nodelay(true)?;
    // A peer that vanished while nothing was owed to it is found by the kernel's probes.
    let probes =
        TcpKeepalive::new().with_time(Duration::from_secs(60)).with_interval(Duration::from_secs(15));
    socket.set_tcp_keepalive(&probes)?;
    #[cfg(any(target_os = "linux", target_os = "android"))]
    {
        // One that vanished while bytes were under way is given up after this, not after fifteen minutes of retries (RFC 5482). A moment
        // later than the engine does, which counts whom it cuts: the kernel does not tell a peer that reads nothing from one that is gone.
        socket.set_tcp_user_timeout(Some(write_timeout + Duration::from_secs(1)))?;
        // What is not yet sent is bounded: a reader that stops holds kilobytes of the kernel's memory, not megabytes.
        socket.set_tcp_notsent_lowat(128 * 1024)?;
    }
    #[cfg(not(any(target_os = "linux", target_os = "android")))]
    let _ = write_timeout; // There the engine's own write timeout and the probes have to do.
    Ok(())
}

#[cfg(test)]
mod tests {
    #[test]
    #[cfg(target_os = "linux")]
    fn every_connection_inherits_what_finds_a_vanished_peer() {
        use super::*;
        let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a port is free");
        set_inherited_options(SockRef::from(&listener), Duration::from_secs(30)).expect("all can be set");
        let address = listener.local_addr().expect("it is bound");
        let _peer = std::net::TcpStream::connect(address).expect("somebody listens");
        let (accepted, _) = listener.accept().expect("somebody has come");
        let socket = SockRef::from(&accepted);
        assert_eq!(socket.tcp_user_timeout().expect("known"), Some(Duration::from_secs(31)));
        assert!(socket.keepalive().expect("known") && socket.tcp_nodelay().expect("known"));
        assert_eq!(socket.tcp_keepalive_time().expect("known"), Duration::from_secs(60));
    }
}
