//! The golden list through `encke serve`, over sockets: whole, byte by byte and cut at random places, and behind each line another
//! request. What the handler sees is `engine.rs`'s affair; here the answers are counted, and the last one has to be the other request's.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};

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
