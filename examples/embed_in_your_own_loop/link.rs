//! A connection as the engine sees it: a non-blocking socket of the standard library, and where "a short read means drained" is true.

use std::io::{self, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::os::fd::{AsFd, BorrowedFd};
use std::time::Duration;

use encke::engine::{More, Moved, Transport};

pub(crate) struct Link(TcpStream);

impl Link {
    pub(crate) fn new(stream: TcpStream) -> io::Result<Link> {
        stream.set_nonblocking(true)?;
        stream.set_nodelay(true)?;
        Ok(Link(stream))
    }

    /// Ends it both ways: the next read says so.
    pub(crate) fn end(&self) -> io::Result<()> {
        self.0.shutdown(Shutdown::Both)
    }
}

impl Transport for Link {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<Moved> {
        let bytes = self.0.read(buffer)?;
        Ok(Moved { bytes, more: if bytes == buffer.len() { More::Yes } else { More::No } })
    }

    fn write(&mut self, bytes: &[u8]) -> io::Result<Moved> {
        let taken = self.0.write(bytes)?;
        Ok(Moved { bytes: taken, more: if taken == bytes.len() { More::Yes } else { More::No } })
    }

    fn shutdown_write(&mut self) -> io::Result<()> {
        self.0.shutdown(Shutdown::Write)
    }

    fn break_off(&mut self) {
        // The close will be a reset: an unframed answer that breaks off must not look complete.
        let _ = socket2::SockRef::from(&self.0).set_linger(Some(Duration::ZERO));
    }
}

impl AsFd for Link {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}
