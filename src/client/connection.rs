//! One connection to a server: requests out, pieces of answers in, a deadline for each wait.
//!
//! `subscribe.rs` and `publish.rs` call. HTTP itself is `http/peer`'s; here are sockets that block.
//!
//! Invariant: nothing waits longer than it was told, but for the lookup of a name and for a Unix socket whose server accepts nobody; a
//! signal or `--timeout` ends those.
//! Not here: whether to try again (`subscribe.rs`, `publish.rs`).
//!
//! Next: `sse.rs`.

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream, ToSocketAddrs};
use std::os::unix::net::UnixStream;
use std::time::Duration;

use socket2::{SockRef, TcpKeepalive};

use super::address::Address;
use crate::http::peer::{PeerError, Piece, Request, ResponseReader};

/// What is read at once.
const BUFFER_BYTES: usize = 64 * 1024;

/// Why a connection is of no more use.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Broken {
    /// There is none.
    Unreachable(String),
    /// It ended before the answer did.
    Cut(String),
    /// Nothing came for so long.
    Silent(Duration),
    /// What came is not HTTP/1.1.
    Foreign(String),
}

impl std::fmt::Display for Broken {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Broken::Unreachable(why) => write!(f, "cannot be reached: {why}"),
            Broken::Cut(why) => write!(f, "was cut off: {why}"),
            Broken::Silent(wait) => write!(f, "was silent for {} s", wait.as_secs_f32()),
            Broken::Foreign(why) => write!(f, "does not speak HTTP/1.1: {why}"),
        }
    }
}

/// An open connection.
pub(crate) struct Connection {
    stream: Stream,
    reader: ResponseReader,
    buffer: Box<[u8]>,
}

enum Stream {
    Tcp(TcpStream),
    Unix(UnixStream),
}

impl Connection {
    /// Connects, to one after the other of a name's addresses.
    pub(crate) fn open(address: &Address, wait: Duration) -> Result<Connection, Broken> {
        let unreachable = |error: io::Error| Broken::Unreachable(words(&error));
        let stream = match &address.socket {
            Some(path) => Stream::Unix(UnixStream::connect(path).map_err(unreachable)?),
            None => {
                let found: Vec<SocketAddr> = address
                    .host()
                    .to_socket_addrs()
                    .map_err(|_| Broken::Unreachable(format!("the name {} is unknown", address.host().0)))?
                    .collect();
                let port = address.host().1;
                Stream::Tcp(connect(&found, wait).map_err(|error| match error.kind() {
                    io::ErrorKind::ConnectionRefused => {
                        Broken::Unreachable(format!("nobody listens on port {port} there"))
                    }
                    _ => unreachable(error),
                })?)
            }
        };
        Ok(Connection { stream, reader: ResponseReader::new(), buffer: vec![0; BUFFER_BYTES].into() })
    }

    /// Notes that these requests are on their way; [`send`](Connection::send) carries them.
    pub(crate) fn write(&mut self, request: &Request<'_>, wire: &mut Vec<u8>) {
        request.write(wire);
        self.reader.expect(request.method);
    }

    /// Sends.
    pub(crate) fn send(&mut self, wire: &[u8], wait: Duration) -> Result<(), Broken> {
        let wait = wait.max(Duration::from_millis(1));
        let sent = match &mut self.stream {
            Stream::Tcp(stream) => stream.set_write_timeout(Some(wait)).and_then(|()| stream.write_all(wire)),
            Stream::Unix(stream) => {
                stream.set_write_timeout(Some(wait)).and_then(|()| stream.write_all(wire))
            }
        };
        sent.map_err(|error| match is_timeout(&error) {
            true => Broken::Silent(wait),
            false => Broken::Cut(words(&error)),
        })
    }

    /// Reads once, and hands over what that was. Without a wait it is waited for as long as it takes.
    pub(crate) fn hear<S: From<Broken>>(
        &mut self,
        wait: Option<Duration>,
        mut each: impl FnMut(Piece<'_>) -> Result<(), S>,
    ) -> Result<(), S> {
        let wait = wait.map(|wait| wait.max(Duration::from_millis(1)));
        let count = self.read(wait)?;
        if count == 0 {
            return match self.reader.end_of_input() {
                Ok(Piece::Done) => each(Piece::Done),
                Ok(_) => Err(Broken::Cut("the server has closed it".to_owned()).into()),
                Err(error @ PeerError::Malformed(_)) => Err(Broken::Foreign(error.to_string()).into()),
                Err(error) => Err(Broken::Cut(error.to_string()).into()),
            };
        }
        let mut rest = &self.buffer[..count];
        loop {
            let read = self.reader.read(rest).map_err(|error| Broken::Foreign(error.to_string()))?;
            rest = &rest[read.0..];
            match read.1 {
                Piece::More => return Ok(()),
                piece => each(piece)?,
            }
        }
    }

    fn read(&mut self, wait: Option<Duration>) -> Result<usize, Broken> {
        loop {
            let read = match &mut self.stream {
                Stream::Tcp(stream) => {
                    stream.set_read_timeout(wait).and_then(|()| stream.read(&mut self.buffer))
                }
                Stream::Unix(stream) => {
                    stream.set_read_timeout(wait).and_then(|()| stream.read(&mut self.buffer))
                }
            };
            match read {
                Ok(count) => return Ok(count),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) if is_timeout(&error) => return Err(Broken::Silent(wait.unwrap_or_default())),
                Err(error) => return Err(Broken::Cut(words(&error))),
            }
        }
    }
}

fn connect(addresses: &[SocketAddr], wait: Duration) -> io::Result<TcpStream> {
    let mut last = io::Error::new(io::ErrorKind::NotFound, "the name has no address");
    for address in addresses {
        match TcpStream::connect_timeout(address, wait / addresses.len().max(1) as u32) {
            Ok(stream) => {
                stream.set_nodelay(true)?;
                // A server whose machine lost its power says nothing. On a stream without heartbeats only this tells.
                let probes = TcpKeepalive::new()
                    .with_time(Duration::from_secs(30))
                    .with_interval(Duration::from_secs(10));
                SockRef::from(&stream).set_tcp_keepalive(&probes)?;
                return Ok(stream);
            }
            Err(error) => last = error,
        }
    }
    Err(last)
}

fn is_timeout(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut)
}

/// What went wrong, without the system's numbers where there is a word for it.
fn words(error: &io::Error) -> String {
    use io::ErrorKind::{
        BrokenPipe, ConnectionAborted, ConnectionRefused, ConnectionReset, NotFound, TimedOut,
    };
    match error.kind() {
        ConnectionRefused => "nobody listens there".to_owned(),
        ConnectionReset | ConnectionAborted | BrokenPipe => "the connection was reset".to_owned(),
        TimedOut => "it does not answer".to_owned(),
        NotFound if error.raw_os_error().is_some() => "there is no such socket".to_owned(),
        _ => error.to_string(),
    }
}
