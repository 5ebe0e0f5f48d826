//! What only a kernel shows: FIN told from RST, half-closed peers, commands from another thread, storms of connections.
//!
//! Everything else about the engine is held by the simulator, faster and in more ways.

mod support;

use std::net::SocketAddr;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread::{JoinHandle, spawn};

use encke::{Ctx, Event, Handler, Limits, Reactor, Remote};
use support::{PATIENCE, Peer, get};

/// Tells a test of every event, and answers by path: `/stream` stays open, `/later` waits for the peer's FIN, all else is `ok`.
struct Teller {
    events: Sender<String>,
}

impl Handler for Teller {
    type State = ();

    fn event(&mut self, event: Event<'_>, ctx: &mut Ctx<'_, ()>) {
        let told = match &event {
            Event::Begin(head) => format!("Begin {}", head.path()),
            other => format!("{other:?}"),
        };
        // A test that has seen enough no longer listens.
        let _ = self.events.send(told);
        if let Event::Begin(head) = event {
            let _ = match head.path() {
                "/stream" => ctx.start(200, &[]),
                "/later" => {
                    ctx.set_timer(1, std::time::Duration::from_millis(50));
                    Ok(())
                }
                _ => ctx.respond(200, &[], b"ok\n"),
            };
        }
    }

    fn timer(&mut self, _: u64, ctx: &mut Ctx<'_, ()>) {
        let _ = ctx.respond(200, &[], b"late\n");
    }
}

/// A reactor on a thread of its own, which ends with the test.
struct Running {
    address: SocketAddr,
    events: Receiver<String>,
    remote: Remote<Teller>,
    thread: Option<JoinHandle<()>>,
}

impl Running {
    fn start() -> Running {
        let (events, told) = channel();
        let (sender, receiver) = channel();
        let thread = spawn(move || {
            let mut reactor =
                Reactor::bind("127.0.0.1:0", Teller { events }, Limits::default()).expect("a free port");
            sender.send((reactor.local_addr(), reactor.remote())).expect("the test waits");
            reactor.run().expect("the poll works");
        });
        let (address, remote) = receiver.recv().expect("the reactor starts");
        Running { address, events: told, remote, thread: Some(thread) }
    }

    #[track_caller]
    fn event(&self) -> String {
        self.events.recv_timeout(PATIENCE).expect("an event comes")
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.remote.post(|_, core| core.shutdown());
        if let Some(thread) = self.thread.take() {
            let outcome = thread.join();
            assert!(outcome.is_ok() || std::thread::panicking(), "the reactor panicked");
        }
    }
}

#[test]
fn a_fin_is_told_from_a_reset() {
    let running = Running::start();
    for is_reset in [false, true] {
        let mut peer = Peer::ask(running.address, &get("/stream", ""));
        peer.until("\r\n\r\n");
        assert_eq!((running.event(), running.event()), ("Begin /stream".into(), "Read(Done)".into()));
        if is_reset {
            peer.reset()
        } else {
            drop(peer)
        }
        let cause = if is_reset { "Error(Reset)" } else { "Error(Disconnected)" };
        assert_eq!((running.event(), running.event()), (cause.into(), "End(Failed)".into()));
    }
}

#[test]
fn a_peer_that_only_closes_its_sending_side_gets_its_answer() {
    let running = Running::start();
    let mut peer = Peer::ask(running.address, &get("/later", ""));
    peer.finish();
    assert!(peer.drain().expect("a clean end").ends_with("\r\n\r\nlate\n"));
}

#[test]
fn pipelined_requests_and_a_fin_in_one_segment_are_all_answered() {
    let running = Running::start();
    let mut peer = Peer::ask(running.address, &get("/a", "").repeat(300));
    peer.finish();
    assert_eq!(peer.drain().expect("a clean end").matches("\r\n\r\nok\n").count(), 300);
}

#[test]
fn bytes_behind_a_request_that_says_close_do_not_cost_its_answer() {
    let running = Running::start();
    for _ in 0..50 {
        let mut peer =
            Peer::ask(running.address, &(get("/a", "Connection: close\r\n") + "GET /more HTTP/1.1\r\n"));
        let _ = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| peer.send("Host: a\r\n\r\n")));
        assert!(peer.drain().expect("no reset").ends_with("ok\n"));
    }
}

#[test]
fn a_command_from_another_thread_wakes_a_sleeping_reactor() {
    let running = Running::start();
    let (sender, receiver) = channel();
    for _ in 0..100 {
        let sender = sender.clone();
        running
            .remote
            .post(move |_, core| sender.send(core.connections()).expect("the test waits"))
            .expect("room");
        assert_eq!(receiver.recv_timeout(PATIENCE), Ok(0));
    }
}

#[test]
fn a_thousand_peers_come_and_go_and_nothing_is_left() {
    let running = Running::start();
    let mut peers: Vec<Peer> = (0..1_000).map(|_| Peer::ask(running.address, &get("/stream", ""))).collect();
    for peer in &mut peers {
        peer.until("\r\n\r\n");
    }
    drop(peers);
    let ends = (0..4_000).map(|_| running.event()).filter(|event| event == "End(Failed)").count();
    assert_eq!(ends, 1_000, "exactly one End for each Begin");
    let (sender, receiver) = channel();
    running
        .remote
        .post(move |_, core| sender.send((core.connections(), core.exchanges())).expect("the test waits"))
        .expect("room");
    assert_eq!(receiver.recv_timeout(PATIENCE), Ok((0, 0)));
}

#[test]
fn a_remote_outlives_its_reactor_harmlessly() {
    let running = Running::start();
    let remote = running.remote.clone();
    drop(running);
    assert!(matches!(remote.post(|_, _| {}), Err(encke::PostError::Closed(_))));
}
