//! A stale handle harms nobody: one test for each way in which an exchange ends and its handle does not.

use std::time::Duration;

use encke::{Limits, WriteError};

use crate::Host;
use crate::support::{PATIENCE, Peer, get};

/// A stream that is open, and the handle of it.
fn begin(host: &mut Host, path: &str) -> (Peer, encke::Handle) {
    let before = host.notes.borrow().handles.len();
    let mut peer = host.ask(&get(path, ""));
    host.until(|host| host.notes.borrow().handles.len() == before + 1);
    host.settle();
    peer.until("\r\n\r\n");
    let handle = host.handle();
    assert!(handle.is_open());
    (peer, handle)
}

/// All that a stale handle, or the name in it, can be asked for, and that nothing comes of it.
#[track_caller]
fn assert_stale(host: &mut Host, stale: &encke::Handle) {
    assert!(!stale.is_open());
    assert_eq!(stale.write("stray"), Err(WriteError::Ended));
    assert_eq!(stale.close(), Err(WriteError::Ended));
    assert_eq!(stale.set_timeout(Duration::from_millis(1)), Err(WriteError::Ended));
    let events = host.notes.borrow().events.len();
    let id = stale.id();
    host.reactor.act(|_, core| {
        assert!(!core.is_open(id));
        assert_eq!(core.write(id, b"stray"), Err(WriteError::Ended));
        core.set_timer(id, 1, Duration::ZERO);
        core.set_timeout(id, Duration::from_millis(1));
        core.resume_reading(id);
        core.close(id);
        core.abort(id);
    });
    host.settle();
    assert_eq!(host.notes.borrow().events.len(), events, "nobody is told of anything");
}

/// That a peer hears what is meant for it, and nothing before.
#[track_caller]
fn assert_hears_only_its_own(host: &mut Host, peer: &mut Peer, handle: &encke::Handle) {
    handle.write("own").expect("open");
    handle.close().expect("open");
    host.settle();
    assert_eq!(peer.until("0\r\n\r\n"), "3\r\nown\r\n0\r\n\r\n");
}

#[test]
fn after_a_close() {
    let mut host = Host::new();
    let (mut peer, stale) = begin(&mut host, "/stream");
    stale.close().expect("open");
    // Accepted, as nobody has told yet; it comes behind the close, and is dropped and counted.
    stale.write("stray").expect("as far as is known it is open");
    host.until_event("End(Closed)");
    host.settle();
    assert_eq!((peer.until("0\r\n\r\n"), host.dropped()), ("0\r\n\r\n".to_owned(), 1));
    assert_stale(&mut host, &stale);
}

#[test]
fn after_the_peers_fin() {
    let mut host = Host::new();
    let (peer, stale) = begin(&mut host, "/stream");
    stale.write("stray").expect("as far as is known it is open");
    drop(peer);
    host.until_event("End(Failed)");
    host.settle();
    assert!(host.notes.borrow().events.contains(&"Error(Disconnected)".to_owned()));
    assert_eq!((host.dropped(), host.connections()), (1, 0));
    assert_stale(&mut host, &stale);
}

#[test]
fn after_the_peers_reset() {
    let mut host = Host::new();
    let (peer, stale) = begin(&mut host, "/stream");
    stale.write("stray").expect("as far as is known it is open");
    peer.reset();
    host.until_event("End(Failed)");
    host.settle();
    assert!(host.notes.borrow().events.contains(&"Error(Reset)".to_owned()));
    assert_eq!((host.dropped(), host.connections()), (1, 0));
    assert_stale(&mut host, &stale);
}

#[test]
fn after_a_timeout_that_closes() {
    let mut host = Host::new();
    let (mut peer, stale) = begin(&mut host, "/brief");
    host.until_event("End(Closed)");
    assert!(host.notes.borrow().events.contains(&"Error(Timeout)".to_owned()));
    host.settle();
    assert_eq!(peer.until("0\r\n\r\n"), "0\r\n\r\n");
    assert_stale(&mut host, &stale);
}

