//! What broke in other push servers and is nobody else's test: the instant in which history becomes live, and the heads that keep
//! proxies from holding streams back.

use crate::support::{Peer, Server, get, id_of, publish};

const MESSAGES: usize = 300;
const SUBSCRIBERS: usize = 40;

#[test]
fn who_comes_while_messages_are_published_gets_each_of_them_once() {
    let server = Server::start(&[]);
    let first = id_of(&publish(server.address, "a", "0"));
    let address = server.address;
    let publisher = std::thread::spawn(move || {
        for number in 1..=MESSAGES {
            publish(address, "a", &number.to_string());
        }
    });
    // Each begins where the first message was, so that what is held and what comes has to be joined somewhere in between.
    let subscribe = |_| {
        let fields = format!("Last-Event-ID: {first}\r\n");
        let mut peer = Peer::ask(address, &get("/channels/a?mode=ndjson", &fields));
        peer.until("\r\n\r\n");
        peer
    };
    let peers: Vec<Peer> = (0..SUBSCRIBERS).map(subscribe).collect();
    publisher.join().expect("every message is taken");
    for mut peer in peers {
        let heard = peer.until(&format!("\"data\":\"{MESSAGES}\"}}"));
        let numbers: Vec<&str> =
            heard.split("\"data\":\"").skip(1).filter_map(|rest| rest.split('"').next()).collect();
        let expected: Vec<String> = (1..=MESSAGES).map(|number| number.to_string()).collect();
        assert_eq!(numbers, expected);
    }
}

#[test]
fn every_stream_tells_proxies_not_to_hold_it_back() {
    let server = Server::start(&[]);
    for mode in ["sse", "stream", "ndjson", "iframe&callback=f"] {
        let mut peer = Peer::ask(server.address, &get(&format!("/channels/a?mode={mode}"), ""));
        let head = peer.until("\r\n\r\n");
        for field in [
            "Cache-Control: no-store",
            "X-Accel-Buffering: no",
            "Incremental: ?1",
            "X-Content-Type-Options: nosniff",
        ] {
            assert!(head.contains(&format!("\r\n{field}\r\n")), "{mode}: no {field} in {head}");
        }
    }
}
