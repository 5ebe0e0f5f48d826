//! A crowd without sockets: an engine on transports that cost nothing, whose peers say what they are told to say.
//!
//! `tests/ledger.rs` counts what its members cost, `benches/million.rs` how that grows. Neither a kernel nor a simulator is in between, so
//! what is counted is the engine's, the hub's, and eight bytes of a transport. The handler keeps no state, as one need not whose answers are
//! its channels; a byte of it would cost a byte.
//!
//! Always holds: time stands still, and whoever calls leaves nothing undone: a call returns when the engine has no work left.

#![allow(dead_code, reason = "the ledger and the benchmark use their parts")]

use std::io;
use std::time::Duration;

use encke::engine::{Engine, HalfClose, More, Moved, Readiness, Transport};
use encke::time::{Instant, Now};
use encke::{
    ConnectionId, Ctx, Event, ExchangeId, Handle, Handler, Limits, Message, Read, Since, WireFormat,
    WriteError,
};

/// What a peer has sent and nobody has read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Sent {
    Nothing,
    HalfAHead,
    /// A request that is answered at once.
    Question,
    /// One whose answer is held back.
    Poll,
    /// One for the channel's messages as server-sent events.
    Subscription,
    /// The same, and the handler keeps a [`Handle`].
    SubscriptionWithHandle,
    /// [`PUBLISHES`] publishes in one piece.
    Publishes,
    /// The end.
    Fin,
}

/// How many requests [`Sent::Publishes`] is.
pub(crate) const PUBLISHES: usize = 8;

impl Sent {
    fn bytes(self) -> &'static [u8] {
        match self {
            Sent::Nothing | Sent::Fin => b"",
            Sent::HalfAHead => b"GET /question HTTP/1.1\r\nHost: encke.test\r\nUser-Agent: crowd\r\nAcc",
            Sent::Question => b"GET /question HTTP/1.1\r\nHost: encke.test\r\n\r\n",
            Sent::Poll => b"GET /poll HTTP/1.1\r\nHost: encke.test\r\n\r\n",
            Sent::Subscription => b"GET /news HTTP/1.1\r\nHost: encke.test\r\n\r\n",
            Sent::SubscriptionWithHandle => b"GET /handle HTTP/1.1\r\nHost: encke.test\r\n\r\n",
            Sent::Publishes => &PUBLISH,
        }
    }
}

const ONE: &[u8] = b"POST /news HTTP/1.1\r\nHost: encke.test\r\nContent-Length: 12\r\n\r\nHello, all.\n";
const PUBLISH: [u8; ONE.len() * PUBLISHES] = {
    let mut all = [0; ONE.len() * PUBLISHES];
    let mut at = 0;
    while at < all.len() {
        all[at] = ONE[at % ONE.len()];
        at += 1;
    }
    all
};

/// Whether a peer takes what it is sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Takes {
    All,
    Nothing,
}

/// A peer as its transport: eight bytes, twice as many as a socket has.
#[repr(align(8))]
pub(crate) struct Peer {
    pub(crate) sent: Sent,
    pub(crate) takes: Takes,
}

const _: () = assert!(size_of::<Option<Peer>>() == 8);

impl Transport for Peer {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<Moved> {
        match self.sent {
            Sent::Nothing => Err(io::ErrorKind::WouldBlock.into()),
            Sent::Fin => Ok(Moved { bytes: 0, more: More::No }),
            sent => {
                let bytes = sent.bytes();
                buffer[..bytes.len()].copy_from_slice(bytes);
                self.sent = Sent::Nothing;
                Ok(Moved { bytes: bytes.len(), more: More::No })
            }
        }
    }

    fn write(&mut self, bytes: &[u8]) -> io::Result<Moved> {
        match self.takes {
            Takes::All => Ok(Moved { bytes: bytes.len(), more: More::Yes }),
            Takes::Nothing => Err(io::ErrorKind::WouldBlock.into()),
        }
    }

