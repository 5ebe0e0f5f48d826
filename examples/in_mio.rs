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

/// How long accepting pauses when there is no descriptor for the next who waits.
const PAUSE: Duration = Duration::from_millis(50);

fn main() -> io::Result<()> {
    let mut host = Host::new(guest::port(1, 8080))?;
    let mut events = Events::with_capacity(256);
    while !host.reactor.is_finished() {
        let due = host.reactor.next_deadline().into_iter().chain(host.accept_again).min();
        let wait = due.map(|due| due.saturating_duration_since(Instant::now()));
        match host.poll.poll(&mut events, wait) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            outcome => outcome?,
        }
        for event in &events {
            match event.token() {
                REACTOR => {}
                LISTENER => host.accept(),
                visitor => host.hear(visitor),
            }
        }
        if host.accept_again.is_some_and(|due| due <= Instant::now()) {
            host.accept();
        }
        // Whatever it was that woke us: it may have been the deadline, or the host has published.
        host.reactor.turn(Some(Duration::ZERO))?;
        if host.reactor.engine().core().is_shutting_down() {
            host.stop_listening();
        }
    }
    Ok(())
}

struct Host {
    poll: Poll,
    /// Until a shutdown begins.
    listener: Option<TcpListener>,
    /// When accepting is tried again, if it pauses.
    accept_again: Option<Instant>,
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
        println!("listening on http://{}", listener.local_addr()?);
        poll.registry().register(&mut listener, LISTENER, Interest::READABLE)?;
        let reactor = Reactor::new(Guest, Limits::default())?;
        let descriptor = reactor.as_raw_fd();
        poll.registry().register(&mut SourceFd(&descriptor), REACTOR, Interest::READABLE)?;
        let (listener, visitors) = (Some(listener), HashMap::new());
        Ok(Host { poll, listener, accept_again: None, reactor, visitors, next_visitor: FIRST_VISITOR })
    }

    /// Accepts all who wait. Out of descriptors it neither ends nor spins: the edge that told of them is used up, so a moment later
    /// it tries again by itself.
    fn accept(&mut self) {
        while let Some(listener) = &self.listener {
            match listener.accept() {
                Ok((stream, _)) => self.welcome(stream),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return self.accept_again = None,
                // Who has left before its turn says nothing about the next.
                Err(error) if is_passing(&error) => {}
                Err(error) => {
                    if self.accept_again.replace(Instant::now() + PAUSE).is_none() {
                        eprintln!("accepting pauses: {error}");
                    }
                    return;
                }
            }
        }
    }

    /// Who comes now is better off with whoever listens next. A listener that is dropped is closed, and leaves the poll by itself.
    fn stop_listening(&mut self) {
        (self.listener, self.accept_again) = (None, None);
    }

    /// Watches a newcomer, or drops it.
    fn welcome(&mut self, mut stream: TcpStream) {
        let token = Token(self.next_visitor);
        self.next_visitor += 1;
        match self.poll.registry().register(&mut stream, token, Interest::READABLE) {
            Ok(()) => drop(self.visitors.insert(token, Visitor { stream, speech: Speech::Unknown })),
            Err(error) => eprintln!("a connection is closed unheard: {error}"),
        }
    }

    /// Reads once of what a visitor has sent. (A server for everybody gives one who says nothing a deadline.)
    fn hear(&mut self, token: Token) {
        let Some(Visitor { stream, speech }) = self.visitors.get_mut(&token) else { return };
        let mut buffer = [0; LINE_BYTES_MAX];
        let bytes = match stream.read(&mut buffer) {
            Ok(count) => &buffer[..count],
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => return self.hear(token),
            // A failure is an end like another.
            Err(_) => &[],
        };
        match speech {
            _ if bytes.is_empty() => drop(self.visitors.remove(&token)),
            Speech::Unknown if !bytes[0].is_ascii_lowercase() => self.hand_over(token, bytes),
            Speech::Unknown | Speech::Lines(_) => self.take_lines(token, bytes),
        }
    }

    /// Obeys the lines that are complete with these bytes, and keeps the rest.
    fn take_lines(&mut self, token: Token, bytes: &[u8]) {
        let Some(mut visitor) = self.visitors.remove(&token) else { return };
        let mut lines = match visitor.speech {
            Speech::Lines(begun) => begun,
            Speech::Unknown => Vec::new(),
        };
        lines.extend_from_slice(bytes);
        let rest = lines.split_off(lines.iter().rposition(|byte| *byte == b'\n').map_or(0, |last| last + 1));
        String::from_utf8_lossy(&lines).lines().for_each(|line| self.obey(line));
        // To be told again makes an edge of what is left to read. Who sends and sends has one read a turn, like everybody, and what it
        // has published goes out before it publishes more.
        let told = self.poll.registry().reregister(&mut visitor.stream, token, Interest::READABLE);
        if told.is_ok() && rest.len() <= LINE_BYTES_MAX {
            visitor.speech = Speech::Lines(rest);
            self.visitors.insert(token, visitor);
        }
    }

    /// Gives an open connection and its first bytes to Encke, which answers them in the next turn.
    fn hand_over(&mut self, token: Token, already_read: &[u8]) {
        let Some(Visitor { mut stream, .. }) = self.visitors.remove(&token) else { return };
        let free = self.poll.registry().deregister(&mut stream).and_then(|()| stream.set_nodelay(true));
        if let Err(error) = free.and_then(|()| self.reactor.adopt(stream.into(), already_read)) {
            eprintln!("a connection is closed unheard: {error}");
        }
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

fn is_passing(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::ConnectionAborted | io::ErrorKind::Interrupted)
}