#[test]
fn after_a_panic() {
    let mut host = Host::new();
    let mut peer = host.ask("POST /stream HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\n");
    host.until_event("Begin /stream");
    host.settle();
    let stale = host.handle();
    peer.until("\r\n\r\n");
    stale.write("stray").expect("as far as is known it is open");
    peer.send("panic");
    host.until_event("End(Failed)");
    host.settle();
    assert!(host.notes.borrow().events.contains(&"Error(Handler)".to_owned()));
    assert_eq!(host.during(|| peer.drain().expect("a plain end")), "", "broken off, without a last chunk");
    assert_stale(&mut host, &stale);
}

#[test]
fn after_a_shutdown() {
    let mut host = Host::new();
    let (mut peer, stale) = begin(&mut host, "/stream");
    stale.write("last words").expect("open");
    host.reactor.shutdown();
    host.until_event("End(Shutdown)");
    host.settle();
    let rest = host.during(|| peer.drain().expect("a clean end"));
    assert_eq!(rest, "a\r\nlast words\r\n0\r\n\r\n", "what was accepted before the end goes out");
    assert_stale(&mut host, &stale);
}

#[test]
fn while_the_next_exchange_on_the_same_connection_is_open() {
    let mut host = Host::new();
    // Both requests are there at once. The first ends by its body, and the second begins, before the command is carried out.
    let mut peer = host.ask("POST /stream HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\n");
    host.until_event("Begin /stream");
    host.settle();
    let stale = host.handle();
    peer.until("\r\n\r\n");
    stale.write("stray").expect("as far as is known it is open");
    peer.send(&("close".to_owned() + &get("/stream", "")));
    host.until(|host| host.notes.borrow().handles.len() == 2);
    host.settle();
    let fresh = host.handle();
    assert!(stale.id() != fresh.id());
    let between = peer.until("0\r\n\r\n") + &peer.until("\r\n\r\n");
    assert_eq!((between.contains("stray"), host.dropped()), (false, 1), "{between}");
    assert_stale(&mut host, &stale);
    assert_hears_only_its_own(&mut host, &mut peer, &fresh);
}

#[test]
fn while_another_connection_has_its_slot() {
    let mut host = Host::with(Limits { connections_max: 1, ..Limits::default() });
    let (peer, stale) = begin(&mut host, "/stream");
    stale.write("stray").expect("as far as is known it is open");
    drop(peer);
    host.until(|host| host.connections() == 0);
    // A table of one has one slot.
    let (mut other, fresh) = begin(&mut host, "/stream");
    assert_eq!(host.dropped(), 1);
    assert_stale(&mut host, &stale);
    assert_hears_only_its_own(&mut host, &mut other, &fresh);
}

#[test]
fn after_the_engine_is_gone() {
    let mut host = Host::with(Limits { output_bytes_max: 1000, ..Limits::default() });
    let (mut peer, stale) = begin(&mut host, "/stream");
    // One that was full when the engine went, too: who waits for room must not wait for ever.
    let (full_peer, full) = begin(&mut host, "/stream");
    let begun = std::time::Instant::now();
    while full.write(vec![b'x'; 64 * 1024]) != Err(WriteError::Full) || host.reactor.next_deadline().is_none()
    {
        host.reactor.turn(Some(Duration::ZERO)).expect("the poll works");
        assert!(begun.elapsed() < PATIENCE, "a peer that does not read is written to without end");
    }
    stale.write("stray").expect("open");
    drop(host);
    for handle in [&stale, &full] {
        assert!(!handle.is_open());
        assert_eq!(handle.write("stray"), Err(WriteError::Ended));
        assert_eq!(handle.close(), Err(WriteError::Ended));
        assert_eq!(handle.set_timeout(Duration::ZERO), Err(WriteError::Ended));
    }
    assert!(peer.drain().is_ok_and(|rest| !rest.contains("stray")), "what was never carried out was sent");
    drop(full_peer);
}

#[test]
fn one_that_was_asked_for_too_late_is_stale_from_the_beginning() {
    let mut host = Host::new();
    let mut peer = host.ask(&get("/", ""));
    host.until_event("End(Closed)");
    host.settle();
    assert!(peer.until("ok\n").starts_with("HTTP/1.1 200 "));
    let stale = host.handle();
    assert_stale(&mut host, &stale);
}
