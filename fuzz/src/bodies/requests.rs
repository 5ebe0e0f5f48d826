//! All requests of a connection, as whoever is called with its bytes reads them.
//!
//! `framing.rs` calls, and the differential target.
//!
//! What always holds, and is checked here: what was understood does not depend on how the bytes were cut, and a refusal stands
//! whatever comes behind.
//!
//! Next: `chunks.rs`.

use encke::Refusal;
use encke::http::{BodyReader, FieldSpace, HeadScan, Part, RequestHead, Version, parse_head};

use super::head::WIDE;
use super::pieces::for_each_cutting;

/// What was understood of some bytes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Transcript {
    pub messages: Vec<Message>,
    /// Nothing behind it was read.
    pub refusal: Option<Refusal>,
}

/// A request, at least its head.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Message {
    pub method: String,
    pub target: String,
    pub version: Version,
    pub keeps_alive: bool,
    pub fields: Vec<(String, Vec<u8>)>,
    pub body: Vec<u8>,
    /// Whether the body's end has come.
    pub is_complete: bool,
}

pub fn check(data: &[u8]) {
    read(data);
}

/// What `wire` means, however it is cut.
pub fn read(wire: &[u8]) -> Transcript {
    let whole = read_pieces(&[wire]);
    for_each_cutting(wire, |pieces| {
        assert_eq!(read_pieces(pieces), whole, "in {} pieces", pieces.len());
    });
    if let Some(refusal) = whole.refusal {
        assert!((400..600).contains(&refusal.status));
        assert_eq!(read_pieces(&[wire, b"0\r\n\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n"]), whole);
    }
    whole
}

/// Which part of a message comes next.
enum Place {
    Head(HeadScan, Vec<u8>),
    Body(BodyReader),
}

fn read_pieces(pieces: &[&[u8]]) -> Transcript {
    let mut transcript = Transcript::default();
    let mut place = Place::Head(HeadScan::default(), Vec::new());
    for piece in pieces {
        let mut rest = *piece;
        loop {
            match step(&mut place, rest, &mut transcript.messages) {
                Ok(Some(used)) => rest = &rest[used..],
                Ok(None) => break,
                Err(refusal) => {
                    transcript.refusal = Some(refusal);
                    return transcript;
                }
            }
        }
    }
    transcript
}

/// Takes the head or a part of the body; how many bytes that were, or nothing if all are taken.
fn step(place: &mut Place, input: &[u8], messages: &mut Vec<Message>) -> Result<Option<usize>, Refusal> {
    match place {
        Place::Head(scan, kept) => {
            let known = kept.len();
            kept.extend_from_slice(input);
            let Some(end) = scan.advance(kept, &WIDE)? else { return Ok(None) };
            let mut space = FieldSpace::new();
            let head = parse_head(&kept[..end], &mut space, &WIDE)?;
            messages.push(message(&head));
            *place = Place::Body(BodyReader::new(head.framing()));
            Ok(Some(end - known))
        }
        Place::Body(body) => {
            let certain = body.certain();
            let (used, part) = body.next(input)?;
            let message = messages.last_mut().expect("a body has a head");
            match part {
                Part::Data(data) => {
                    assert!(!data.is_empty() && data.len() <= used && used <= input.len());
                    assert!(certain == 0 || body.certain() == certain - data.len() as u64);
                    message.body.extend_from_slice(data);
                    Ok(Some(used))
                }
                Part::Done => {
                    assert!(body.is_done() && body.certain() == 0);
                    message.is_complete = true;
                    *place = Place::Head(HeadScan::default(), Vec::new());
                    Ok(Some(used))
                }
                Part::More => {
                    assert_eq!(used, input.len());
                    Ok(None)
                }
            }
        }
    }
}

fn message(head: &RequestHead<'_>) -> Message {
    Message {
        method: head.method().to_owned(),
        target: head.target().to_owned(),
        version: head.version(),
        keeps_alive: head.keeps_alive(),
        fields: head.fields().map(|(name, value)| (name.to_owned(), value.to_owned())).collect(),
        body: Vec::new(),
        is_complete: false,
    }
}
