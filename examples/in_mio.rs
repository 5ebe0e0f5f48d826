//! Encke inside a loop of mio's that is the host's own, with two protocols on one port.
//!
//! The host accepts. Who begins with a small letter speaks the host's own protocol, in lines: `stop` stops everything, any other line is
//! published to the channel `lines`. Everybody else speaks HTTP, and is handed over to Encke with what was read so far.
//! `cargo run --example in_mio`, or with another port behind it, and then, each in a terminal:
//!
//! ```text
//! curl -N localhost:8080/lines
//! printf 'hello from the host\n' | nc -N localhost 8080
//! printf 'stop\n' | nc -N localhost 8080
//! ```
//!
//! The reactor is one more source of the host's poll: its descriptor, its deadline, and a turn that does not wait.

mod guest;

use std::collections::HashMap;
use std::io::{self, Read};
use std::os::fd::AsRawFd;
use std::time::{Duration, Instant};

use encke::{Limits, Message, Reactor};
use guest::Guest;
use mio::net::{TcpListener, TcpStream};
use mio::unix::SourceFd;
use mio::{Events, Interest, Poll, Token};

const REACTOR: Token = Token(0);
const LISTENER: Token = Token(1);
const FIRST_VISITOR: usize = 2;

/// The longest line of the host's protocol.
const LINE_BYTES_MAX: usize = 4096;

fn main() -> io::Result<()> {
    let port = std::env::args().nth(1).map_or(Ok(8080), |text| text.parse()).map_err(io::Error::other)?;
    let mut host = Host::new(port)?;
    println!("listening on http://{}", host.listener.local_addr()?);
    let mut events = Events::with_capacity(256);
    while !host.reactor.is_finished() {
        let wait = host.reactor.next_deadline().map(|due| due.saturating_duration_since(Instant::now()));
        match host.poll.poll(&mut events, wait) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            outcome => outcome?,
        }
        for event in &events {
            match event.token() {
                REACTOR => {}
                LISTENER => host.accept()?,
                visitor => host.hear(visitor)?,
            }
        }
        // Whatever it was that woke us: it may have been the deadline, or the host has published.
        host.reactor.turn(Some(Duration::ZERO))?;
    }
    Ok(())
}

struct Host {
    poll: Poll,
    listener: TcpListener,
    reactor: Reactor<Guest>,
    visitors: HashMap<Token, Visitor>,
    next_visitor: usize,
}

/// Who is the host's: so far, or for good.
struct Visitor {
    stream: TcpStream,
    speech: Speech,
}

/// What a visitor speaks. Its first byte tells, and what follows changes nothing about it.
enum Speech {
    Unknown,
    /// The host's own protocol, and how much has come of a line that is not complete.
    Lines(Vec<u8>),
}

impl Host {
    fn new(port: u16) -> io::Result<Host> {
        let poll = Poll::new()?;
        let mut listener = TcpListener::bind(([127, 0, 0, 1], port).into())?;
        poll.registry().register(&mut listener, LISTENER, Interest::READABLE)?;
        let reactor = Reactor::new(Guest, Limits::default())?;
        let descriptor = reactor.as_raw_fd();
        poll.registry().register(&mut SourceFd(&descriptor), REACTOR, Interest::READABLE)?;
        Ok(Host { poll, listener, reactor, visitors: HashMap::new(), next_visitor: FIRST_VISITOR })
    }

    /// Accepts all who wait. (`src/reactor/listener.rs` shows what a server does when it is out of descriptors.)
    fn accept(&mut self) -> io::Result<()> {
        loop {
            let mut stream = match self.listener.accept() {
                Ok((stream, _)) => stream,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(()),
                Err(error) => return Err(error),
            };
            let token = Token(self.next_visitor);
            self.next_visitor += 1;
            self.poll.registry().register(&mut stream, token, Interest::READABLE)?;
            self.visitors.insert(token, Visitor { stream, speech: Speech::Unknown });
        }
    }

    /// Reads once of what a visitor has sent. (A server for everybody gives one who says nothing a deadline.)
    fn hear(&mut self, token: Token) -> io::Result<()> {
        let Some(Visitor { stream, speech }) = self.visitors.get_mut(&token) else { return Ok(()) };
        let mut buffer = [0; LINE_BYTES_MAX];
        let bytes = match stream.read(&mut buffer) {
            Ok(count) if count > 0 => &buffer[..count],
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(()),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {
                return self.poll.registry().reregister(stream, token, Interest::READABLE);
            }
            // The end, or a failure.
            Ok(_) | Err(_) => {
                self.visitors.remove(&token);
                return Ok(());
            }
        };
        if matches!(speech, Speech::Unknown) && !bytes[0].is_ascii_lowercase() {
            return self.hand_over(token, bytes);
        }
        // To be told again makes an edge of what is left. Who sends and sends has one read a turn, like everybody, and what it has
        // published goes out before it publishes more.
        self.poll.registry().reregister(stream, token, Interest::READABLE)?;
        self.take_lines(token, bytes);
        Ok(())
    }

    /// Obeys the lines that are complete with these bytes, and keeps the rest.
    fn take_lines(&mut self, token: Token, bytes: &[u8]) {
        let Some(Visitor { speech, .. }) = self.visitors.get_mut(&token) else { return };
        let mut lines = match std::mem::replace(speech, Speech::Unknown) {
            Speech::Lines(begun) => begun,
            Speech::Unknown => Vec::new(),
        };
        lines.extend_from_slice(bytes);
        let rest = lines.split_off(lines.iter().rposition(|byte| *byte == b'\n').map_or(0, |last| last + 1));
        let is_endless = rest.len() > LINE_BYTES_MAX;
        *speech = Speech::Lines(rest);
        if is_endless {
            self.visitors.remove(&token);
        }
        String::from_utf8_lossy(&lines).lines().for_each(|line| self.obey(line));
    }

    /// Gives an open connection and its first bytes to Encke, which answers them in the next turn.
    fn hand_over(&mut self, token: Token, already_read: &[u8]) -> io::Result<()> {
        let Some(Visitor { mut stream, .. }) = self.visitors.remove(&token) else { return Ok(()) };
        self.poll.registry().deregister(&mut stream)?;
        stream.set_nodelay(true)?;
        if let Err(error) = self.reactor.adopt(stream.into(), already_read) {
            eprintln!("a connection is closed unheard: {error}");
        }
        Ok(())
    }

    fn obey(&mut self, line: &str) {
        if line == "stop" {
            return self.reactor.shutdown();
        }
        // The same thread: no `Remote` is needed, and nothing can be full.
        if let Err(error) = self.reactor.act(|_, core| core.publish("lines", Message::new(line))) {
            eprintln!("a line is not published: {error}");
        }
    }
}
