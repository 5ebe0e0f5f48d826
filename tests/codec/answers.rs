//! What the server writes, the peer's reader reads; and what that reader refuses, so that it is worth something as a
//! judge.

use encke::WriteError;
use encke::http::peer::{PeerError, Piece, ResponseHead, ResponseReader};
use encke::http::{
    AnswerFraming, Persistence, Version, check_fields, check_switch, chunked, write_continue, write_date,
    write_head, write_switch,
};

/// Everything that was read of some bytes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Answers {
    informational: Vec<u16>,
    heads: Vec<ResponseHead>,
    bodies: Vec<Vec<u8>>,
    complete: usize,
    error: Option<PeerError>,
}

fn read_pieces<'a>(methods: &[&str], pieces: impl IntoIterator<Item = &'a [u8]>, ends: Ends) -> Answers {
    let mut reader = ResponseReader::new();
    let mut answers = Answers::default();
    methods.iter().for_each(|method| reader.expect(method));
    for mut input in pieces {
        loop {
            let (consumed, piece) = match reader.read(input) {
                Ok(read) => read,
                Err(error) => {
                    answers.error = Some(error);
                    return answers;
                }
            };
            input = &input[consumed..];
            if !note(&mut answers, piece) {
                assert!(input.is_empty(), "all of the input is consumed");
                break;
            }
        }
    }
    if ends == Ends::Closed {
        match reader.end_of_input() {
            Ok(piece) => drop(note(&mut answers, piece)),
            Err(error) => answers.error = Some(error),
        }
    }
    answers
}

/// Notes a piece down; whether there may be another.
fn note(answers: &mut Answers, piece: Piece<'_>) -> bool {
    match piece {
        Piece::Informational(head) => answers.informational.push(head.status),
        Piece::Head(head) => {
            answers.heads.push(head);
            answers.bodies.push(Vec::new());
        }
        Piece::Data(data) => {
            assert!(!data.is_empty(), "data is never empty, or its reader would never end");
            answers.bodies.last_mut().expect("a head came").extend_from_slice(data);
        }
        Piece::Done => answers.complete += 1,
        Piece::More => return false,
    }
    true
}

/// What becomes of the connection behind the bytes.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Ends {
    Open,
    Closed,
}

/// Reads `wire` however it may be cut.
#[track_caller]
fn read(methods: &[&str], wire: &[u8], ends: Ends) -> Answers {
    let whole = read_pieces(methods, [wire], ends);
    assert_eq!(read_pieces(methods, wire.chunks(1), ends), whole, "byte by byte: {}", wire.escape_ascii());
    for at in 0..=wire.len() {
        let (front, back) = wire.split_at(at);
        assert_eq!(read_pieces(methods, [front, back], ends), whole, "cut at {at}: {}", wire.escape_ascii());
    }
    whole
}

fn date() -> [u8; 29] {
    write_date(784_111_777)
}

#[test]
fn a_head_reads_line_by_line() {
    let mut wire = Vec::new();
    let fields = [("Content-Type", "text/plain"), ("X-Note", "caf\u{e9}\tau lait")];
    write_head(
        &mut wire,
        Version::Http11,
        200,
        &fields,
        AnswerFraming::Length(5),
        Persistence::Close,
        &date(),
    );
    let text = "HTTP/1.1 200 OK\r\nDate: Sun, 06 Nov 1994 08:49:37 GMT\r\nContent-Type: text/plain\r\n\
                X-Note: caf\u{e9}\tau lait\r\nContent-Length: 5\r\nConnection: close\r\n\r\n";
    assert_eq!(String::from_utf8_lossy(&wire), text);
}

#[test]
fn every_framing_and_persistence_comes_out_as_it_went_in() {
    let fields = [("X-Test", "a")];
    for peer in [Version::Http10, Version::Http11] {
        for persistence in [Persistence::KeepAlive, Persistence::Close] {
            for framing in [AnswerFraming::Length(5), AnswerFraming::Chunked, AnswerFraming::UntilClose] {
                if peer == Version::Http10 && framing == AnswerFraming::Chunked {
                    continue;
                }
                let mut wire = Vec::new();
                write_head(&mut wire, peer, 404, &fields, framing, persistence, &date());
                match framing {
                    AnswerFraming::Chunked => {
                        chunked::encode(&mut wire, b"he");
                        chunked::encode(&mut wire, b"");
                        chunked::encode(&mut wire, b"llo");
                        wire.extend_from_slice(chunked::LAST);
                    }
                    _ => wire.extend_from_slice(b"hello"),
                }
                let ends = if framing == AnswerFraming::UntilClose { Ends::Closed } else { Ends::Open };
                let answers = read(&["GET"], &wire, ends);
                assert_eq!((answers.error, answers.complete), (None, 1));
                assert_eq!((answers.heads[0].status, &answers.bodies[0][..]), (404, &b"hello"[..]));
                assert_eq!(answers.heads[0].field("x-test"), Some(&b"a"[..]));
                let goes_on = persistence == Persistence::KeepAlive && framing != AnswerFraming::UntilClose;
                let said = answers.heads[0].field("Connection");
                assert_eq!(
                    said,
                    match (goes_on, peer) {
                        (false, _) => Some(&b"close"[..]),
                        (true, Version::Http10) => Some(&b"keep-alive"[..]),
                        (true, Version::Http11) => None,
                    }
                );
                assert_eq!(answers.heads[0].keeps_alive(), goes_on);
            }
        }
    }
}

