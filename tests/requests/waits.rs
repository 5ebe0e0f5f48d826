//! Drips: whatever comes a byte at a time ends, wherever in a request the bytes belong, and is told 408 if it can be.
//!
//! Time is virtual, so an hour of dripping takes a moment.

use std::time::Duration;

use encke::testing::{OnEvent, Peer, Server};
use encke::{Ctx, Event, Limits, Read};

const SECOND: Duration = Duration::from_secs(1);

/// How long anything here may go on before the test gives up waiting for its end.
const PATIENCE: Duration = Duration::from_secs(24 * 3600);

const SIZED: &str = "POST /collect HTTP/1.1\r\nHost: a\r\nContent-Length: 1000000\r\n\r\n";
const CHUNKED: &str = "POST /collect HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n";

/// `/collect` wants its body whole, `/lend` piece by piece, `/stream` while it answers; everything else answers at once.
fn server() -> Server<OnEvent<impl FnMut(Event<'_>, &mut Ctx<'_, ()>)>> {
    let limits = Limits { comet_timeout: Duration::ZERO, ..Limits::default() };
    Server::new(
        OnEvent(|event, ctx: &mut Ctx<'_, ()>| match event {
            Event::Begin(head) => match head.path() {
                "/collect" => ctx.collect_body(1 << 20),
                "/lend" => {}
                "/stream" => drop(ctx.write(b"begun")),
                _ => drop(ctx.respond(200, &[], b"at once")),
            },
            Event::Read(Read::Done) => ctx.close(),
            _ => {}
        }),
        limits,
    )
}

/// Sends `front`, then what `drop` gives once each `pause`, until the connection closes: after how long it did, and what was heard.
#[track_caller]
fn drip(front: &str, pause: Duration, mut drop: impl FnMut(u64) -> String) -> (Duration, String) {
    let mut server = server();
    let peer = server.connect();
    server.send(peer, front);
    let begun = server.now().at;
    for number in 0.. {
        if !server.is_open(peer) {
            break;
        }
        let passed = server.now().at.since(begun);
        assert!(passed < PATIENCE, "it goes on for ever: {}", server.received(peer));
        server.send(peer, drop(number));
        server.advance(pause);
    }
    (server.now().at.since(begun), server.received(peer).into_owned())
}

/// That it ended about so soon, with 408 and a close.
#[track_caller]
fn is_cut((after, heard): &(Duration, String), most: Duration) {
    assert!(*after <= most, "it went on for {after:?}: {heard}");
    assert!(heard.starts_with("HTTP/1.1 408 ") && heard.contains("Connection: close\r\n"), "{heard}");
    assert_eq!(heard.matches("HTTP/1.1 ").count(), 1, "{heard}");
}

#[test]
fn a_head_at_one_byte_a_second_is_408() {
    let head = "GET /a-rather-long-target HTTP/1.1\r\nHost: a\r\n\r\n";
    let byte = |number: u64| head[number as usize..][..1].to_owned();
    is_cut(&drip("", SECOND, byte), 12 * SECOND);
}

#[test]
fn fields_without_end_are_408() {
    is_cut(&drip("GET / HTTP/1.1\r\nHost: a\r\n", SECOND, |_| "X: a\r\n".to_owned()), 12 * SECOND);
}

#[test]
fn a_body_at_one_byte_a_second_is_408() {
    is_cut(&drip(SIZED, SECOND, |_| "x".to_owned()), 33 * SECOND);
    is_cut(&drip(&SIZED.replace("/collect", "/lend"), SECOND, |_| "x".to_owned()), 33 * SECOND);
}

#[test]
fn chunks_of_one_byte_are_counted_without_their_framing() {
    // Seventy bytes a second on the wire, and five of them are the body.
    let drop = |_| "0000000001\r\nx\r\n".repeat(5);
    is_cut(&drip(CHUNKED, SECOND, drop), 36 * SECOND);
    let paid = |_| "8;a=bcdefg\r\n12345678\r\n".repeat(4);
    is_cut(&drip(CHUNKED, SECOND, paid), 70 * SECOND);
}

#[test]
fn a_chunk_size_an_extension_and_trailers_do_not_pay_for_time() {
    is_cut(&drip(CHUNKED, 5 * SECOND, |_| "0".to_owned()), 35 * SECOND);
    is_cut(&drip(&format!("{CHUNKED}5;a=\""), SECOND, |_| "b".repeat(20)), 33 * SECOND);
    is_cut(
        &drip(&format!("{CHUNKED}0\r\n"), SECOND, |_| "X: abcdefghijklmnopqrstuvwxyz\r\n".repeat(3)),
        33 * SECOND,
    );
}

#[test]
fn what_was_sent_fast_buys_no_right_to_drip() {
    let front = format!("{SIZED}{}", "x".repeat(500_000));
    is_cut(&drip(&front, SECOND, |_| "x".to_owned()), 33 * SECOND);
    // A burst now and then is another thing: it is a rate.
    let (_, heard) = drip(&front, 29 * SECOND, |_| "x".repeat(29 * 64));
    assert!(heard.starts_with("HTTP/1.1 200 "), "{heard}");
}

#[test]
fn a_body_that_keeps_to_the_rate_is_borne_to_its_end() {
    let mut server = server();
    let peer = server.connect();
    server.send(peer, "POST /collect HTTP/1.1\r\nHost: a\r\nContent-Length: 64000\r\n\r\n");
    for _ in 0..1000 {
        server.send(peer, "x".repeat(64));
        server.advance(SECOND);
    }
    assert!(server.received(peer).starts_with("HTTP/1.1 200 "), "{}", server.received(peer));
}

#[test]
fn a_body_that_nobody_wants_ends_as_soon() {
    let front = "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 200000\r\n\r\n";
    let (after, heard) = drip(front, SECOND, |_| "x".to_owned());
    assert!(after <= 33 * SECOND, "{after:?}");
    // Its answer is out, so there is nothing left to say.
    assert_eq!((heard.matches("HTTP/1.1 ").count(), heard.ends_with("at once")), (1, true), "{heard}");
}

#[test]
fn once_the_answer_streams_only_the_comet_timeout_governs_the_body() {
    let mut server = server();
    let peer = talks(&mut server, "/stream");
    assert!(server.is_open(peer), "{}", server.received(peer));
}

/// A peer that says a word now and then for a day.
fn talks(server: &mut Server<OnEvent<impl FnMut(Event<'_>, &mut Ctx<'_, ()>)>>, path: &str) -> Peer {
    let peer = server.connect();
    server.send(peer, CHUNKED.replace("/collect", path));
    for _ in 0..24 {
        server.advance(3600 * SECOND);
        server.send(peer, "2\r\nhi\r\n");
    }
    peer
}

#[test]
fn a_connection_that_sends_nothing_is_closed_without_a_word() {
    let mut server = server();
    let peer = server.connect();
    server.advance(11 * SECOND);
    assert_eq!((server.is_open(peer), &*server.received(peer)), (false, ""));
}

#[test]
fn a_rate_of_zero_bears_any_body_that_moves() {
    let limits = Limits { body_rate_min: 0, ..Limits::default() };
    let mut server = Server::new(OnEvent(|_, _: &mut Ctx<'_, ()>| {}), limits);
    let peer = server.connect();
    server.send(peer, SIZED);
    for _ in 0..3600 {
        server.send(peer, "x");
        server.advance(SECOND);
    }
    assert!(server.is_open(peer));
}
