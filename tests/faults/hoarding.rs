//! Publishers who begin large messages and never finish them: what they hold of the memory is a share of it, so nobody's history goes for it.

use std::time::Instant;

use crate::machine::MIB;
use crate::support::{PATIENCE, Peer, Server, get, publish};
use crate::{Form, alone, tell};

/// What the server's channels and bodies may hold together.
const MEMORY: usize = 16 * MIB;

#[test]
fn bodies_that_are_never_finished_have_a_share_of_the_memory_and_cost_nobody_their_history() {
    let _alone = alone();
    let hoarders = Form::of_this_run().pick(40, 1_000);
    let server = Server::start(&["--memory", &MEMORY.to_string()]);
    for number in 0..100 {
        publish(server.address, "news", &format!("{number}-{}", "x".repeat(1_000)));
    }
    // Nine tenths of a message of a megabyte, each.
    let head = "POST /channels/hoard HTTP/1.1\r\nHost: encke.test\r\nContent-Length: 1000000\r\n\r\n";
    let part = format!("{head}{}", "y".repeat(900_000));
    let mut peers: Vec<Peer> = Vec::new();
    for _ in 0..hoarders {
        let mut peer = Peer::connect(server.address);
        // Who is refused may be refused in the middle.
        let _ = peer.try_send(&part);
        peers.push(peer);
    }
    // By then their share is full, or nearly so, and what comes behind it is refused.
    let begun = Instant::now();
    while server.metric("encke_memory_bytes") < 0.4 * MEMORY as f64 {
        assert!(begun.elapsed() < PATIENCE, "the bodies are not read");
    }
    let held = server.metric("encke_memory_bytes");
    assert!(held <= MEMORY as f64, "{held} bytes");
    assert_eq!(server.metric("encke_messages"), 100.0, "what others have published is still there");
    // Who publishes what is not large is served beside them, and who comes back gets everything.
    publish(server.address, "news", "last");
    let mut reader = Peer::ask(server.address, &get("/channels/news?mode=ndjson&since=0-0", ""));
    assert_eq!(reader.until("\"data\":\"last\"}\n").matches("\"data\":").count(), 101);
    tell(
        "hoarders",
        format_args!(
            "{hoarders} bodies of 900 kB begun, {held} bytes of {MEMORY} held, 100 of 100 messages kept"
        ),
    );
}