#[test]
fn answers_without_a_body_are_complete_with_their_head() {
    for (method, status, framing) in [
        ("GET", 204, AnswerFraming::Empty),
        ("GET", 304, AnswerFraming::Empty),
        ("HEAD", 200, AnswerFraming::Length(5)),
        ("HEAD", 200, AnswerFraming::Chunked),
        ("HEAD", 204, AnswerFraming::Empty),
        ("GET", 200, AnswerFraming::Length(0)),
        ("GET", 205, AnswerFraming::Length(0)),
    ] {
        let mut wire = Vec::new();
        write_head(&mut wire, Version::Http11, status, &[], framing, Persistence::KeepAlive, &date());
        write_head(
            &mut wire,
            Version::Http11,
            200,
            &[],
            AnswerFraming::Length(4),
            Persistence::KeepAlive,
            &date(),
        );
        wire.extend_from_slice(b"next");
        let answers = read(&[method, "GET"], &wire, Ends::Closed);
        assert_eq!((answers.error, answers.complete), (None, 2), "{method} {status} {framing:?}");
        assert_eq!(answers.bodies, [&b""[..], b"next"]);
    }
}

#[test]
fn a_continue_comes_before_the_answer_and_is_none() {
    let mut wire = Vec::new();
    write_continue(&mut wire);
    assert_eq!(wire, b"HTTP/1.1 100 Continue\r\n\r\n");
    write_head(&mut wire, Version::Http11, 204, &[], AnswerFraming::Empty, Persistence::KeepAlive, &date());
    let answers = read(&["POST"], &wire, Ends::Closed);
    assert_eq!((&answers.informational[..], answers.complete, answers.error), (&[100][..], 1, None));
}

#[test]
fn a_switch_makes_the_rest_raw() {
    let mut wire = Vec::new();
    assert_eq!(check_switch("websocket", &[("Sec-WebSocket-Accept", "a=")]), Ok(()));
    write_switch(&mut wire, "websocket", &[("Sec-WebSocket-Accept", "a=")], &date());
    wire.extend_from_slice(b"HTTP/1.1 raw\r\n\r\n\0");
    let answers = read(&["GET"], &wire, Ends::Closed);
    assert_eq!((answers.heads[0].status, answers.complete, answers.error), (101, 1, None));
    assert_eq!(answers.heads[0].field("connection"), Some(&b"upgrade"[..]));
    assert_eq!(answers.heads[0].field("upgrade"), Some(&b"websocket"[..]));
    assert_eq!(answers.bodies[0], b"HTTP/1.1 raw\r\n\r\n\0");
}

#[test]
fn an_offered_upgrade_is_announced() {
    for (persistence, said) in
        [(Persistence::KeepAlive, &b"upgrade"[..]), (Persistence::Close, b"close, upgrade")]
    {
        let mut wire = Vec::new();
        let fields = [("upgrade", "websocket")];
        write_head(&mut wire, Version::Http11, 426, &fields, AnswerFraming::Length(0), persistence, &date());
        assert_eq!(read(&["GET"], &wire, Ends::Open).heads[0].field("Connection"), Some(said));
    }
}

#[test]
fn an_answer_that_breaks_off_never_looks_complete() {
    let mut chunks = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n".to_vec();
    chunked::encode(&mut chunks, b"hello");
    chunks.extend_from_slice(chunked::LAST);
    let sized = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello".to_vec();
    for wire in [chunks, sized] {
        assert_eq!(read(&["GET"], &wire, Ends::Closed).error, None);
        for end in 1..wire.len() {
            let answers = read_pieces(&["GET"], [&wire[..end]], Ends::Closed);
            assert_eq!((answers.error, answers.complete), (Some(PeerError::Truncated), 0), "cut at {end}");
        }
        assert_eq!(read(&["GET"], b"", Ends::Closed).error, Some(PeerError::Unanswered));
        assert_eq!(read(&["GET", "GET"], &wire, Ends::Closed).error, Some(PeerError::Unanswered));
    }
}

