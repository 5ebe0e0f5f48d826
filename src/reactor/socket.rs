//! A TCP connection as a [`Transport`]: where "a short read means drained" is true.
//!
//! The engine calls it. The kernel's socket buffer is the only one there is: a read that fills less than it was given has emptied it, and a
//! write that is taken in part has filled it, so the call that would say `WouldBlock` is saved each time.
//!
//! Next: `mod.rs`.

use std::io::{self, Read, Write};
use std::net::Shutdown;
use std::time::Duration;

use mio::net::TcpStream;
use socket2::SockRef;

use crate::engine::{More, Moved, Transport};

impl Transport for TcpStream {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<Moved> {
        let bytes = Read::read(self, buffer)?;
        Ok(Moved { bytes, more: more_if(bytes == buffer.len()) })
    }

    fn write(&mut self, bytes: &[u8]) -> io::Result<Moved> {
        let taken = Write::write(self, bytes)?;
        Ok(Moved { bytes: taken, more: more_if(taken == bytes.len()) })
    }

    fn shutdown_write(&mut self) -> io::Result<()> {
        self.shutdown(Shutdown::Write)
    }

    fn break_off(&mut self) {
        // A close with a linger of zero sends a reset instead of a FIN. Failing means that the peer is gone anyway.
        let _ = SockRef::from(&*self).set_linger(Some(Duration::ZERO));
    }
}

fn more_if(is_whole: bool) -> More {
    if is_whole { More::Yes } else { More::No }
}
