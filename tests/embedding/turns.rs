//! A turn returns in time, and the deadline is the moment at which the next one is due.

use std::cell::RefCell;
use std::time::{Duration, Instant};

use encke::{Limits, Message};

use crate::support::{PATIENCE, Peer, get};
use crate::{BLOCKED, Host};

/// Nothing of the engine's own is armed.
fn timeless() -> Limits {
    Limits {
        keep_alive_timeout: Duration::ZERO,
        comet_timeout: Duration::ZERO,
        heartbeat: Duration::ZERO,
        ..Limits::default()
    }
}

#[test]
fn a_turn_waits_as_long_as_it_may_and_no_longer() {
    let mut host = Host::new();
    host.settle();
    for wait in [Duration::ZERO, Duration::from_millis(30), Duration::from_millis(120)] {
        let begun = Instant::now();
        host.reactor.turn(Some(wait)).expect("the poll works");
        let took = begun.elapsed();
        assert!(took >= wait && took < wait + Duration::from_secs(5), "{wait:?} took {took:?}");
    }
}

#[test]
fn a_turn_that_may_wait_for_ever_returns_when_a_timer_is_due() {
    let mut host = Host::with(timeless());
    host.settle();
    let begun = Instant::now();
    host.reactor.act(|_, core| core.set_alarm(7, Duration::from_millis(80)));
    while host.notes.borrow().alarms.is_empty() {
        host.reactor.turn(None).expect("the poll works");
    }
    assert!(begun.elapsed() >= Duration::from_millis(80) && begun.elapsed() < PATIENCE);
    assert_eq!(host.notes.borrow().alarms, [7]);
}

#[test]
fn a_turn_that_may_wait_for_ever_returns_when_somebody_comes() {
    let mut host = Host::with(timeless());
    host.settle();
    let mut peer = host.ask(&get("/", "Connection: close\r\n"));
    while !host.notes.borrow().events.iter().any(|event| event == "End(Closed)") {
        host.reactor.turn(None).expect("the poll works");
    }
    assert!(peer.until("ok\n").starts_with("HTTP/1.1 200 "));
}

#[test]
fn there_is_no_deadline_when_nothing_waits() {
    let mut host = Host::with(timeless());
    host.settle();
    assert_eq!(host.reactor.next_deadline(), None);
    // A stream that nothing is armed for waits for nothing either.
    let _peer = host.ask(&get("/news", ""));
    host.until_event("Read(Done)");
    host.settle();
    // The wheel may still hold the deadline of the head that has come: it goes off, finds nothing, and is not armed again.
    let due = host.reactor.next_deadline();
    assert!(due.is_none_or(|due| due <= Instant::now() + Duration::from_secs(11)), "{due:?}");
}

#[test]
fn the_deadline_is_now_while_work_is_left() {
    let mut host = Host::with(timeless());
    // A listener that nobody has asked yet may have somebody waiting.
    assert!(host.reactor.next_deadline().is_some_and(|due| due <= Instant::now()));
    host.settle();

    let _peer = host.ask(&get("/news", ""));
    host.until_event("Read(Done)");
    host.settle();
    // A message that its subscriber has not got.
    let published = host.reactor.act(|_, core| core.publish("news", Message::new("Hello")));
    assert_eq!(published.expect("a good name").subscribers, 1);
    assert!(host.reactor.next_deadline().is_some_and(|due| due <= Instant::now()));
    host.settle();

    // A command that nobody has carried out.
    host.reactor.remote().post(|_, _| {}).expect("there is room");
    assert!(host.reactor.next_deadline().is_some_and(|due| due <= Instant::now()));
    host.settle();

    // An exchange that somebody wants to be closed.
    host.handle().close().expect("it is open");
    assert!(host.reactor.next_deadline().is_some_and(|due| due <= Instant::now()));
    host.settle();

    // A shutdown that has not walked through the connections.
    host.reactor.shutdown();
    assert!(host.reactor.next_deadline().is_some_and(|due| due <= Instant::now()));
}

#[test]
fn the_deadline_of_a_timer_is_the_timers_and_never_too_early() {
    let mut host = Host::with(timeless());
    host.settle();
    for wait in [Duration::from_micros(100), Duration::from_millis(250), Duration::from_secs(3600)] {
        let before = Instant::now();
        host.reactor.act(|_, core| core.set_alarm(1, wait));
        let after = Instant::now();
        let due = host.reactor.next_deadline().expect("a timer is set");
        // Seen from here, and rounded up to a poll's milliseconds.
        assert!(due >= before + wait && due <= after + wait + Duration::from_millis(50), "{wait:?}");
    }
    host.reactor.act(|_, core| core.cancel_alarm(1));
    assert_eq!(host.reactor.next_deadline(), None);
}

#[test]
fn turns_at_their_deadlines_are_few() {
    let mut host = Host::new();
    let mut peer = host.ask(&get("/", ""));
    host.until_event("End(Closed)");
    peer.until("ok\n");
    host.settle();
    // Who turns only when something is due turns a few times in half a second, not hundreds of times.
    host.reactor.act(|_, core| core.set_alarm(1, Duration::from_millis(500)));
    let mut turns = 0;
    while host.notes.borrow().alarms.is_empty() {
        host.reactor.turn(None).expect("the poll works");
        turns += 1;
    }
    assert!(turns < 10, "{turns} turns for one timer");
}

thread_local! {
    /// What was logged on this thread, and so by this test alone.
    static LOG: RefCell<Vec<String>> = const { RefCell::new(Vec::new()) };
}

struct Logger;

impl log::Log for Logger {
    fn enabled(&self, _: &log::Metadata<'_>) -> bool {
        true
    }

    fn log(&self, record: &log::Record<'_>) {
        LOG.with_borrow_mut(|log| log.push(format!("{} {}", record.level(), record.args())));
    }

    fn flush(&self) {}
}

#[test]
fn a_callback_that_blocks_is_told_in_the_log() {
    log::set_logger(&Logger).expect("no other test of this program has one");
    log::set_max_level(log::LevelFilter::Warn);
    let mut host = Host::new();
    let mut peers: Vec<Peer> =
        ["/", "/blocks"].map(|path| host.ask(&get(path, "Connection: close\r\n"))).into();
    host.until(|host| host.notes.borrow().events.iter().filter(|told| *told == "End(Closed)").count() == 2);
    peers.iter_mut().for_each(|peer| assert!(peer.until("ok\n").starts_with("HTTP/1.1 200 ")));
    let line = LOG.with_borrow(|log| log.iter().find(|line| line.contains("a turn took")).cloned());
    let line = line.expect("a turn that took too long is logged");
    let took: u128 = line.split_whitespace().find_map(|word| word.parse().ok()).expect("how long it took");
    assert!(line.starts_with("WARN ") && took >= BLOCKED.as_millis(), "{line}");
    // And it is counted where a metrics page finds it.
    let turns = host.reactor.engine().core().turns();
    let below = turns.buckets().find(|(bound, _)| *bound == Duration::from_millis(100));
    assert!(below.is_some_and(|(_, count)| count < turns.count()));
}
