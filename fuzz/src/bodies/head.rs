//! A request's head: where it ends and what it says.
//!
//! Next: `framing.rs`.

use encke::http::{FieldSpace, Framing, HeadBounds, HeadScan, RequestHead, Version, parse_head};
use encke::{Refusal, http};

use super::model::{self, Follows, Stop};
use super::pieces::{Lot, for_each_cutting};

/// Bounds that no input of a fuzzer reaches with its length.
pub const WIDE: HeadBounds = HeadBounds { bytes_max: 1 << 20, fields_max: 100 };

/// Every status that a head may be refused with.
const STATUSES: [u16; 6] = [400, 414, 417, 431, 501, 505];

pub fn check(data: &[u8]) {
    let mut lot = Lot::of(data);
    let tight = HeadBounds { bytes_max: 20 + lot.below(120), fields_max: 1 + lot.below(4) };
    for bounds in [WIDE, tight] {
        let whole = scan(&[data], &bounds);
        for_each_cutting(data, |pieces| {
            assert_eq!(scan(pieces, &bounds), whole, "in {} pieces", pieces.len());
        });
        check_verdict(data, whole, &bounds);
    }
    check_against_the_model(data);
}

/// Looks for the end, piece by piece, and reads what it has found. A head that came whole is refused by the parser for what the scan,
/// which saw its line come first, has refused before: so the verdict is of both.
fn scan(pieces: &[&[u8]], bounds: &HeadBounds) -> Result<Option<usize>, Refusal> {
    let (mut scan, mut come, mut verdict) = (HeadScan::default(), Vec::new(), Ok(None));
    for piece in pieces {
        come.extend_from_slice(piece);
        verdict = scan.advance(&come, bounds);
        assert_eq!(scan.advance(&come, bounds), verdict, "asked again, it says the same");
        if verdict != Ok(None) {
            break;
        }
    }
    if let Ok(Some(end)) = verdict {
        assert!(end <= come.len().min(bounds.bytes_max) && come[..end].ends_with(b"\r\n"));
        parse_head(&come[..end], &mut FieldSpace::new(), bounds)?;
    }
    verdict
}

/// What follows from a verdict by itself.
fn check_verdict(data: &[u8], verdict: Result<Option<usize>, Refusal>, bounds: &HeadBounds) {
    match verdict {
        Ok(Some(end)) => {
            let mut space = FieldSpace::new();
            let head = parse_head(&data[..end], &mut space, bounds).expect("it was read before");
            assert!(head.fields().count() <= bounds.fields_max);
        }
        Ok(None) => {
            assert!(data.len() < bounds.bytes_max);
            // Half a head is none, whoever is asked.
            assert!(parse_head(data, &mut FieldSpace::new(), bounds).is_err());
        }
        Err(refusal) => {
            assert!(STATUSES.contains(&refusal.status), "{refusal}");
            let longer = [data, b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"].concat();
            assert_eq!(scan(&[&longer], bounds), Err(refusal), "a refusal stands");
            assert!(parse_head(data, &mut FieldSpace::new(), bounds).is_err());
        }
    }
}

fn check_against_the_model(data: &[u8]) {
    match (scan(&[data], &WIDE), model::head(data)) {
        (Ok(Some(end)), Ok(expected)) => {
            assert_eq!(end, expected.end);
            let mut space = FieldSpace::new();
            let head = parse_head(&data[..end], &mut space, &WIDE).expect("it was read before");
            assert!(expected.is_good(), "served, and the model would not: {head:?}");
            check_meaning(&head, &expected);
            check_rewritten(&head);
        }
        (Ok(None), Err(Stop::More)) | (Err(_), Err(Stop::Bad)) => {}
        (Err(_), Ok(expected)) if !expected.is_good() => {}
        (Err(Refusal { status: 431, .. }), _) => {}
        (scanned, expected) => panic!("the verdict is {scanned:?}, and the model's {expected:?}"),
    }
}

/// What a head says is what stands in it.
fn check_meaning(head: &RequestHead<'_>, expected: &model::Head<'_>) {
    let (method, target, minor) = expected.parts().expect("it is good");
    assert_eq!((head.method().as_bytes(), head.target().as_bytes()), (method, target));
    assert_eq!(head.version() == Version::Http10, minor == 0);
    assert!(head.fields().map(|(name, value)| (name.as_bytes(), value)).eq(expected.fields.iter().copied()));
    assert_eq!(head.host().map(str::as_bytes), expected.host());
    let follows = match head.framing() {
        Framing::None => Follows::Nothing,
        Framing::Length(length) => Follows::Length(length),
        Framing::Chunked => Follows::Chunks,
    };
    assert_eq!(Some(follows), expected.follows());
    assert!(head.path().starts_with('/') || head.path() == "*");
    let behind = format!("{}{}", head.path(), head.query().map(|q| format!("?{q}")).unwrap_or_default());
    let is_implied = matches!(head.path(), "/" | "*");
    assert!(head.target().ends_with(&behind) || is_implied, "{behind} is not the end of {}", head.target());
    if head.expects_continue() {
        assert!(minor > 0 && !matches!(head.framing(), Framing::None | Framing::Length(0)));
    }
}

/// A head that is written anew from what it says, says the same.
fn check_rewritten(head: &RequestHead<'_>) {
    let mut wire = format!("{} {} {}\r\n", head.method(), head.target(), head.version()).into_bytes();
    for (name, value) in head.fields() {
        wire.extend_from_slice(&[name.as_bytes(), b":\t", value, b" \r\n"].concat());
    }
    wire.extend_from_slice(b"\r\n");
    let mut space = FieldSpace::new();
    let again = http::parse_head(&wire, &mut space, &WIDE).expect("it was good");
    assert_eq!(format!("{again:?}"), format!("{head:?}"));
    assert_eq!((again.path(), again.query(), again.host()), (head.path(), head.query(), head.host()));
    assert_eq!((again.framing(), again.keeps_alive()), (head.framing(), head.keeps_alive()));
    assert_eq!((again.expects_continue(), again.upgrade()), (head.expects_continue(), head.upgrade()));
}
