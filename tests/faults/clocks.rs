//! A wall clock that is set back, and forward: waits, ages and ids do not care, since the loop counts on the monotonic clock. Only the `Date` of
//! answers shows it.
//!
//! The machine's clock is not touched: `clock_set_back.c` stands in front of the C library of the server alone. It is compiled with the
//! linker's driver (`cc`), without which no Rust program is built here either.

use std::fs;
use std::process::Command;
use std::time::{Duration, Instant};

use crate::support::{Folder, Peer, Server, encke, get, id_of, publish};
use crate::{Form, alone, tell};

/// The `Date` of an answer, in seconds.
#[track_caller]
fn date(server: &Server) -> u64 {
    let mut peer = Peer::ask(server.address, &get("/healthz", "Connection: close\r\n"));
    let answer = peer.drain().expect("a whole answer");
    let date = answer.lines().find_map(|line| line.strip_prefix("Date: ")).expect("every answer has one");
    let date = httpdate::parse_http_date(date).expect("a date");
    date.duration_since(std::time::UNIX_EPOCH).expect("after 1970").as_secs()
}

/// How long a long-poll takes that is to take a second.
#[track_caller]
fn poll_of_a_second(server: &Server) -> Duration {
    let begun = Instant::now();
    let mut peer = Peer::ask(server.address, &get("/channels/silent?mode=poll&timeout=1s", ""));
    assert!(peer.until("\r\n\r\n").starts_with("HTTP/1.1 200 "));
    begun.elapsed()
}

#[test]
fn a_wall_clock_that_is_set_disturbs_nobody() {
    let _alone = alone();
    let rounds = Form::of_this_run().pick(1, 5);
    let folder = Folder::new("clocks");
    let (source, library) =
        (concat!(env!("CARGO_MANIFEST_DIR"), "/tests/faults/clock_set_back.c"), folder.text("clock.so"));
    let compiled = Command::new("cc").args(["-shared", "-fPIC", "-o", &library, source]).status();
    assert!(compiled.is_ok_and(|status| status.success()), "cc compiles {source}: install a C compiler");
    let clock = folder.text("clock");
    let server = Server::spawn(
        encke()
            .args(["--listen", "127.0.0.1:0", "--heartbeat", "200ms", "--history-age", "1m"])
            .env("LD_PRELOAD", &library)
            .env("ENCKE_FAULTS_CLOCK", &clock),
    );
    let mut subscriber = Peer::ask(server.address, &get("/channels/news?mode=ndjson", ""));
    subscriber.until("\r\n\r\n");
    let mut id = id_of(&publish(server.address, "news", "first"));
    subscriber.until("first");
    let (mut polls, mut moved) = (Vec::new(), Vec::new());
    for round in 0..rounds {
        for seconds in [-3600, 3600] {
            let before = date(&server);
            fs::write(&clock, seconds.to_string()).expect("a file can be written");
            let begun = Instant::now();
            let by = date(&server).cast_signed() - before.cast_signed();
            moved.push(by);
            assert!(
                (by - seconds).abs() < 60,
                "the server's clock was set by {by} seconds: is LD_PRELOAD heard?"
            );
            // Waits end when they should: a poll after its second, heartbeats at their pace.
            let took = poll_of_a_second(&server);
            assert!(
                took >= Duration::from_secs(1) && took < Duration::from_secs(5),
                "a second took {took:?}"
            );
            polls.push(took);
            // An empty line, as a chunk.
            for _ in 0..3 {
                subscriber.until("1\r\n\n\r\n");
            }
            assert!(begun.elapsed() < Duration::from_secs(30), "heartbeats come at their pace");
            // Ids grow, nothing is too old, and whoever comes back gets what it missed.
            let text = format!("round {round}, {seconds} seconds");
            let newer = id_of(&publish(server.address, "news", &text));
            assert!(place(&newer) == place(&id) + 1 && epoch(&newer) == epoch(&id), "{id}, then {newer}");
            subscriber.until(&text);
            let mut again =
                Peer::ask(server.address, &get(&format!("/channels/news?mode=poll&since={id}"), ""));
            assert!(!again.until("\r\n\r\n").contains("Encke-Gap"));
            assert_eq!(again.until("]").matches("\"data\"").count(), 1, "what it missed, once");
            id = newer;
            fs::remove_file(&clock).expect("it is there");
        }
    }
    assert_eq!(server.metric("encke_messages"), f64::from(1 + 2 * rounds), "nothing was too old");
    assert_eq!(server.metric("encke_gaps_total"), 0.0);
    tell(
        "the clock set",
        format_args!(
            "by {moved:?} seconds; polls of a second took {polls:.1?}; {} messages kept, in order",
            1 + 2 * rounds
        ),
    );
}

fn epoch(id: &str) -> &str {
    id.split_once('-').expect("EPOCH-SEQ").0
}

fn place(id: &str) -> u64 {
    id.split_once('-').and_then(|(_, place)| place.parse().ok()).expect("EPOCH-SEQ")
}
