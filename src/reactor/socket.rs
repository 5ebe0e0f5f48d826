//! A connection's socket as a [`Transport`]: where "a short read means drained" is true.
//!
//! The engine calls it. The kernel's socket buffer is the only one there is: a read that fills less than it was given has emptied it, and a
//! write that is taken in part has filled it, so the call that would say `WouldBlock` is saved each time.
//!
//! Invariant: a descriptor and nothing else, four bytes for each connection.
//!
//! Next: `mod.rs`.

use std::io::{self, Read, Write};
use std::net::{Shutdown, SocketAddr};
use std::time::Duration;

use mio::net::TcpStream;
use socket2::SockRef;

use crate::engine::{More, Moved, Transport};

/// A connection that the reactor has accepted: TCP, or a Unix-domain stream.
///
/// Both lie in mio's `TcpStream`. To receive, to send, to shut down and to set a linger are the same system calls for either, and the
/// type is a descriptor and nothing else, so an enum of the two would only double what each idle connection costs. What TCP alone
/// has, such as an address, a Unix-domain socket answers with an error of the kernel's.
///
/// ```
/// use encke::{Limits, Reactor, testing::OnEvent};
/// use std::net::{TcpListener, TcpStream};
///
/// let listener = TcpListener::bind("127.0.0.1:0")?;
/// let peer = TcpStream::connect(listener.local_addr()?)?;
/// let mut reactor = Reactor::new(OnEvent(|_, _| {}), Limits::default())?;
/// let id = reactor.adopt(listener.accept()?.0, b"")?;
/// let socket = reactor.engine_mut().transport_mut(id).expect("it is open");
/// assert_eq!(socket.peer_addr(), Some(peer.local_addr()?));
/// # Ok::<(), std::io::Error>(())
/// ```
#[derive(Debug)]
pub struct Socket(TcpStream);

impl Socket {
    /// Takes over an accepted TCP connection.
    pub(crate) fn tcp(stream: TcpStream) -> Socket {
        Socket(stream)
    }

    /// Takes over an accepted Unix-domain connection.
    #[cfg(unix)]
    pub(crate) fn unix(stream: mio::net::UnixStream) -> Socket {
        Socket(TcpStream::from(std::os::fd::OwnedFd::from(stream)))
    }

    /// What is registered with the poll.
    pub(crate) fn source(&mut self) -> &mut TcpStream {
        &mut self.0
    }

    /// Whose connection it is: none for a Unix-domain socket, and none once the connection has failed.
    #[must_use]
    pub fn peer_addr(&self) -> Option<SocketAddr> {
        self.0.peer_addr().ok()
    }
}

impl Transport for Socket {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<Moved> {
        let bytes = self.0.read(buffer)?;
        Ok(Moved { bytes, more: more_if(bytes == buffer.len()) })
    }

    fn write(&mut self, bytes: &[u8]) -> io::Result<Moved> {
        let taken = self.0.write(bytes)?;
        Ok(Moved { bytes: taken, more: more_if(taken == bytes.len()) })
    }

    fn shutdown_write(&mut self) -> io::Result<()> {
        self.0.shutdown(Shutdown::Write)
    }

    fn break_off(&mut self) {
        // A close with a linger of zero sends a reset instead of a FIN. Failing means that the peer is gone anyway. A
        // Unix-domain socket has no reset and passes over it: there an unframed answer that breaks off looks like its end.
        let _ = SockRef::from(&self.0).set_linger(Some(Duration::ZERO));
    }
}

#[cfg(unix)]
impl std::os::fd::AsFd for Socket {
    /// To ask the kernel about the connection, for instance whose process is behind a Unix-domain socket.
    fn as_fd(&self) -> std::os::fd::BorrowedFd<'_> {
        self.0.as_fd()
    }
}

fn more_if(is_whole: bool) -> More {
    if is_whole { More::Yes } else { More::No }
}

#[cfg(test)]
mod tests {
    #[test]
    #[cfg(target_os = "linux")]
    fn a_connection_costs_a_descriptor_and_nothing_else() {
        // With debug assertions mio remembers which poll a socket belongs to.
        let allowed = if cfg!(debug_assertions) { 16 } else { 4 };
        assert!(
            size_of::<Option<super::Socket>>() <= allowed,
            "{} bytes",
            size_of::<Option<super::Socket>>()
        );
    }
}
