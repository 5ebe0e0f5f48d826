//! The chunked coding, both ways.
//!
//! The bytes are a chunked body, and then payloads to encode.
//!
//! Next: `response.rs`.

use encke::Refusal;
use encke::http::{BodyReader, Framing, Part, chunked};

use super::model::{self, Stop};
use super::pieces::{Lot, for_each_cutting};

pub fn check(data: &[u8]) {
    let whole = read(&[data]);
    for_each_cutting(data, |pieces| {
        assert_eq!(read(pieces), whole, "in {} pieces", pieces.len());
    });
    check_against_the_model(data, &whole);
    check_encoder(data);
}

/// What came of a body.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Outcome {
    body: Vec<u8>,
    /// Where it ended, if it did; nothing if more was needed.
    end: Result<Option<usize>, Refusal>,
}

fn read(pieces: &[&[u8]]) -> Outcome {
    let (mut reader, mut body, mut at) = (BodyReader::new(Framing::Chunked), Vec::new(), 0);
    for piece in pieces {
        let mut rest = *piece;
        loop {
            let (used, part) = match reader.next(rest) {
                Ok(next) => next,
                Err(refusal) => return Outcome { body, end: Err(refusal) },
            };
            (rest, at) = (&rest[used..], at + used);
            match part {
                Part::Data(bytes) => body.extend_from_slice(bytes),
                Part::More if rest.is_empty() => break,
                Part::More => panic!("more is wanted while {} bytes are there", rest.len()),
                Part::Done => {
                    assert!(reader.is_done() && reader.next(b"0") == Ok((0, Part::Done)));
                    return Outcome { body, end: Ok(Some(at)) };
                }
            }
        }
    }
    assert!(!reader.is_done());
    Outcome { body, end: Ok(None) }
}

fn check_against_the_model(data: &[u8], outcome: &Outcome) {
    let mut body = Vec::new();
    let expected = model::chunked(data, &mut body);
    match (outcome.end, expected) {
        (Ok(Some(end)), Ok(expected)) => assert_eq!(end, expected),
        // Bounds, which the model does not know.
        (Err(Refusal { status: 400, why: "chunk extensions that outweigh the data" }), _) => {
            assert!(data.len() > 1024 && body.starts_with(&outcome.body));
            return;
        }
        (Err(Refusal { status: 431, .. }), _) => {
            let lines = data.iter().filter(|&&byte| byte == b'\n').count();
            assert!(data.len() >= 8 * 1024 || lines > 100);
            return;
        }
        (Ok(None), Err(Stop::More)) | (Err(_), Err(Stop::Bad)) => {}
        (end, expected) => panic!("the reader says {end:?}, and the model {expected:?}"),
    }
    assert_eq!(outcome.body, body);
}

/// What is encoded is decoded, and is as long as was foretold.
fn check_encoder(data: &[u8]) {
    let mut lot = Lot::of(data);
    let (mut wire, mut rest) = (Vec::new(), data);
    while !rest.is_empty() {
        let (payload, behind) = rest.split_at(lot.below(rest.len() + 1));
        let before = wire.len();
        chunked::encode(&mut wire, payload);
        assert_eq!(wire.len() - before, chunked::encoded_len(payload.len()));
        if !payload.is_empty() {
            let content = before + chunked::prefix_len(payload.len());
            assert_eq!(&wire[content..content + payload.len()], payload);
        }
        rest = behind;
    }
    wire.extend_from_slice(chunked::LAST);
    let end = wire.len();
    wire.extend_from_slice(b"GET /");
    assert_eq!(read(&[&wire]), Outcome { body: data.to_vec(), end: Ok(Some(end)) });
}
