//! Listeners and connections that somebody else has opened.

use std::io::ErrorKind;
use std::net::TcpListener;
use std::os::unix::net::{UnixListener, UnixStream};

use encke::engine::ALREADY_READ_MAX;
use encke::{Address, Limits, Reactor};

use crate::support::{Folder, Peer, get};
use crate::{Actor, Host};

/// A connection as two programs have it: the peer, and what the one that accepts has in hand.
enum Accepted {
    Tcp(std::net::TcpStream),
    Unix(UnixStream),
}

impl Accepted {
    /// One of each kind.
    fn pairs() -> [(Peer, Accepted); 2] {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let peer = Peer::connect(listener.local_addr().expect("a port"));
        let (stream, _) = listener.accept().expect("somebody waits");
        let (ours, theirs) = UnixStream::pair().expect("descriptors are left");
        [(peer, Accepted::Tcp(stream)), (Peer::on_unix(theirs), Accepted::Unix(ours))]
    }

    fn adopted_by(self, host: &mut Host, already_read: &[u8]) -> std::io::Result<encke::ConnectionId> {
        match self {
            Accepted::Tcp(stream) => host.reactor.adopt(stream, already_read),
            Accepted::Unix(stream) => host.reactor.adopt_unix(stream, already_read),
        }
    }
}

#[test]
fn a_connection_of_which_nothing_was_read_is_served() {
    for (mut peer, accepted) in Accepted::pairs() {
        let mut host = Host::new();
        peer.send(&get("/", "Connection: close\r\n"));
        accepted.adopted_by(&mut host, b"").expect("there is room");
        assert!(host.during(|| peer.drain().expect("a clean end")).ends_with("ok\n"));
        drop(peer);
        host.until(|host| host.connections() == 0);
    }
}

#[test]
fn a_connection_is_served_wherever_the_reading_of_others_has_stopped() {
    let requests = format!(
        "{}POST /b HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello{}",
        get("/a", ""),
        get("/c", "Connection: close\r\n")
    );
    for cut in [1, 3, 20, requests.len() / 2, requests.len() - 1, requests.len()] {
        for (mut peer, accepted) in Accepted::pairs() {
            let mut host = Host::new();
            accepted.adopted_by(&mut host, &requests.as_bytes()[..cut]).expect("there is room");
            host.settle();
            peer.send(&requests[cut..]);
            let answers = host.during(|| peer.drain().expect("a clean end"));
            assert_eq!(answers.matches("\r\n\r\nok\n").count(), 3, "cut at {cut}: {answers}");
            let begun: Vec<String> =
                host.notes.borrow().events.iter().filter(|told| told.starts_with("Begin")).cloned().collect();
            assert_eq!(begun, ["Begin /a", "Begin /b", "Begin /c"], "cut at {cut}");
        }
    }
}

#[test]
fn as_much_may_have_been_read_as_is_said_and_not_a_byte_more() {
    let head = format!(
        "POST / HTTP/1.1\r\nHost: a\r\nConnection: close\r\nContent-Length: {ALREADY_READ_MAX}\r\n\r\n"
    );
    let whole = head.clone() + &"x".repeat(ALREADY_READ_MAX);
    let (read, rest) = whole.split_at(ALREADY_READ_MAX);
    for (mut peer, accepted) in Accepted::pairs() {
        let mut host = Host::new();
        accepted.adopted_by(&mut host, read.as_bytes()).expect("so much is taken");
        let answer = host.during(|| {
            peer.send(rest);
            peer.drain().expect("a clean end")
        });
        assert!(answer.ends_with("ok\n"), "{answer}");
    }
    for (mut peer, accepted) in Accepted::pairs() {
        let mut host = Host::new();
        let refused = accepted.adopted_by(&mut host, &whole.as_bytes()[..=ALREADY_READ_MAX]);
        assert_eq!(refused.expect_err("too much").kind(), ErrorKind::InvalidInput);
        assert_eq!((peer.drain().expect("it is closed"), host.connections()), (String::new(), 0));
    }
}

#[test]
fn what_was_read_already_is_held_to_the_same_bounds() {
    for (mut peer, accepted) in Accepted::pairs() {
        let mut host = Host::new();
        let endless = "GET / HTTP/1.1\r\nX: ".to_owned() + &"x".repeat(ALREADY_READ_MAX - 20);
        accepted.adopted_by(&mut host, endless.as_bytes()).expect("there is room");
        let answer = host.during(|| peer.drain().expect("a clean end"));
        assert!(answer.starts_with("HTTP/1.1 431 "), "{answer}");
    }
}

