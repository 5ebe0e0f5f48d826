//! The golden list through `encke serve`, over sockets: whole, byte by byte and cut at random places, and behind each line another
//! request. What the handler sees is `engine.rs`'s affair; here the answers are counted, and the last one has to be the other request's.

use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use crate::cases::{Case, Then, all};
use crate::dice::Dice;
use crate::heard::{answers, is_refusal, methods};
use crate::support::{PATIENCE, Server};

const NEXT: &[u8] = b"GET /healthz HTTP/1.1\r\nHost: next\r\nConnection: close\r\n\r\n";

/// Sends these pieces, each for itself, and reads to the end.
fn ask(address: SocketAddr, pieces: &[&[u8]]) -> std::io::Result<Vec<u8>> {
    let mut stream = TcpStream::connect(address)?;
    stream.set_nodelay(true)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    for piece in pieces {
        stream.write_all(piece)?;
    }
    let mut heard = Vec::new();
    stream.read_to_end(&mut heard)?;
    Ok(heard)
}

#[track_caller]
fn check(address: SocketAddr, case: &Case, pieces: &[&[u8]], how: &str) {
    let shown = format!("line {}, {how}: {}", case.line, case.wire.escape_ascii());
    let wire = ask(address, pieces).unwrap_or_else(|error| panic!("{error}: {shown}"));
    let methods = methods(case);
    let heard = answers(&wire, &methods, true).unwrap_or_else(|error| panic!("{error}: {shown}"));
    let shown = format!("{shown}\n{}", String::from_utf8_lossy(&wire));
    let (served, rest) = heard.split_at(case.served.len().min(heard.len()));
    assert_eq!(served.len(), case.served.len(), "{shown}");
    match (&case.then, rest) {
        (Then::Closes, []) => {}
        (Then::GoesOn, [(200, body)]) if body == "ok\n" => {}
        (Then::Refuses(status, sentence), [answer]) => {
            is_refusal(answer, *status, sentence, methods.get(served.len()), &shown);
        }
        _ => panic!("{shown}"),
    }
}

#[test]
fn every_line_of_the_list_is_answered_over_a_socket_and_nothing_is_smuggled() {
    let server = Server::start(&["--max-head", "1KiB", "--max-body", "1KiB", "--quiet"]);
    for case in all() {
        let wire = [&case.wire[..], NEXT].concat();
        check(server.address, &case, &[&wire], "whole");
        check(server.address, &case, &wire.chunks(1).collect::<Vec<_>>(), "byte by byte");
        let mut dice = Dice::new(case.line as u64);
        check(server.address, &case, &dice.cut(&wire), "cut");
    }
}

/// Sends `front`, and a byte more whenever a moment has passed in which nothing was heard: all that is heard until the end.
#[track_caller]
fn drip(address: SocketAddr, front: &str, bytes: &[u8]) -> String {
    let mut stream = TcpStream::connect(address).expect("somebody listens");
    stream.set_read_timeout(Some(Duration::from_millis(20))).expect("a timeout can be set");
    stream.write_all(front.as_bytes()).expect("the server reads");
    let (begun, mut heard, mut buffer) = (Instant::now(), Vec::new(), [0; 4096]);
    let mut bytes = bytes.chunks(1).cycle();
    loop {
        assert!(begun.elapsed() < PATIENCE, "no end: {}", String::from_utf8_lossy(&heard));
        match stream.read(&mut buffer) {
            Ok(0) => return String::from_utf8_lossy(&heard).into_owned(),
            Ok(count) => heard.extend_from_slice(&buffer[..count]),
            Err(error) => {
                assert_eq!(error.kind(), ErrorKind::WouldBlock, "{}", String::from_utf8_lossy(&heard));
                let _ = stream.write_all(bytes.next().expect("it begins again"));
            }
        }
    }
}

#[test]
fn the_flags_end_what_drips() {
    let post = |framing: &str| format!("POST /channels/a HTTP/1.1\r\nHost: a\r\n{framing}\r\n\r\n");
    let server =
        Server::start(&["--head-timeout", "200ms", "--body-timeout", "200ms", "--body-rate", "1KiB"]);
    for (front, bytes) in [
        ("GET / HTTP/1.1\r\nX: ".to_owned(), "x"),
        (post("Content-Length: 100"), "x"),
        (post("Transfer-Encoding: chunked"), "1\r\nx\r\n"),
        (post("Transfer-Encoding: chunked") + "0\r\nX: ", "x"),
    ] {
        let heard = drip(server.address, &front, bytes.as_bytes());
        assert!(
            heard.starts_with("HTTP/1.1 408 ") && heard.contains("\r\nConnection: close\r\n"),
            "{front}{heard}"
        );
    }
}
