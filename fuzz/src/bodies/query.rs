//! Queries and segments of paths: decoded as whoever guesses would, or refused.
//!
//! `form.rs` uses [`decode`] too.
//!
//! Next: `form.rs`.

use encke::Refusal;
use encke::http::query;

pub fn check(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    check_pairs(text);
    check_segment(text);
}

fn check_pairs(text: &str) {
    let read: Vec<Result<(String, String), Refusal>> =
        query::pairs(text).map(|pair| pair.map(|(name, value)| (name.into(), value.into()))).collect();
    let expected: Vec<Option<(String, String)>> = model(text.as_bytes());
    assert_eq!(read.len(), expected.len());
    for (read, expected) in read.iter().zip(&expected) {
        assert_eq!(read.as_ref().ok(), expected.as_ref());
        assert!(read.as_ref().err().is_none_or(|refusal| refusal.status == 400));
    }
    check_find(&read, |name| query::find(text, name).map(|value| value.map(String::from)));
}

/// The first of a name is found, unless anything is refused.
pub fn check_find(
    read: &[Result<(String, String), Refusal>],
    find: impl Fn(&str) -> Result<Option<String>, Refusal>,
) {
    let refusal = read.iter().find_map(|pair| pair.as_ref().err());
    for (name, _) in read.iter().flatten() {
        let first = read.iter().flatten().find(|(other, _)| other == name).map(|(_, value)| value.clone());
        let expected = refusal.map_or(Ok(first), |refusal| Err(*refusal));
        assert_eq!(find(name), expected);
    }
    assert_eq!(find("no pair has this name\u{7f}").err(), refusal.copied());
}

/// The pairs as WHATWG URL §5.1 reads them; nothing in the place of a pair that would have to be guessed.
pub fn model(text: &[u8]) -> Vec<Option<(String, String)>> {
    let pieces = text.split(|&byte| byte == b'&').filter(|piece| !piece.is_empty());
    pieces
        .map(|piece| {
            let middle = piece.iter().position(|&byte| byte == b'=').unwrap_or(piece.len());
            let value = piece.get(middle + 1..).unwrap_or(b"");
            Some((decode(&piece[..middle], b' ')?, decode(value, b' ')?))
        })
        .collect()
}

/// Percent-decoding between the percent signs; `plus` is what a plus sign stands for.
pub fn decode(text: &[u8], plus: u8) -> Option<String> {
    let mut pieces = text.split(|&byte| byte == b'%');
    let unplussed =
        |piece: &[u8]| piece.iter().map(|&byte| if byte == b'+' { plus } else { byte }).collect::<Vec<u8>>();
    let mut decoded = unplussed(pieces.next()?);
    for piece in pieces {
        let digits = std::str::from_utf8(piece.get(..2)?).ok()?;
        if !digits.bytes().all(|digit| digit.is_ascii_hexdigit()) {
            return None;
        }
        decoded.push(u8::from_str_radix(digits, 16).ok()?);
        decoded.extend(unplussed(&piece[2..]));
    }
    String::from_utf8(decoded).ok()
}

fn check_segment(text: &str) {
    let read = query::decode_path_segment(text).ok().map(String::from);
    let expected = decode(text.as_bytes(), b'+').filter(|decoded| !decoded.contains('/'));
    assert_eq!(read, expected);
    // What is encoded, byte by byte, is decoded.
    let coded: String = text.bytes().map(|byte| format!("%{byte:02x}")).collect();
    if !text.contains('/') {
        assert_eq!(query::decode_path_segment(&coded).as_deref(), Ok(text));
    }
}