#[test]
fn when_the_table_is_full_the_idle_give_way_the_next_are_told_and_the_rest_are_closed() {
    let mut host = Host::with(Limits { connections_max: 1, ..Limits::default() });
    let mut idle = host.ask(&get("/", ""));
    host.until_event("End(Closed)");
    idle.until("ok\n");
    let [(mut peer, accepted), (mut second, other)] = Accepted::pairs();
    accepted.adopted_by(&mut host, get("/stream", "").as_bytes()).expect("the idle one gives way");
    host.until_event("Begin /stream");
    assert_eq!(host.during(|| idle.drain().expect("a clean end")), "");
    peer.until("\r\n\r\n");

    other.adopted_by(&mut host, get("/b", "").as_bytes()).expect("there is a reserve to say so");
    let answer = host.during(|| second.drain().expect("a clean end"));
    assert!(answer.starts_with("HTTP/1.1 503 ") && answer.contains("Retry-After: "), "{answer}");
    assert!(!host.notes.borrow().events.contains(&"Begin /b".to_owned()), "what it had asked is not served");

    // The reserve has its bound too. Those who hold it never read, so it stays full.
    let mut held = Vec::new();
    let refused = loop {
        let [(peer, accepted), _] = Accepted::pairs();
        held.push(peer);
        match accepted.adopted_by(&mut host, b"") {
            Ok(_) => assert!(held.len() < 1000, "there is no bound"),
            Err(error) => break error,
        }
    };
    assert_eq!(refused.kind(), ErrorKind::ConnectionRefused);
    let mut last = held.pop().expect("it was refused");
    assert_eq!(last.drain().expect("it is closed"), "");
    assert_eq!(
        host.connections(),
        1 + 1 + held.len(),
        "the stream, the one that was told, and those who hold the rest"
    );
}

#[test]
fn during_a_shutdown_the_adopted_are_told() {
    for (mut peer, accepted) in Accepted::pairs() {
        let mut host = Host::new();
        host.reactor.shutdown();
        accepted.adopted_by(&mut host, get("/", "").as_bytes()).expect("there is room to say so");
        let answer = host.during(|| peer.drain().expect("a clean end"));
        assert!(answer.starts_with("HTTP/1.1 503 "), "{answer}");
        drop(peer);
        host.until(|host| host.reactor.is_finished());
    }
}

#[test]
fn a_peer_that_has_left_before_costs_nothing() {
    for (peer, accepted) in Accepted::pairs() {
        let mut host = Host::with(Limits { connections_per_address_max: 1, ..Limits::default() });
        drop(peer);
        accepted.adopted_by(&mut host, get("/stream", "").as_bytes()).expect("there is room");
        host.until(|host| host.connections() == 0);
        let events = &host.notes.borrow().events;
        assert_eq!(events.first().map(String::as_str), Some("Begin /stream"));
        assert_eq!(events[events.len() - 2..], ["Error(Disconnected)", "End(Failed)"]);
    }
}

#[test]
fn a_listener_that_is_open_already_is_taken_over_with_those_who_wait_at_it() {
    let [first, second] = [(); 2].map(|()| TcpListener::bind("127.0.0.1:0").expect("a free port"));
    let addresses = [&first, &second].map(|listener| listener.local_addr().expect("a port"));
    // They came before anybody knew of Encke.
    let mut peers = addresses.map(|address| Peer::ask(address, &get("/", "Connection: close\r\n")));
    let notes = std::rc::Rc::default();
    let actor = Actor(std::rc::Rc::clone(&notes));
    let mut reactor = Reactor::from_listener(first, actor, Limits::default()).expect("a poll");
    reactor.add_listener(second).expect("it can be watched");
    assert_eq!(reactor.addresses(), addresses.map(Address::Tcp));
    assert_eq!(reactor.local_addr(), Some(addresses[0]));
    let mut host = Host { reactor, notes };
    for peer in &mut peers {
        assert!(host.during(|| peer.drain().expect("a clean end")).ends_with("ok\n"));
    }
    // And those who come later are served too.
    for address in addresses {
        let mut peer = Peer::ask(address, &get("/", "Connection: close\r\n"));
        assert!(host.during(|| peer.drain().expect("a clean end")).ends_with("ok\n"));
    }
}

#[test]
fn a_listener_at_a_path_is_taken_over_and_its_path_is_left_to_whoever_has_bound_it() {
    let folder = Folder::new("adopting");
    let path = folder.path("socket");
    let listener = UnixListener::bind(&path).expect("a path of our own");
    let mut early = Peer::connect_unix(&path);
    early.send(&get("/", "Connection: close\r\n"));
    let mut host = Host::new();
    host.reactor.add_unix_listener(listener).expect("it can be watched");
    assert_eq!(host.reactor.addresses().last(), Some(&Address::Unix(path.clone())));
    let mut late = Peer::connect_unix(&path);
    late.send(&get("/", "Connection: close\r\n"));
    for peer in [&mut early, &mut late] {
        assert!(host.during(|| peer.drain().expect("a clean end")).ends_with("ok\n"));
    }
    drop(host);
    assert!(path.exists() && UnixStream::connect(&path).is_err(), "closed, and not unlinked");
}