    fn shutdown_write(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// The channel that everybody hears.
pub(crate) const CHANNEL: &str = "news";

/// Answers by method and path.
pub(crate) struct App {
    handles: Vec<Handle>,
    /// The exchange whose message was published last, and which is to be told.
    publishing: Option<ExchangeId>,
    /// Where the list of a long-poll takes shape.
    list: Vec<u8>,
}

impl Handler for App {
    type State = ();

    fn event(&mut self, event: Event<'_>, ctx: &mut Ctx<'_, ()>) {
        let outcome = match event {
            Event::Begin(head) => self.begin(head.method(), head.path(), ctx),
            Event::Read(Read::Data(body)) => {
                let text = std::str::from_utf8(body).expect("the crowd publishes text");
                self.publishing = Some(ctx.id());
                ctx.core().publish(CHANNEL, Message::new(text)).map(|_| ())
            }
            Event::Read(Read::Done) if self.publishing == Some(ctx.id()) => {
                ctx.respond(200, &[], b"Published.\n")
            }
            _ => Ok(()),
        };
        outcome.expect("nothing that the crowd asks for is refused");
    }

    fn news(&mut self, ctx: &mut Ctx<'_, ()>) {
        self.list.clear();
        ctx.take_news(64 * 1024, &mut self.list);
        let outcome = ctx.respond(200, &[("Content-Type", "application/json")], &self.list);
        outcome.expect("a parked exchange can be answered");
    }
}

impl App {
    fn begin(&mut self, method: &str, path: &str, ctx: &mut Ctx<'_, ()>) -> Result<(), WriteError> {
        match (method, path) {
            ("POST", _) => ctx.collect_body(1024),
            (_, "/poll") => {
                ctx.park(&[CHANNEL], Since::Head, WireFormat::JSON)?;
                ctx.on_half_close(HalfClose::Tell);
                ctx.set_timeout(Duration::from_secs(25));
            }
            (_, "/question") => ctx.respond(200, &[("Content-Type", "text/plain")], b"An answer.\n")?,
            (_, path) => {
                if path == "/handle" {
                    self.handles.push(ctx.handle());
                }
                ctx.subscribe(&[CHANNEL], Since::Head, WireFormat::SSE)?;
                ctx.start(200, &[("Content-Type", "text/event-stream"), ("Cache-Control", "no-store")])?;
            }
        }
        Ok(())
    }
}

/// An engine and those who are connected to it.
pub(crate) struct Crowd {
    pub(crate) engine: Engine<Peer, App>,
    members: Vec<ConnectionId>,
}

/// The moment at which everything happens.
const NOW: Now = Now { at: Instant::from_micros(1_000_000), unix_seconds: 1_700_000_000 };

impl Crowd {
    /// Room for so many, and nobody there. The crowd's own lists have their full size from now on, so that they are not counted.
    pub(crate) fn for_members(count: usize) -> Crowd {
        let limits = Limits { connections_max: count, ..Limits::default() };
        let app = App { handles: Vec::with_capacity(count), publishing: None, list: Vec::new() };
        let engine = Engine::new(app, limits, 1, NOW).expect("the limits can work");
        Crowd { engine, members: Vec::with_capacity(count) }
    }

    /// So many more members, each of which has sent this.
    pub(crate) fn join(&mut self, count: usize, sent: Sent) {
        for _ in 0..count {
            let peer = Peer { sent: Sent::Nothing, takes: Takes::All };
            let Ok(id) = self.engine.open(peer, NOW) else { panic!("there is room for everybody") };
            self.members.push(id);
            self.send(self.members.len() - 1, sent);
        }
        self.work();
    }

    /// A member sends.
    pub(crate) fn send(&mut self, member: usize, sent: Sent) {
        if sent == Sent::Nothing {
            return;
        }
        let id = self.members[member];
        self.engine.transport_mut(id).expect("members stay").sent = sent;
        let is_fin = sent == Sent::Fin;
        let readiness = Readiness { readable: true, read_closed: is_fin, ..Readiness::default() };
        self.engine.ready(id, readiness, NOW);
    }

    /// From now on nobody reads any more.
    pub(crate) fn stop_reading(&mut self) {
        for &id in &self.members {
            self.engine.transport_mut(id).expect("members stay").takes = Takes::Nothing;
        }
    }

    /// Each member whose handle is out is written to by it, and takes what is written.
    pub(crate) fn write_by_handles(&mut self, bytes: usize) {
        for index in 0..self.engine.handler().handles.len() {
            self.engine.handler().handles[index].write(vec![b'x'; bytes]).expect("the exchange is open");
            self.work();
        }
    }

    /// Everybody leaves.
    pub(crate) fn leave(&mut self) {
        for member in 0..self.members.len() {
            self.send(member, Sent::Fin);
        }
        self.members.clear();
        self.work();
        assert_eq!(self.engine.core().connections(), 0, "somebody stays");
    }

    /// Appends a message; nobody has it yet.
    pub(crate) fn publish(&mut self, text: &str) {
        let published = self.engine.run(NOW, |_, core| core.publish(CHANNEL, Message::new(text)));
        published.expect("a message that can be published");
    }

    /// Turns until nothing is left to do.
    pub(crate) fn work(&mut self) {
        while self.engine.next_deadline().is_some_and(|due| due <= NOW.at) {
            self.engine.turn(NOW);
        }
        while self.engine.next_closed().is_some() {}
    }
}
