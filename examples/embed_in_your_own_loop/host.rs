//! The loop: what happened is told to the engine, then the engine has its turn, then the loop sleeps until something happens or is due.
//!
//! Every connection is registered once and edge-triggered, its name the event's data: an event for one that is gone reaches nobody,
//! whoever has its descriptor by then.

use std::io;
use std::net::{TcpListener, TcpStream, UdpSocket};
use std::time::{Duration, Instant as Monotonic, SystemTime, UNIX_EPOCH};

use encke::engine::Readiness;
use encke::time::{Instant, Now};
use encke::{ConnectionId, Engine, Limits, Message};
use rustix::buffer::spare_capacity;
use rustix::event::Timespec;
use rustix::event::epoll::{self, CreateFlags, EventData, EventFlags};
use rustix::fd::OwnedFd;

use crate::guest::{self, Guest};
use crate::link::Link;

/// No connection has these names: their slots would lie beyond the table.
const LISTENER: u64 = u64::MAX;
const DATAGRAMS: u64 = u64::MAX - 1;

/// How long accepting pauses when there is no descriptor for the next who waits.
const PAUSE: Duration = Duration::from_millis(50);

pub(crate) fn run() -> io::Result<()> {
    let mut host = Host::new(guest::port(1, 8080))?;
    let mut events = Vec::with_capacity(256);
    while !host.engine.is_finished() {
        events.clear();
        match epoll::wait(&host.epoll, spare_capacity(&mut events), host.wait().as_ref()) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            outcome => outcome?,
        };
        let now = host.clock.now();
        for event in &events {
            match event.data.u64() {
                LISTENER => host.accept(now),
                DATAGRAMS => host.hear(now)?,
                bits => host.engine.ready(ConnectionId::from_bits(bits), readiness(event.flags), now),
            }
        }
        if host.accept_again.is_some_and(|due| due <= now.at) {
            host.accept(now);
        }
        host.engine.turn(host.clock.now());
        if host.engine.core().is_shutting_down() {
            host.stop_listening();
        }
        // A transport that is dropped is closed, and a closed descriptor leaves the epoll by itself.
        while let Some((_, link)) = host.engine.next_closed() {
            drop(link);
        }
    }
    Ok(())
}

struct Host {
    epoll: OwnedFd,
    /// Until a shutdown begins.
    listener: Option<TcpListener>,
    /// When accepting is tried again, if it pauses.
    accept_again: Option<Instant>,
    datagrams: UdpSocket,
    engine: Engine<Link, Guest>,
    clock: Clock,
}

impl Host {
    fn new(port: u16) -> io::Result<Host> {
        let listener = TcpListener::bind(("127.0.0.1", port))?;
        let datagrams = UdpSocket::bind(("127.0.0.1", port))?;
        let (http, udp) = (listener.local_addr()?, datagrams.local_addr()?);
        println!("listening on http://{http} and for datagrams on {udp}");
        listener.set_nonblocking(true)?;
        datagrams.set_nonblocking(true)?;
        let epoll = epoll::create(CreateFlags::CLOEXEC)?;
        epoll::add(&epoll, &listener, EventData::new_u64(LISTENER), EventFlags::IN | EventFlags::ET)?;
        epoll::add(&epoll, &datagrams, EventData::new_u64(DATAGRAMS), EventFlags::IN)?;
        let clock = Clock { origin: Monotonic::now() };
        // The epoch tells the ids of this run from those of the runs before.
        let epoch = clock.now().unix_seconds * 1000;
        let engine = Engine::new(Guest, Limits::default(), epoch, clock.now()).map_err(io::Error::other)?;
        Ok(Host { epoll, listener: Some(listener), accept_again: None, datagrams, engine, clock })
    }

    /// How long the loop may sleep: not at all while work is left, and for ever if nothing is armed.
    fn wait(&self) -> Option<Timespec> {
        let due = self.engine.next_deadline().into_iter().chain(self.accept_again).min()?;
        Timespec::try_from(due.since(self.clock.now().at)).ok()
    }

    /// Accepts all who wait. Out of descriptors it neither ends nor spins: the edge that told of them is used up, so a moment later
    /// it tries again by itself.
    fn accept(&mut self, now: Now) {
        while let Some(listener) = &self.listener {
            match listener.accept() {
                Ok((stream, _)) => {
                    if let Err(error) = self.welcome(stream, now) {
                        eprintln!("a connection is closed unheard: {error}");
                    }
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return self.accept_again = None,
                // Who has left before its turn says nothing about the next.
                Err(error) if is_passing(&error) => {}
                Err(error) => {
                    if self.accept_again.replace(now.at + PAUSE).is_none() {
                        eprintln!("accepting pauses: {error}");
                    }
                    return;
                }
            }
        }
    }

    /// Who comes now is better off with whoever listens next.
    fn stop_listening(&mut self) {
        (self.listener, self.accept_again) = (None, None);
    }

    /// Opens a connection, and watches it from then on.
    fn welcome(&mut self, stream: TcpStream, now: Now) -> io::Result<()> {
        // An engine that is full tells the newcomer so; if it cannot even do that, the newcomer is dropped.
        if let Ok(id) = self.engine.open(Link::new(stream)?, now)
            && let Some(link) = self.engine.transport_mut(id)
        {
            let wanted = EventFlags::IN | EventFlags::OUT | EventFlags::RDHUP | EventFlags::ET;
            let watched = epoll::add(&self.epoll, &*link, EventData::new_u64(id.to_bits()), wanted);
            if let Err(error) = watched {
                // Nobody would hear of it any more: the engine is told of its end, which it finds.
                link.end()?;
                self.engine.ready(id, Readiness { read_closed: true, ..Readiness::default() }, now);
                return Err(error.into());
            }
        }
        Ok(())
    }

    /// Publishes a datagram.
    fn hear(&mut self, now: Now) -> io::Result<()> {
        let mut buffer = [0; 1500];
        let count = match self.datagrams.recv(&mut buffer) {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(()),
            outcome => outcome?,
        };
        let text = String::from_utf8_lossy(&buffer[..count]);
        if text.trim_end() == "stop" {
            self.engine.shutdown(now);
        } else if let Err(error) = self.engine.run(now, |_, core| core.publish("udp", Message::new(&text))) {
            eprintln!("a datagram is not published: {error}");
        }
        Ok(())
    }
}

fn is_passing(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::ConnectionAborted | io::ErrorKind::Interrupted)
}

/// What epoll has told, in the engine's words.
fn readiness(flags: EventFlags) -> Readiness {
    Readiness {
        readable: flags.intersects(EventFlags::IN | EventFlags::PRI),
        writable: flags.contains(EventFlags::OUT),
        read_closed: flags.intersects(EventFlags::RDHUP | EventFlags::HUP),
        error: flags.contains(EventFlags::ERR),
    }
}

/// The machine's clocks as the engine wants them: microseconds since a moment of the host's choosing, and seconds for the `Date` field.
struct Clock {
    origin: Monotonic,
}

impl Clock {
    fn now(&self) -> Now {
        let micros = u64::try_from(self.origin.elapsed().as_micros()).unwrap_or(u64::MAX);
        let unix_seconds = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
        Now { at: Instant::from_micros(micros), unix_seconds }
    }
}
