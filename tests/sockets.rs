//! What only a kernel shows: FIN told from RST, half-closed peers, commands from another thread, storms of connections.
//!
//! Everything else about the engine is held by the simulator, faster and in more ways.

mod support;

use std::net::SocketAddr;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread::{JoinHandle, spawn};

use encke::{Ctx, Event, Handle, Handler, Limits, Reactor, Remote, WriteError};
use support::{PATIENCE, Peer, get};

/// Tells a test of every event, and answers by path: `/stream` stays open, `/handle` gives its handle to the test, `/later`
/// answers a moment later, all else is `ok`.
struct Teller {
    events: Sender<String>,
    handles: Sender<Handle>,
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
                "/handle" => {
                    let _ = self.handles.send(ctx.handle());
                    ctx.start(200, &[])
                }
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
    handles: Receiver<Handle>,
    remote: Remote<Teller>,
    thread: Option<JoinHandle<()>>,
}

impl Running {
    fn start() -> Running {
        let (events, told) = channel();
        let (handles, given) = channel();
        let (sender, receiver) = channel();
        let thread = spawn(move || {
            let mut reactor = Reactor::bind("127.0.0.1:0", Teller { events, handles }, Limits::default())
                .expect("a free port");
            let address = reactor.local_addr().expect("a port");
            sender.send((address, reactor.remote())).expect("the test waits");
            reactor.run().expect("the poll works");
        });
        let (address, remote) = receiver.recv().expect("the reactor starts");
        Running { address, events: told, handles: given, remote, thread: Some(thread) }
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

#[test]
fn a_sender_thread_writes_and_learns_that_its_peer_is_gone() {
    let running = Running::start();
    let mut peer = Peer::ask(running.address, &get("/handle", ""));
    let handle = running.handles.recv_timeout(PATIENCE).expect("the handler gives its handle");
    handle.write("one\n").expect("open");
    peer.until("4\r\none\n\r\n");
    drop(peer);
    // The End is told to the handler; from then on the handle says so, and stays harmless.
    while running.event() != "End(Failed)" {}
    while handle.is_open() {}
    assert_eq!(handle.write("two\n"), Err(WriteError::Ended));
    assert_eq!(handle.close(), Err(WriteError::Ended));
}

#[test]
fn a_stale_handle_does_not_reach_the_next_answer_on_its_connection() {
    let running = Running::start();
    let mut peer = Peer::ask(running.address, &get("/handle", ""));
    let stale = running.handles.recv_timeout(PATIENCE).expect("a handle");
    stale.close().expect("open");
    peer.until("0\r\n\r\n");
    peer.send(&get("/handle", ""));
    let fresh = running.handles.recv_timeout(PATIENCE).expect("another handle");
    assert!(stale.id() != fresh.id());
    assert_eq!(stale.write("stray"), Err(WriteError::Ended));
    fresh.write("own").expect("open");
    fresh.close().expect("open");
    let answer = peer.until("0\r\n\r\n");
    assert!(answer.ends_with("3\r\nown\r\n0\r\n\r\n"), "{answer}");
}

#[test]
fn a_sender_thread_is_told_when_its_peer_does_not_read() {
    let running = Running::start();
    let peer = Peer::ask(running.address, &get("/handle", ""));
    let handle = running.handles.recv_timeout(PATIENCE).expect("a handle");
    let begun = std::time::Instant::now();
    // The kernel takes a few megabytes, the engine its bound, and then there is no more.
    while handle.write(vec![b'x'; 64 * 1024]) != Err(WriteError::Full) {
        assert!(begun.elapsed() < PATIENCE, "a peer that does not read is written to without end");
    }
    assert!(handle.is_open());
    drop(peer);
}

#[test]
fn what_a_handle_has_accepted_arrives_whole_and_in_order() {
    let running = Running::start();
    let mut peer = Peer::ask(running.address, &get("/handle", "Connection: close\r\n"));
    let handle = running.handles.recv_timeout(PATIENCE).expect("a handle");
    let sender = spawn(move || {
        let mut sent = String::new();
        for number in 0..3_000 {
            let line = format!("{number:-<1000}\n");
            // Full is an answer to try again upon: nothing was taken.
            while handle.write(line.as_str()) == Err(WriteError::Full) {
                std::thread::yield_now();
            }
            sent.push_str(&line);
        }
        handle.close().expect("open");
        sent
    });
    let answer = peer.drain().expect("a clean end");
    let sent = sender.join().expect("the sender ends");
    let chunks = answer.split("\r\n\r\n").nth(1).expect("a body").split("\r\n");
    let heard: String = chunks.filter(|part| part.ends_with('\n')).collect();
    assert!(heard == sent, "{} bytes of {}", heard.len(), sent.len());
}

#[test]
fn the_time_of_turns_is_told() {
    let running = Running::start();
    let mut peer = Peer::ask(running.address, &get("/", "Connection: close\r\n"));
    assert!(peer.drain().expect("a clean end").ends_with("ok\n"));
    let (sender, receiver) = channel();
    let post = running.remote.post(move |_, core| sender.send(core.turns().clone()).expect("the test waits"));
    assert!(post.is_ok());
    let turns = receiver.recv_timeout(PATIENCE).expect("the command is carried out");
    assert!(turns.count() > 0 && turns.sum() < PATIENCE);
    assert!(turns.buckets().all(|(_, below)| below <= turns.count()));
}

#[test]
fn both_versions_of_ip_may_have_the_same_port() {
    let (events, _told) = channel();
    let (handles, _given) = channel();
    let mut reactor =
        Reactor::bind("0.0.0.0:0", Teller { events, handles }, Limits::default()).expect("a free port");
    let port = reactor.local_addr().expect("a port").port();
    match reactor.listen(("::", port)) {
        Ok(second) => assert_eq!((second.port(), reactor.addresses().len()), (port, 2)),
        // A machine without IPv6 says so, and not that the port is in use.
        Err(error) => assert!(error.kind() != std::io::ErrorKind::AddrInUse, "{error}"),
    }
}
