//! The peer's end, wherever in a request it comes: what was complete is answered, what was not is told so once, and nothing else is said.

use encke::testing::{self, OnEvent, Peer, Server};
use encke::{Ctx, Event, Read};

/// Answers every request when its body has come.
fn server() -> Server<OnEvent<impl FnMut(Event<'_>, &mut Ctx<'_, ()>)>> {
    testing::serve(|event, ctx| {
        if let Event::Read(Read::Done) = event {
            let _ = ctx.respond(200, &[], b"served");
        }
    })
}

/// What is heard of these bytes and the end behind them; the connection has to be closed by then.
#[track_caller]
fn heard(wire: &[u8]) -> String {
    let whole = ended(&[wire]);
    assert_eq!(ended(&wire.chunks(1).collect::<Vec<_>>()), whole, "byte by byte: {}", wire.escape_ascii());
    whole
}

#[track_caller]
fn ended(pieces: &[&[u8]]) -> String {
    let mut server = server();
    let peer: Peer = server.connect();
    pieces.iter().for_each(|piece| server.send(peer, piece));
    server.half_close(peer);
    assert!(!server.is_open(peer), "{}", pieces.concat().escape_ascii());
    server.received(peer).into_owned()
}

const GET: &str = "GET / HTTP/1.1\r\nHost: a\r\n\r\n";

#[test]
fn an_end_between_requests_is_no_mistake() {
    assert_eq!(heard(b""), "");
    let answers = heard(GET.as_bytes());
    assert!(answers.starts_with("HTTP/1.1 200 ") && answers.ends_with("served"), "{answers}");
    assert_eq!(heard(GET.repeat(3).as_bytes()), answers.repeat(3));
}

#[test]
fn a_blank_line_before_the_end_is_no_request() {
    let answer = heard(GET.as_bytes());
    for blank in ["\r\n", "\r\n\r\n", "\r"] {
        assert_eq!(heard(blank.as_bytes()), "", "{blank:?}");
        assert_eq!(heard(format!("{GET}{blank}").as_bytes()), answer, "{blank:?}");
    }
}

#[test]
fn an_end_within_a_head_or_a_body_is_told_once() {
    for wire in [
        "G",
        "GET / HTTP/1.1\r\n",
        "GET / HTTP/1.1\r\nHost: a\r\n\r",
        "\r\nGET",
        "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhell",
        "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n",
        "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n",
    ] {
        let answer = heard(wire.as_bytes());
        assert!(answer.starts_with("HTTP/1.1 400 ") && answer.contains("Connection: close\r\n"), "{wire:?}");
        assert_eq!(answer.matches("HTTP/1.1 ").count(), 1, "{wire:?}: {answer}");
        let behind = heard(format!("{GET}{wire}").as_bytes());
        assert!(behind.ends_with(&answer) && behind.matches("HTTP/1.1 ").count() == 2, "{wire:?}: {behind}");
    }
}

#[test]
fn a_blank_line_that_nothing_follows_ends_without_a_word_too() {
    let mut server = server();
    let peer = server.connect();
    server.send(peer, format!("{GET}\r\n"));
    let answer = server.received(peer).into_owned();
    server.advance(std::time::Duration::from_secs(100));
    assert_eq!((server.is_open(peer), &*server.received(peer)), (false, &*answer));
}
