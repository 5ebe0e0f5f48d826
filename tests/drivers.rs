//! The engine and whoever drives it: events that a poll tells late or once, deadlines of what is gone, and the order of what goes out.
//!
//! The links lie in memory and the time is a number, so a driver's worst moment is one line.

use std::cell::{Cell, RefCell};
use std::io;

use encke::engine::{More, Moved, Readiness, Stall, Transport};
use encke::testing::{Link, OnEvent};
use encke::time::{Instant, Now};
use encke::{
    Cause, ConnectionId, Ctx, Engine, Event, ExchangeId, Handler, Limits, Message, Since, WireFormat,
};

const GET: &[u8] = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n";

fn at(seconds: u64) -> Now {
    Now { at: Instant::from_micros(seconds * 1_000_000), ..Now::default() }
}

/// Listens to `news`.
fn listen(event: Event<'_>, ctx: &mut Ctx<'_, ()>) {
    if let Event::Begin(_) = event {
        ctx.subscribe(&["news"], Since::Head, WireFormat::STREAM).expect("a stream can listen");
        ctx.start(200, &[]).expect("nothing was answered yet");
    }
}

fn engine() -> Engine<Link, impl Handler> {
    engine_with(|_| {})
}

fn engine_with(adjust: impl FnOnce(&mut Limits)) -> Engine<Link, impl Handler> {
    let mut limits = Limits::default();
    adjust(&mut limits);
    Engine::new(OnEvent(listen), limits, 1, at(0)).expect("limits that can work")
}

/// Lets a peer do something, and tells the engine of it.
fn act<H: Handler>(engine: &mut Engine<Link, H>, id: ConnectionId, now: Now, deed: impl FnOnce(&mut Link)) {
    let link = engine.transport_mut(id).expect("it is open");
    deed(link);
    let readiness = link.readiness();
    engine.ready(id, readiness, now);
}

/// Has turns until nothing is left to do.
fn settle<H: Handler>(engine: &mut Engine<Link, H>, now: Now) {
    for _ in 0..1_000 {
        if engine.next_deadline().is_none_or(|due| due > now.at) {
            return;
        }
        engine.turn(now);
    }
    panic!("it does not come to rest");
}

#[test]
fn an_event_of_a_connection_that_is_gone_does_not_reach_the_next_in_its_slot() {
    let slot = |id: ConnectionId| id.to_bits() as u32;
    // Whose reading is paused learns only from the poll that its peer has gone, and so believes it.
    let paused = OnEvent(|event: Event<'_>, ctx: &mut Ctx<'_, ()>| {
        listen(event, ctx);
        ctx.pause_reading();
    });
    let mut engine = Engine::new(paused, Limits::default(), 1, at(0)).expect("limits that can work");
    let gone = engine.open(Link::new(), at(0)).expect("there is room");
    act(&mut engine, gone, at(0), Link::reset);
    assert_eq!(engine.next_closed().map(|(id, _)| id), Some(gone));

    let id = engine.open(Link::new(), at(0)).expect("there is room");
    assert_eq!(slot(id), slot(gone), "the test is about a slot that is used again");
    act(&mut engine, id, at(0), |link| link.send(GET));

    // The poll had more to tell of the first, and tells it now.
    let all = Readiness { readable: true, writable: true, read_closed: true, error: true };
    engine.ready(gone, all, at(0));
    settle(&mut engine, at(0));
    assert!(engine.next_closed().is_none(), "the second is closed for what happened to the first");
    engine.run(at(0), |_, core| core.publish("news", Message::new("Hello")).map(drop)).expect("a good name");
    settle(&mut engine, at(0));
    let link = engine.transport_mut(id).expect("it is open");
    assert!(link.received().ends_with(b"6\r\nHello\n\r\n"));
}

#[test]
fn a_connection_that_is_gone_leaves_no_deadline() {
    let mut engine = engine();
    let waiting = engine.open(Link::new(), at(0)).expect("there is room");
    assert!(engine.next_deadline().is_some(), "its head is waited for, but not for ever");
    act(&mut engine, waiting, at(1), Link::reset);
    assert_eq!(engine.next_deadline(), None, "an empty server is woken for nobody");

    let listening = engine.open(Link::new(), at(2)).expect("there is room");
    act(&mut engine, listening, at(2), |link| link.send(GET));
    settle(&mut engine, at(2));
    act(&mut engine, listening, at(3), Link::reset);
    settle(&mut engine, at(3));
    assert_eq!(engine.core().connections(), 0);
    assert_eq!(engine.next_deadline(), None);
}

#[test]
fn what_is_beyond_a_share_of_a_turn_is_read_without_another_event() {
    let mut engine = engine_with(|limits| limits.read_bytes_per_turn_max = 100);
    let id = engine.open(Link::new(), at(0)).expect("there is room");
    let body = [b'x'; 5_000];
    let head = format!("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: {}\r\n\r\n", body.len());
    act(&mut engine, id, at(0), |link| link.send(&[head.as_bytes(), &body].concat()));
    settle(&mut engine, at(0));
    assert_eq!(engine.core().counters().bytes_in, (head.len() + body.len()) as u64);
}

