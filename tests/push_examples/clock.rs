//! The clock: it ticks for whoever listens, on time, and rests when nobody does.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use crate::running::{Example, Lines};
use crate::support::{Peer, get};

/// The half seconds since midnight that a face stands for.
#[track_caller]
fn halves(face: &str) -> u64 {
    let numbers: Vec<u64> = face.trim_end().split([':', '.']).map(|part| part.parse().expect(face)).collect();
    let [hours, minutes, seconds, tenths] = numbers[..] else { panic!("{face}") };
    assert!(tenths == 0 || tenths == 5, "{face}");
    (hours * 3600 + minutes * 60 + seconds) * 2 + tenths / 5
}

const DAY: u64 = 24 * 3600 * 2;

/// How many half seconds lie between two faces, the second of which may be tomorrow's.
#[track_caller]
fn between(earlier: &str, later: &str) -> u64 {
    (halves(later) + DAY - halves(earlier)) % DAY
}

/// How late a tick is that is seen now.
fn lateness(face: &str) -> Duration {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).expect("it is after 1970").as_millis() as u64;
    Duration::from_millis((now % (DAY * 500) + DAY * 500 - halves(face) * 500) % (DAY * 500))
}

#[test]
fn everybody_hears_the_same_half_seconds_in_lines_and_in_events() {
    let clock = Example::start("clock", &[]);
    let mut lines = Lines::of(Peer::ask(clock.address, &get("/clock", "")));
    let mut events = Peer::ask(clock.address, &get("/clock", "Accept: text/event-stream\r\n"));
    assert!(events.until("\r\n\r\n").contains("Content-Type: text/event-stream\r\n"));
    events.until("data: ");
    let tick = events.until("\n\n");
    let face = std::iter::repeat_with(|| lines.chunk()).find(|line| line.trim_end() == tick.trim_end());
    assert!(face.is_some());
    let mut old = Peer::ask(clock.address, "GET /clock HTTP/1.0\r\n\r\n");
    let head = old.until("\r\n\r\n");
    assert!(!head.contains("chunked"), "{head}");
    halves(&old.until("\n"));
    let page = Peer::ask(clock.address, &get("/", "Connection: close\r\n")).drain().expect("a page");
    assert!(page.contains("new EventSource('/clock')"), "{page}");
    let (status, _) = clock.ask(&get("/elsewhere", ""));
    assert_eq!(status, 404);
    clock.stop();
    assert_eq!(lines.peer().drain().map(|rest| rest.ends_with("0\r\n\r\n")).ok(), Some(true), "a clean end");
    drop((lines, events, old));
    assert!(clock.wait().success());
}

#[test]
fn it_does_not_drift() {
    let clock = Example::start("clock", &[]);
    let mut lines = Lines::of(Peer::ask(clock.address, &get("/clock", "")));
    let mut faces = Vec::new();
    let mut least = Duration::MAX;
    for count in 0..6 {
        faces.push(lines.chunk());
        // Half a second and a little more each time would have added up by now. The machine may hold one tick up, but not all.
        if count >= 3 {
            least = least.min(lateness(&faces[count]));
        }
    }
    assert!(least < Duration::from_millis(100), "late by {least:?}, {faces:?}");
    let told = between(&faces[0], &faces[5]);
    assert!((5..8).contains(&told), "half seconds were left out: {faces:?}");
    assert!(faces.is_sorted_by(|a, b| between(a, b) > 0 && between(a, b) < DAY / 2), "{faces:?}");
}

#[test]
#[cfg(target_os = "linux")]
fn it_ticks_with_the_first_and_rests_with_the_last() {
    let mut clock = Example::start("clock", &[]);
    // A visitor that listens to nothing: its reads running into their timeout is the time in which nothing may happen.
    let mut visitor = Peer::ask(clock.address, "GET /clock HTTP/1.1\r\n");
    for _ in 0..2 {
        let mut first = Lines::of(Peer::ask(clock.address, &get("/clock", "")));
        let second = Lines::of(Peer::ask(clock.address, &get("/clock", "")));
        assert_eq!(clock.says(), "somebody listens: ticking");
        drop(second);
        first.chunk();
        drop(first);
        assert_eq!(clock.says(), "nobody listens: at rest");
    }
    visitor.set_patience(Duration::from_millis(100));
    assert!(visitor.drain().is_err(), "nothing comes");
    let before = clock.proc("status", "voluntary_ctxt_switches:");
    visitor.set_patience(Duration::from_millis(800));
    assert!(visitor.drain().is_err(), "nothing comes");
    assert_eq!(clock.proc("status", "voluntary_ctxt_switches:") - before, 0, "wake-ups while nobody listens");
}
