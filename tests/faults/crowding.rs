//! Too many: one address that wants all connections there are, and a table that is full.
//!
//! A bound for each address (`--max-connections-per-ip`) keeps a party from filling the table. When it is full all the same, whoever only
//! waits gives way, the oldest first; and where nobody only waits, the newcomer is told so and when to try again.

use std::net::Ipv4Addr;
use std::time::Instant;

use crate::siege::attackers_address;
use crate::support::{PATIENCE, Peer, Server, get};
use crate::visitor::HEALTHY;
use crate::{Form, alone, tell};

/// What became of somebody who asked for a stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fate {
    Served,
    /// Told 503, with the time after which to try again.
    Told,
    /// Closed without a word.
    Closed,
}

/// Reads the head of an answer, if there is one.
fn fate(peer: &mut Peer) -> Fate {
    let head = match peer.try_until("\r\n\r\n") {
        Ok(Some(head)) => head,
        Ok(None) => return Fate::Closed,
        Err(error) if error.kind() == std::io::ErrorKind::ConnectionReset => return Fate::Closed,
        Err(error) => panic!("neither an answer nor an end: {error}"),
    };
    match head.split(' ').nth(1) {
        Some("200") => Fate::Served,
        Some("503") => {
            assert!(head.contains("\r\nRetry-After: 2\r\n"), "{head}");
            Fate::Told
        }
        _ => panic!("{head}"),
    }
}

/// Asks for a stream.
fn ask(source: Ipv4Addr, server: &Server) -> Peer {
    let mut peer = Peer::connect_from(source, server.address);
    // One that is closed without a word may be closed before it has asked.
    let _ = peer.try_send(&get("/channels/news?mode=sse", ""));
    peer
}

#[test]
fn one_address_gets_its_share_of_the_table_and_no_more() {
    let _alone = alone();
    let form = Form::of_this_run();
    let (addresses, each, share) = (form.pick(4, 20), form.pick(50, 200), form.pick(10, 40));
    // Besides the attackers' shares, and the eighth in which they are told that they are too many, there is room for others.
    let table = 2 * addresses * share;
    let server = Server::start(&[
        "--max-connections",
        &table.to_string(),
        "--max-connections-per-ip",
        &share.to_string(),
    ]);
    let mut attackers = Vec::new();
    let mut fates = Vec::new();
    for number in 0..addresses {
        // All of one address at once: who is too many is told within a bound, and beyond it closed.
        let mut peers: Vec<Peer> = (0..each).map(|_| ask(attackers_address(number), &server)).collect();
        fates.extend(peers.iter_mut().map(fate));
        attackers.push(peers);
    }
    let count = |wanted| fates.iter().filter(|fate| **fate == wanted).count();
    let (served, told, closed) = (count(Fate::Served), count(Fate::Told), count(Fate::Closed));
    assert_eq!(served, addresses * share, "each address has its share");
    assert!(told > 0, "some are told why");
    // Whoever comes from elsewhere finds a place.
    let begun = Instant::now();
    let mut healthy: Vec<Peer> = (0..share / 2).map(|_| ask(HEALTHY, &server)).collect();
    assert!(healthy.iter_mut().all(|peer| fate(peer) == Fate::Served));
    let took = begun.elapsed();
    // And so does an attacker's address, when one of its own has gone.
    drop(attackers[0].remove(0));
    server.until_metric("encke_subscribers", (served + healthy.len() - 1) as f64);
    assert_eq!(fate(&mut ask(attackers_address(0), &server)), Fate::Served, "its place is free again");
    tell(
        "one address",
        format_args!(
            "{addresses} addresses with {each} connections each and a share of {share}: {served} served, {told} told 503, \
             {closed} closed; {} healthy served in {took:?}",
            healthy.len()
        ),
    );
}

#[test]
fn a_full_table_lets_newcomers_in_for_those_who_only_wait_and_tells_the_rest_when_to_try_again() {
    let _alone = alone();
    let form = Form::of_this_run();
    let table = form.pick(100, 2_000);
    let server = Server::start(&["--max-connections", &table.to_string()]);
    // Four in ten stream; the others have been answered once, or have sent half a head.
    let mut streams: Vec<Peer> = (0..table * 4 / 10).map(|_| ask(HEALTHY, &server)).collect();
    assert!(streams.iter_mut().all(|peer| fate(peer) == Fate::Served));
    let waiting = table - streams.len();
    let mut idle = Vec::new();
    for number in 0..waiting {
        let mut peer = Peer::connect_from(attackers_address(number % 8), server.address);
        match number % 2 {
            0 => peer.send("GET /healthz HTTP/1.1\r\nHost: encke.te"),
            _ => {
                peer.send(&get("/healthz", ""));
                peer.until("ok\n");
            }
        }
        idle.push(peer);
    }
    // Newcomers take the places of all who only wait.
    let begun = Instant::now();
    for _ in 0..waiting {
        let mut newcomer = ask(HEALTHY, &server);
        assert_eq!(fate(&mut newcomer), Fate::Served);
        streams.push(newcomer);
    }
    let took = begun.elapsed();
    // From now on there is nobody who only waits: newcomers are told.
    let mut told = 0;
    for _ in 0..50 {
        told += usize::from(fate(&mut ask(HEALTHY, &server)) == Fate::Told);
    }
    assert_eq!(told, 50, "a newcomer to a full table is told so");
    // None who streams has lost its place, and one that leaves makes room.
    drop(streams.pop());
    let left = Instant::now();
    let mut newcomer = loop {
        let mut newcomer = Peer::connect_from(HEALTHY, server.address);
        newcomer.send(&get("/channels/news?mode=info", ""));
        if fate(&mut newcomer) == Fate::Served {
            break newcomer;
        }
        assert!(left.elapsed() < PATIENCE, "a place that is free is not given");
    };
    let info = newcomer.until("}");
    assert!(info.contains(&format!("\"subscribers\":{}", table - 1)), "{info}");
    tell(
        "full table",
        format_args!(
            "{table} places: {waiting} who only waited gave way to newcomers in {took:?}, {told} of 50 told 503"
        ),
    );
}
