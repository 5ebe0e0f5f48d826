//! A shutdown that is asked for is over soon, whatever peers do; and one that nobody holds up is over at once.

use std::time::{Duration, Instant};

use encke::{Limits, Message};

use crate::Host;
use crate::support::{PATIENCE, Peer, get};

/// Runs to the end, and says how long that took.
fn run(host: &mut Host) -> Duration {
    let begun = Instant::now();
    host.reactor.shutdown();
    host.reactor.run().expect("the poll works");
    assert_eq!(host.connections(), 0);
    begun.elapsed()
}

#[test]
fn a_shutdown_without_anybody_is_over_at_once() {
    let mut host = Host::with(Limits { drain_timeout: PATIENCE, ..Limits::default() });
    assert!(!host.reactor.is_finished());
    assert!(run(&mut host) < PATIENCE / 2);
    assert!(host.reactor.is_finished());
    // And a run after that has nothing to wait for.
    host.reactor.run().expect("the poll works");
}

#[test]
fn peers_who_read_to_the_end_hold_nobody_up() {
    let mut host = Host::with(Limits { drain_timeout: PATIENCE, ..Limits::default() });
    let requests = [get("/stream", ""), get("/news", ""), get("/silent", ""), get("/", "")];
    let mut peers: Vec<Peer> = requests.iter().map(|request| host.ask(request)).collect();
    host.until(|host| host.notes.borrow().events.iter().filter(|told| *told == "Read(Done)").count() == 3);
    host.until_event("End(Closed)");
    host.settle();
    host.reactor.act(|_, core| core.publish("news", Message::new("last"))).expect("a good name");
    let readers = std::thread::spawn(move || {
        let read = |peer: &mut Peer| peer.drain().expect("a clean end");
        peers.iter_mut().map(read).collect::<Vec<String>>()
    });
    assert!(run(&mut host) < PATIENCE / 2);
    let answers = readers.join().expect("all of them end");
    assert!(answers[0].ends_with("\r\n\r\n0\r\n\r\n"), "{answers:?}");
    assert!(answers[1].ends_with("\r\n\r\n5\r\nlast\n\r\n0\r\n\r\n"), "{answers:?}");
    assert!(answers[2].starts_with("HTTP/1.1 503 ") && answers[2].contains("Retry-After: "), "{answers:?}");
    assert!(answers[3].ends_with("ok\n"), "{answers:?}");
    let ends = host.notes.borrow().events.iter().filter(|told| *told == "End(Shutdown)").count();
    assert_eq!(ends, 3);
}

#[test]
fn whatever_peers_do_a_run_is_back_when_the_drain_is_over() {
    const DRAIN: Duration = Duration::from_millis(400);
    let mut host = Host::with(Limits { drain_timeout: DRAIN, ..Limits::default() });
    let peers: Vec<Peer> = [
        // Nothing, half a head, half a body, a body without end.
        String::new(),
        "GET / HTT".to_owned(),
        "POST /silent HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\nhalf".to_owned(),
        "POST /stream HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nendle\r\n".to_owned(),
        // Answers that nobody reads: one with a length, a hundred of them, a stream and a tunnel.
        get("/large", ""),
        get("/", "").repeat(100),
        get("/news", ""),
        get("/tunnel", "Connection: upgrade\r\nUpgrade: raw\r\n"),
    ]
    .iter()
    .map(|request| host.ask(request))
    .collect();
    host.until(|host| host.connections() == peers.len());
    host.until(|host| host.reactor.engine().core().exchanges() == 4);
    host.settle();
    // A subscriber that is owed more than it takes.
    let text = "x".repeat(100_000);
    for _ in 0..200 {
        host.reactor.act(|_, core| core.publish("news", Message::new(&text))).expect("a good name");
        host.reactor.turn(Some(Duration::ZERO)).expect("the poll works");
    }
    let took = run(&mut host);
    assert!(took >= DRAIN && took < DRAIN + Duration::from_secs(5), "{took:?}");
    let events = &host.notes.borrow().events;
    let count = |word: &str| events.iter().filter(|told| told.starts_with(word)).count();
    assert_eq!(count("Begin"), count("End("), "{events:?}");
}

#[test]
fn who_asks_during_the_drain_is_told_and_a_successor_has_the_port() {
    let mut host = Host::with(Limits { drain_timeout: PATIENCE, ..Limits::default() });
    let address = host.reactor.local_addr().expect("it listens");
    // This one holds the drain.
    let mut holder =
        host.ask("POST /silent HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nConnection: close\r\n\r\nha");
    host.until_event("Data 2");
    host.reactor.shutdown();
    host.settle();
    assert!(!host.reactor.is_finished(), "a request that is still coming may come");
    assert!(std::net::TcpStream::connect(address).is_err(), "nobody listens any more");
    let successor = std::net::TcpListener::bind(address).expect("the port is free");
    drop(successor);
    holder.send("lf!");
    host.until(|host| host.reactor.is_finished() || host.connections() == 1);
    assert!(host.during(|| holder.drain().expect("a clean end")).starts_with("HTTP/1.1 503 "));
    drop(holder);
    host.until(|host| host.reactor.is_finished());
}

#[test]
fn an_abort_ends_everything_now() {
    let mut host = Host::with(Limits { drain_timeout: PATIENCE, ..Limits::default() });
    let _peers = [get("/large", ""), get("/stream", ""), get("/silent", "")].map(|text| host.ask(&text));
    host.until(|host| host.notes.borrow().events.iter().filter(|told| *told == "Read(Done)").count() >= 2);
    let begun = Instant::now();
    host.reactor.engine_mut().abort();
    host.reactor.run().expect("the poll works");
    assert!(begun.elapsed() < PATIENCE / 2);
    let events = &host.notes.borrow().events;
    let count = |word: &str| events.iter().filter(|told| told.starts_with(word)).count();
    assert_eq!(count("Begin"), count("End("), "{events:?}");
}