/// A peer that listens, and its exchange.
fn listener<H: Handler>(
    engine: &mut Engine<Link, H>,
    exchange: &Cell<Option<ExchangeId>>,
) -> (ConnectionId, ExchangeId) {
    let id = engine.open(Link::new(), at(0)).expect("there is room");
    act(engine, id, at(0), |link| link.send(GET));
    settle(engine, at(0));
    (id, exchange.take().expect("it has begun"))
}

/// What a peer has heard behind its head.
fn body<H: Handler>(engine: &mut Engine<Link, H>, id: ConnectionId) -> String {
    let received = engine.transport_mut(id).expect("it is open").received();
    let text = String::from_utf8_lossy(received);
    text.split_once("\r\n\r\n").expect("a head").1.to_owned()
}

#[test]
fn what_a_handler_writes_does_not_cut_the_frame_that_its_peer_has_half_of() {
    let exchange = Cell::new(None);
    let noted = OnEvent(|event: Event<'_>, ctx: &mut Ctx<'_, ()>| {
        exchange.set(Some(ctx.id()));
        listen(event, ctx);
    });
    let mut engine = Engine::new(noted, Limits::default(), 1, at(0)).expect("limits that can work");
    let (id, name) = listener(&mut engine, &exchange);
    engine.transport_mut(id).expect("it is open").stop_reading_after(4);
    engine.run(at(0), |_, core| core.publish("news", Message::new("Hello")).map(drop)).expect("a good name");
    settle(&mut engine, at(0));
    assert_eq!(body(&mut engine, id), "6\r\nH", "it has half of it");
    engine.run(at(0), |_, core| core.write(name, b"more")).expect("it is open");
    settle(&mut engine, at(0));
    act(&mut engine, id, at(0), Link::resume_reading);
    settle(&mut engine, at(0));
    assert_eq!(body(&mut engine, id), "6\r\nHello\n\r\n4\r\nmore\r\n");
}

#[test]
fn what_is_published_behind_a_write_does_not_overtake_it() {
    let exchange = Cell::new(None);
    let noted = OnEvent(|event: Event<'_>, ctx: &mut Ctx<'_, ()>| {
        exchange.set(Some(ctx.id()));
        listen(event, ctx);
    });
    // One connection a turn gets what was written to it, and all are visited for what was published.
    let limits = Limits { resumptions_per_turn_max: 1, ..Limits::default() };
    let mut engine = Engine::new(noted, limits, 1, at(0)).expect("limits that can work");
    let peers = [listener(&mut engine, &exchange), listener(&mut engine, &exchange)];
    engine.run(at(0), |_, core| {
        peers.iter().for_each(|(_, name)| core.write(*name, b"first").expect("it is open"));
        core.publish("news", Message::new("then")).expect("a good name");
    });
    settle(&mut engine, at(0));
    for (id, _) in peers {
        assert_eq!(body(&mut engine, id), "5\r\nfirst\r\n5\r\nthen\n\r\n");
    }
}

/// A socket whose peer stopped reading, and which the kernel gives up when it has waited long enough (`TCP_USER_TIMEOUT`).
#[derive(Default)]
struct GivenUp {
    request: &'static [u8],
    is_full: bool,
    is_given_up: bool,
}

impl Transport for GivenUp {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<Moved> {
        if self.is_given_up {
            return Err(io::ErrorKind::TimedOut.into());
        }
        let bytes = std::mem::take(&mut self.request);
        if bytes.is_empty() {
            return Err(io::ErrorKind::WouldBlock.into());
        }
        buffer[..bytes.len()].copy_from_slice(bytes);
        Ok(Moved { bytes: bytes.len(), more: More::No })
    }

    fn write(&mut self, bytes: &[u8]) -> io::Result<Moved> {
        match self.is_full {
            true => Err(io::ErrorKind::WouldBlock.into()),
            false => Ok(Moved { bytes: bytes.len(), more: More::Yes }),
        }
    }

    fn shutdown_write(&mut self) -> io::Result<()> {
        Ok(())
    }

    fn break_off(&mut self) {}
}

#[test]
fn a_reader_whom_the_kernel_gives_up_first_counts_as_one_who_does_not_read() {
    let told = RefCell::new(Vec::new());
    let note = OnEvent(|event: Event<'_>, ctx: &mut Ctx<'_, ()>| match event {
        Event::Error(cause) => told.borrow_mut().push(cause),
        other => listen(other, ctx),
    });
    let mut engine = Engine::new(note, Limits::default(), 1, at(0)).expect("limits that can work");
    let readable = Readiness { readable: true, ..Readiness::default() };
    // One who is owed something and does not take it, and one who is owed nothing.
    for is_full in [true, false] {
        let socket = GivenUp { request: GET, ..GivenUp::default() };
        let id = engine.open(socket, at(0)).ok().expect("there is room");
        engine.ready(id, readable, at(0));
        engine.transport_mut(id).expect("it is open").is_full = is_full;
        engine
            .run(at(0), |_, core| core.publish("news", Message::new("Hello")).map(drop))
            .expect("a good name");
        engine.turn(at(0));
        engine.transport_mut(id).expect("it is open").is_given_up = true;
        engine.ready(id, readable, at(1));
        assert!(engine.next_closed().is_some());
    }
    assert_eq!(*told.borrow(), [Cause::Stalled(Stall::Reading), Cause::Disconnected]);
    assert_eq!(engine.core().counters().cuts, 1);
}
