//! The whole server as a value: no socket, no poll, no clock, no thread. `cargo run --example bare_engine` prints
//!
//! ```text
//! a request goes in
//!     Begin: Ok(())
//!   < HTTP/1.1 200 OK
//!   < Date: Sun, 06 Nov 1994 08:49:37 GMT
//!   < Content-Type: text/event-stream
//!   < Transfer-Encoding: chunked
//!   <
//! a message is published
//!     1 subscriber
//!   < 15
//!   < id: 7-1
//!   < data: Hello
//!   <
//!   <
//! an hour later
//!     239 heartbeats, each of them
//!   < 2
//!   < :
//!   <
//! a shutdown
//!     End(Shutdown)
//!     the engine closes its side
//!   < 0
//!   <
//!     the connection comes back, with 0 bytes unread
//! ```
//!
//! Bytes go in by [`Pipe`], which is two vectors, and time goes in as a number, so an hour takes no longer than its heartbeats: one
//! every 15 seconds and a tick or two, as the engine counts in hundredths of a second and is never early. That is how the simulator in
//! `tests/simulation/` tests the very engine that runs in production, and how you can test a handler of yours.

use std::io;
use std::time::Duration;

use encke::engine::{More, Moved, Readiness, Transport};
use encke::time::{Instant, Now};
use encke::{ConnectionId, Ctx, Engine, Event, Handler, Limits, Message, Since, WireFormat};

/// Whoever asks, listens to `news`.
struct News;

impl Handler for News {
    type State = ();

    fn event(&mut self, event: Event<'_>, ctx: &mut Ctx<'_, ()>) {
        match event {
            Event::Begin(_) => {
                let listening = ctx.subscribe(&["news"], Since::Head, WireFormat::SSE);
                let answered =
                    listening.and_then(|_| ctx.start(200, &[("Content-Type", "text/event-stream")]));
                println!("    Begin: {answered:?}");
            }
            Event::Read(_) | Event::Error(encke::Cause::Timeout) => {}
            other => println!("    {other:?}"),
        }
    }
}

/// A connection in memory: what its peer has sent and the engine has not read, and what the engine has written.
#[derive(Default)]
struct Pipe {
    sent: Vec<u8>,
    heard: Vec<u8>,
}

impl Transport for Pipe {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<Moved> {
        if self.sent.is_empty() {
            return Err(io::ErrorKind::WouldBlock.into());
        }
        let bytes = buffer.len().min(self.sent.len());
        buffer[..bytes].copy_from_slice(&self.sent[..bytes]);
        self.sent.drain(..bytes);
        Ok(Moved { bytes, more: More::Unknown })
    }

    fn write(&mut self, bytes: &[u8]) -> io::Result<Moved> {
        self.heard.extend_from_slice(bytes);
        Ok(Moved { bytes: bytes.len(), more: More::Yes })
    }

    fn shutdown_write(&mut self) -> io::Result<()> {
        println!("    the engine closes its side");
        Ok(())
    }
}

/// An engine, one peer of it, and what time it is there.
struct World {
    engine: Engine<Pipe, News>,
    peer: ConnectionId,
    now: Now,
}

impl World {
    fn new() -> io::Result<World> {
        // A clock begins where you like. 784,111,777 is the moment of the standard's own example of a date (RFC 9110 §5.6.7).
        let now = Now { at: Instant::from_micros(0), unix_seconds: 784_111_777 };
        let mut engine = Engine::new(News, Limits::default(), 7, now).map_err(io::Error::other)?;
        let peer =
            engine.open(Pipe::default(), now).map_err(|_| io::Error::other("there is room for one"))?;
        Ok(World { engine, peer, now })
    }

    /// The peer sends something: it is laid into the pipe, and the engine is told that there is something to read.
    fn send(&mut self, bytes: &str) {
        if let Some(pipe) = self.engine.transport_mut(self.peer) {
            pipe.sent.extend_from_slice(bytes.as_bytes());
        }
        let readiness = Readiness { readable: true, ..Readiness::default() };
        self.engine.ready(self.peer, readiness, self.now);
        self.engine.turn(self.now);
    }

    /// Does what is due until `wait` from now, at the moments at which it is due: what a poll with a timeout does elsewhere.
    fn pass(&mut self, wait: Duration) {
        let until = self.now.at + wait;
        let begun = self.now;
        while let Some(due) = self.engine.next_deadline().filter(|due| *due <= until) {
            self.now = Now { at: due, unix_seconds: begun.unix_seconds + due.since(begun.at).as_secs() };
            self.engine.turn(self.now);
        }
        self.now = Now { at: until, unix_seconds: begun.unix_seconds + wait.as_secs() };
    }

    /// What the peer has heard since it was last asked.
    fn heard(&mut self) -> String {
        let pipe = self.engine.transport_mut(self.peer);
        let bytes = pipe.map(|pipe| std::mem::take(&mut pipe.heard)).unwrap_or_default();
        String::from_utf8_lossy(&bytes).into_owned()
    }

    fn print_heard(&mut self) {
        self.heard().lines().for_each(print_line);
    }
}

fn print_line(line: &str) {
    println!("{}", format!("  < {line}").trim_end());
}

fn main() -> io::Result<()> {
    let mut world = World::new()?;

    println!("a request goes in");
    world.send("GET / HTTP/1.1\r\nHost: nowhere\r\n\r\n");
    world.print_heard();

    println!("a message is published");
    let published = world.engine.run(world.now, |_, core| core.publish("news", Message::new("Hello")));
    println!("    {} subscriber", published.map_or(0, |published| published.subscribers));
    world.engine.turn(world.now);
    world.print_heard();

    println!("an hour later");
    world.pass(Duration::from_secs(3600));
    let heartbeats = world.heard();
    println!("    {} heartbeats, each of them", heartbeats.matches(":\n").count());
    heartbeats.lines().take(3).for_each(print_line);

    println!("a shutdown");
    world.engine.shutdown(world.now);
    while !world.engine.is_finished() {
        world.engine.turn(world.now);
        world.print_heard();
        world.pass(Duration::from_secs(1));
        if let Some((_, pipe)) = world.engine.next_closed() {
            println!("    the connection comes back, with {} bytes unread", pipe.sent.len());
        }
    }
    Ok(())
}
