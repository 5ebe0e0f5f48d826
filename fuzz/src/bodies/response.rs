//! A server's answers, as `http::peer` reads them; and what `write_head` writes, read by it.
//!
//! The first byte of the input says what was asked (six requests, `1` bits are HEAD); behind it is what came.
//!
//! Next: `query.rs`.

use encke::http::peer::{PeerError, Piece, ResponseHead, ResponseReader};
use encke::http::{
    AnswerFraming, Persistence, Version, allows_body, check_fields, chunked, write_date, write_head,
};

use super::pieces::{Lot, for_each_cutting};

const REQUESTS: usize = 6;

pub fn check(data: &[u8]) {
    let Some((&asked, wire)) = data.split_first() else { return };
    let whole = read(asked, &[wire]);
    for_each_cutting(wire, |pieces| {
        assert_eq!(read(asked, pieces), whole, "in {} pieces", pieces.len());
    });
    check_lengths(asked, &whole);
    check_written(wire);
}

/// An answer, as far as it came.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Answer {
    head: ResponseHead,
    body: Vec<u8>,
    is_complete: bool,
}

/// All that was understood.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Outcome {
    answers: Vec<Answer>,
    interim: usize,
    /// What the end of the connection means.
    end: Result<(), PeerError>,
}

fn is_head(asked: u8, request: usize) -> bool {
    asked >> request & 1 == 1
}

fn read(asked: u8, pieces: &[&[u8]]) -> Outcome {
    let mut reader = ResponseReader::new();
    for request in 0..REQUESTS {
        reader.expect(if is_head(asked, request) { "HEAD" } else { "GET" });
    }
    let mut outcome = Outcome { answers: Vec::new(), interim: 0, end: Ok(()) };
    for piece in pieces {
        let mut rest = *piece;
        loop {
            let (used, piece) = match reader.read(rest) {
                Ok(read) => read,
                Err(error) => {
                    assert_eq!((reader.read(b"HTTP/1.1"), reader.end_of_input()), (Err(error), Err(error)));
                    outcome.end = Err(error);
                    return outcome;
                }
            };
            assert!(used <= rest.len());
            rest = &rest[used..];
            let last = outcome.answers.last_mut().filter(|answer| !answer.is_complete);
            match piece {
                Piece::Informational(head) => {
                    assert!(last.is_none() && head.status < 200 && head.status != 101);
                    outcome.interim += 1;
                }
                Piece::Head(head) => {
                    assert!(last.is_none(), "one answer inside of another");
                    outcome.answers.push(Answer { head, body: Vec::new(), is_complete: false });
                }
                Piece::Data(bytes) => {
                    assert!(!bytes.is_empty() && used >= bytes.len());
                    last.expect("a body has a head").body.extend_from_slice(bytes);
                }
                Piece::Done => last.expect("an end has a head").is_complete = true,
                Piece::More => {
                    assert!(rest.is_empty(), "more is wanted while {} bytes are there", rest.len());
                    break;
                }
            }
            let complete = outcome.answers.iter().filter(|answer| answer.is_complete).count();
            assert_eq!(reader.expected(), REQUESTS - complete);
        }
    }
    match reader.end_of_input() {
        Ok(Piece::Done) => {
            let last = outcome.answers.last_mut().expect("an end has a head");
            assert!(!last.is_complete);
            last.is_complete = true;
        }
        Ok(piece) => assert_eq!(piece, Piece::More),
        Err(error) => outcome.end = Err(error),
    }
    outcome
}

/// Whoever is told that an answer is complete has all of it, and who is told of an end too early has not (RFC 9112 §6.3, §8).
fn check_lengths(asked: u8, outcome: &Outcome) {
    for (request, answer) in outcome.answers.iter().enumerate() {
        let head = &answer.head;
        assert!((101..=999).contains(&head.status));
        // Behind a 101 come another protocol's bytes, whatever was asked.
        let is_mute = head.status != 101 && (is_head(asked, request) || !allows_body(head.status));
        assert!(!is_mute || answer.body.is_empty(), "a body where none can be");
        let length = head.field("Content-Length").filter(|_| !is_mute);
        if let Some(length) = length.and_then(|length| std::str::from_utf8(length).ok()) {
            let length: u64 = length.parse().expect("digits");
            assert!(answer.body.len() as u64 <= length);
            assert_eq!(answer.is_complete, answer.body.len() as u64 == length);
            assert_eq!(head.field("Transfer-Encoding"), None, "two framings");
        }
    }
    let is_open = outcome.answers.last().is_some_and(|answer| !answer.is_complete);
    assert!(!is_open || outcome.end.is_err(), "half an answer passes for a whole one");
}

/// What the library writes is what its reader reads, whatever a handler wants to say.
fn check_written(data: &[u8]) {
    let mut lot = Lot::of(data);
    let text = String::from_utf8_lossy(data);
    let mut lines = text.split('\n').map(|line| line.split_once(':').unwrap_or((line, "")));
    let fields: Vec<(&str, &str)> = lines.by_ref().take(4).collect();
    let status = 190 + lot.below(420) as u16;
    if check_fields(status, &fields).is_err() {
        return;
    }
    let body = &data[..lot.below(data.len() + 1)];
    let peer = if lot.below(4) == 0 { Version::Http10 } else { Version::Http11 };
    let framing = match (allows_body(status), peer, lot.below(3)) {
        (false, ..) => AnswerFraming::Empty,
        (true, Version::Http11, 0) => AnswerFraming::Chunked,
        (true, _, 1) => AnswerFraming::UntilClose,
        (true, ..) => AnswerFraming::Length(body.len() as u64),
    };
    let persistence = if lot.below(2) == 0 { Persistence::KeepAlive } else { Persistence::Close };
    let mut wire = Vec::new();
    write_head(&mut wire, peer, status, &fields, framing, persistence, &write_date(784_111_777));
    match framing {
        AnswerFraming::Chunked => {
            chunked::encode(&mut wire, body);
            wire.extend_from_slice(chunked::LAST);
        }
        AnswerFraming::Empty => {}
        _ => wire.extend_from_slice(body),
    }
    let outcome = read(0, &[&wire]);
    let [answer] = &outcome.answers[..] else { panic!("one answer: {outcome:?}") };
    assert_eq!(answer.head.status, status);
    assert_eq!(answer.body, if allows_body(status) { body } else { b"" });
    assert!(answer.is_complete, "{framing:?}");
    let closes = persistence == Persistence::Close || framing == AnswerFraming::UntilClose;
    assert!(answer.head.keeps_alive() != closes);
    let sent = fields.iter().map(|(name, value)| (*name, value.trim_matches([' ', '\t']).as_bytes()));
    let read = answer.head.fields.iter().skip(1).map(|(name, value)| (&name[..], &value[..]));
    assert!(read.take(fields.len()).eq(sent), "the fields are the handler's");
}
