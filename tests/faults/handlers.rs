//! A handler that panics or blocks, in an embedder's own process: it costs its own exchange, and the others go on.

use std::time::{Duration, Instant};

use encke::Limits;

use crate::embedder::{BLOCKED, Embedder, take_log};
use crate::support::{PATIENCE, Peer, get};
use crate::visitor::paced;
use crate::{Form, alone, tell};

/// Listeners who hear everything, whatever happens beside them.
fn listeners(embedder: &Embedder, count: usize) -> Vec<Peer> {
    let mut peers: Vec<Peer> = (0..count).map(|_| Peer::ask(embedder.address, &get("/news", ""))).collect();
    peers.iter_mut().for_each(|peer| drop(peer.until("\r\n\r\n")));
    peers
}

#[test]
fn a_handler_that_panics_costs_its_own_exchange_and_nobody_elses() {
    let _alone = alone();
    let panics = Form::of_this_run().pick(200, 20_000);
    let embedder = Embedder::start(Limits::default());
    let mut heard = listeners(&embedder, 20);
    let begun = Instant::now();
    for number in 0..panics / 2 {
        let mut peer = Peer::ask(embedder.address, &get("/panics", ""));
        assert!(peer.until("\r\n\r\n").starts_with("HTTP/1.1 500 "));
        peer.reset();
        // What has begun is broken off visibly: without its last chunk.
        let mut peer = Peer::ask(embedder.address, &get("/breaks", ""));
        assert!(peer.until("\r\n\r\n").starts_with("HTTP/1.1 200 "));
        assert!(!peer.drain().is_ok_and(|rest| rest.contains("0\r\n\r\n")), "it looks whole");
        if number % 10 == 0 {
            embedder.publish(&format!("message {number}."));
        }
    }
    let took = begun.elapsed();
    for peer in &mut heard {
        for number in (0..panics / 2).step_by(10) {
            assert_eq!(
                peer.until(".").matches("message").count(),
                1,
                "each message once, in order: {number}"
            );
        }
    }
    let counters = embedder.counters();
    assert_eq!(counters.panics, panics as u64);
    let (connections, exchanges) = embedder.ask(|core| (core.connections(), core.exchanges()));
    assert_eq!((connections, exchanges), (heard.len(), heard.len()), "nothing is left of them");
    tell(
        "handlers that panic",
        format_args!(
            "{panics} panics in {took:.1?}, each with its 500 or a visible break; 20 listeners missed nothing"
        ),
    );
}

#[test]
fn a_handler_that_blocks_is_told_of_and_the_others_go_on_behind_it() {
    let _alone = alone();
    let form = Form::of_this_run();
    let blocks = form.pick(3, 20);
    let embedder = Embedder::start(Limits { heartbeat: Duration::from_millis(50), ..Limits::default() });
    let mut heard = listeners(&embedder, 20);
    let quiet = paced(form.pick(Duration::from_millis(300), Duration::from_secs(2)), || visit(&embedder));
    let mut longest = Duration::ZERO;
    for _ in 0..blocks {
        let mut blocking = Peer::ask(embedder.address, &get("/blocks", ""));
        let begun = Instant::now();
        visit(&embedder);
        longest = longest.max(begun.elapsed());
        assert!(blocking.until("ok\n").starts_with("HTTP/1.1 200 "));
        blocking.reset();
    }
    // A turn is told of at its end, a moment after its answers. On a machine with much else to do there may be more of them.
    let mut told = Vec::new();
    let begun = Instant::now();
    while told.len() < blocks {
        assert!(begun.elapsed() < PATIENCE, "each is told of: {told:?}");
        told.extend(take_log("a turn took ").into_iter().filter(|line| {
            let millis = line.split_whitespace().find_map(|word| word.parse::<u128>().ok());
            line.starts_with("WARN ") && millis.is_some_and(|millis| millis >= BLOCKED.as_millis())
        }));
    }
    // Nobody was cut for what was no fault of theirs.
    embedder.publish("afterwards");
    heard.iter_mut().for_each(|peer| drop(peer.until("afterwards")));
    let slow = embedder.ask(|core| {
        let turns = core.turns();
        let below = turns.buckets().find(|(bound, _)| *bound == Duration::from_millis(100));
        turns.count() - below.map_or(0, |(_, count)| count)
    });
    assert!(slow >= blocks as u64, "they are in the histogram of the metrics: {slow}");
    tell(
        "handlers that block",
        format_args!(
            "{blocks} of {BLOCKED:?}, each told in the log; a visit {:.1?} (p99) before, and at most {longest:.1?} beside one",
            quiet.p99
        ),
    );
}

/// Somebody who asks and leaves.
fn visit(embedder: &Embedder) {
    let mut peer = Peer::ask(embedder.address, &get("/", ""));
    peer.until("ok\n");
    peer.reset();
}
