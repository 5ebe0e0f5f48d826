//! The engine in somebody else's hands: turns that return, deadlines that are right, connections that others have accepted, shutdowns that
//! end, and handles of exchanges that are gone.
//!
//! The reactor runs on the test's own thread, turn by turn, so what a test says happens in the order in which it says it.

#[path = "../support/mod.rs"]
mod support;

mod adopting;
mod channels;
mod handles;
mod leaving;
mod loops;
mod mailbox;
mod turns;

use std::cell::RefCell;
use std::rc::Rc;
use std::time::{Duration, Instant};

use encke::{Cause, Ctx, Event, Handle, Handler, Limits, Reactor, Read};
use support::{PATIENCE, Peer};

/// What the handler has to tell the test.
#[derive(Default)]
struct Notes {
    events: Vec<String>,
    handles: Vec<Handle>,
    alarms: Vec<u64>,
}

/// A handler that tells all, and does what the path says. Every exchange gives a handle to the test.
struct Actor(Rc<RefCell<Notes>>);

impl Handler for Actor {
    type State = ();

    fn event(&mut self, event: Event<'_>, ctx: &mut Ctx<'_, ()>) {
        let told = match &event {
            Event::Begin(head) => format!("Begin {}", head.path()),
            Event::Read(Read::Data(bytes)) => format!("Data {}", bytes.len()),
            other => format!("{other:?}"),
        };
        self.0.borrow_mut().events.push(told);
        match event {
            Event::Begin(head) => {
                let handle = ctx.handle();
                self.0.borrow_mut().handles.push(handle);
                let begun = match head.path() {
                    "/stream" => ctx.start(200, &[]),
                    "/news" => ctx
                        .subscribe(&["news"], encke::Since::Head, encke::WireFormat::STREAM)
                        .and_then(|_| ctx.start(200, &[])),
                    "/silent" => Ok(()),
                    "/brief" => {
                        ctx.set_timeout(Duration::from_millis(20));
                        ctx.start(200, &[])
                    }
                    "/large" => ctx.respond(200, &[], &vec![b'x'; 16 * 1024 * 1024]),
                    "/blocks" => {
                        block();
                        ctx.respond(200, &[], b"ok\n")
                    }
                    "/tunnel" => ctx.upgrade("raw", &[]),
                    _ => ctx.respond(200, &[], b"ok\n"),
                };
                assert_eq!(begun, Ok(()));
            }
            Event::Read(Read::Data(b"close")) => ctx.close(),
            Event::Read(Read::Data(b"panic")) => panic!("as the peer wished"),
            Event::Error(Cause::Timeout) => ctx.close(),
            _ => {}
        }
    }

    fn alarm(&mut self, key: u64, _: &mut encke::Core) {
        self.0.borrow_mut().alarms.push(key);
    }
}

/// How long `/blocks` holds everybody.
const BLOCKED: Duration = Duration::from_millis(150);

/// What a handler must not do.
fn block() {
    let (_sender, receiver) = std::sync::mpsc::channel::<()>();
    let _ = receiver.recv_timeout(BLOCKED);
}

/// A reactor on this thread, and what its handler tells.
struct Host {
    reactor: Reactor<Actor>,
    notes: Rc<RefCell<Notes>>,
}

impl Host {
    fn new() -> Host {
        Host::with(Limits::default())
    }

    fn with(limits: Limits) -> Host {
        let notes = Rc::default();
        let mut reactor = Reactor::new(Actor(Rc::clone(&notes)), limits).expect("a poll");
        reactor.listen("127.0.0.1:0").expect("a free port");
        Host { reactor, notes }
    }

    fn connect(&self) -> Peer {
        Peer::connect(self.reactor.local_addr().expect("it listens"))
    }

    fn ask(&self, request: &str) -> Peer {
        let mut peer = self.connect();
        peer.send(request);
        peer
    }

    /// Has turns until something is so.
    #[track_caller]
    fn until(&mut self, is_so: impl Fn(&Host) -> bool) {
        let begun = Instant::now();
        while !is_so(self) {
            assert!(begun.elapsed() < PATIENCE, "after {:?}", self.notes.borrow().events);
            self.reactor.turn(Some(Duration::from_millis(10))).expect("the poll works");
        }
    }

    #[track_caller]
    fn until_event(&mut self, event: &str) {
        self.until(|host| host.notes.borrow().events.iter().any(|told| told == event));
    }

    /// Has turns until nothing is left to do.
    #[track_caller]
    fn settle(&mut self) {
        self.until(|host| host.reactor.next_deadline().is_none_or(|due| due > Instant::now()));
    }

    /// Has turns while a peer does its part on another thread.
    #[track_caller]
    fn during<R: Send>(&mut self, part: impl FnOnce() -> R + Send) -> R {
        std::thread::scope(|scope| {
            let peer = scope.spawn(part);
            while !peer.is_finished() {
                self.reactor.turn(Some(Duration::from_millis(1))).expect("the poll works");
            }
            peer.join().expect("the peer gets what it waits for")
        })
    }

    /// The handle of the newest exchange.
    fn handle(&self) -> Handle {
        self.notes.borrow().handles.last().expect("an exchange has begun").clone()
    }

    fn connections(&self) -> usize {
        self.reactor.engine().core().connections()
    }

    fn dropped(&self) -> u64 {
        self.reactor.engine().core().counters().dropped
    }
}