#[test]
fn answers_that_could_mean_two_things_are_refused() {
    for (method, wire) in [
        ("GET", &b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n"[..]),
        ("HEAD", b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n"),
        ("GET", b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 5\r\n\r\n"),
        ("GET", b"HTTP/1.1 200 OK\r\nContent-Length: +5\r\n\r\n"),
        ("GET", b"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n"),
        ("GET", b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n"),
        ("GET", b"HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"),
        ("GET", b"HTTP/1.1 204 No Content\r\nContent-Length: 0\r\n\r\n"),
        ("GET", b"HTTP/1.1 204 No Content\r\nTransfer-Encoding: chunked\r\n\r\n"),
        ("GET", b"HTTP/1.1 100 Continue\r\nContent-Length: 0\r\n\r\n"),
        ("GET", b"HTTP/1.1 101 Switching Protocols\r\nTransfer-Encoding: chunked\r\n\r\n"),
        ("GET", b"HTTP/1.1 200\r\nContent-Length: 0\r\n\r\n"),
        ("GET", b"HTTP/1.1 20 OK\r\n\r\n"),
        ("GET", b"HTTP/1.1 2000 OK\r\n\r\n"),
        ("GET", b"HTTP/1.1 099 OK\r\n\r\n"),
        ("GET", b"HTTP/1.1  200 OK\r\n\r\n"),
        ("GET", b"HTTP/1.2 200 OK\r\n\r\n"),
        ("GET", b"HTTP/2.0 200 OK\r\n\r\n"),
        ("GET", b"http/1.1 200 OK\r\n\r\n"),
        ("GET", b"\r\nHTTP/1.1 200 OK\r\n\r\n"),
        // Refused at once, and not only when a head would be complete.
        ("GET", b"\r\n"),
        ("GET", b"x"),
        ("GET", b"HTTP/1.1 200 OK\nContent-Length: 0\r\n\r\n"),
        ("GET", b"HTTP/1.1 200 OK\r\nX : a\r\n\r\n"),
        ("GET", b"HTTP/1.1 200 OK\r\nX: a\n\r\n"),
        ("GET", b"HTTP/1.1 200 OK\r\nX: a\r\n b\r\n\r\n"),
        ("GET", b"HTTP/1.1 200 OK\r\nX: \0\r\n\r\n"),
        ("GET", b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\nhello\r\n0\r\n\r\n"),
        ("GET", b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello0\r\n\r\n"),
    ] {
        let error = read(&[method], wire, Ends::Open).error;
        assert!(matches!(error, Some(PeerError::Malformed(_))), "{error:?}: {}", wire.escape_ascii());
    }
}

#[test]
fn an_answer_that_nobody_asked_for_is_refused() {
    let wire = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n";
    assert_eq!(read(&[], wire, Ends::Open).error, Some(PeerError::Unasked));
    let answers = read(&["GET"], &[&wire[..], b"x"].concat(), Ends::Open);
    assert_eq!((answers.complete, answers.error), (1, Some(PeerError::Unasked)));
}

#[test]
fn fields_that_would_forge_a_line_or_a_framing_are_refused() {
    for (status, name, value) in [
        (199, "X", "a"),
        (100, "X", "a"),
        (101, "X", "a"),
        (600, "X", "a"),
        (0, "X", "a"),
        (200, "", "a"),
        (200, "X ", "a"),
        (200, "X:", "a"),
        (200, "X\r\nY", "a"),
        (200, "\u{e9}", "a"),
        (200, "X", "a\r\nY: b"),
        (200, "X", "a\n"),
        (200, "X", "a\r"),
        (200, "X", "\0"),
        (200, "X", "\u{7f}"),
        (200, "X", "\u{1b}[31m"),
        (200, "content-length", "5"),
        (200, "Transfer-Encoding", "chunked"),
        (200, "CONNECTION", "close"),
        (200, "Date", "today"),
    ] {
        assert_eq!(
            check_fields(status, &[("A", "b"), (name, value)]),
            Err(WriteError::BadHead),
            "{name:?}: {value:?}"
        );
    }
    for (name, value) in
        [("X", ""), ("X", "a\tb"), ("X", "caf\u{e9}"), ("Upgrade", "websocket"), ("Trailer", "a")]
    {
        assert_eq!(check_fields(200, &[(name, value)]), Ok(()));
    }
    for protocol in ["", "a b", "a/", "/1", "a/1/2", "a, b", "a\r\n", "\u{e9}"] {
        assert_eq!(check_switch(protocol, &[]), Err(WriteError::BadHead), "{protocol:?}");
    }
    assert_eq!(check_switch("a/1.0", &[]), Ok(()));
    assert_eq!(check_switch("a", &[("upgrade", "b")]), Err(WriteError::BadHead));
}
