//! `form_urlencoded` and `percent-encoding`, which browsers' engines use.
//!
//! They guess where the library refuses: a `%` without two digits stays as it is, and what is not UTF-8 becomes U+FFFD. So they agree on
//! all that the library takes, and what it refuses is one of these two.
//!
//! Next: `../bodies/query.rs`.

use std::borrow::Cow;

use encke::http::{form, query};
use percent_encoding::{NON_ALPHANUMERIC, percent_decode, utf8_percent_encode};

/// The body of the target `query`, and both crates.
pub fn query(data: &[u8]) {
    crate::bodies::query::check(data);
    let Ok(text) = std::str::from_utf8(data) else { return };
    let guessed: Vec<_> = form_urlencoded::parse(data).collect();
    let read: Vec<_> = query::pairs(text).collect();
    assert_eq!(read.len(), guessed.len());
    for ((read, guessed), piece) in read.iter().zip(&guessed).zip(pieces(data)) {
        match read {
            Ok(pair) => assert_eq!(pair, guessed),
            Err(_) => assert!(has_to_be_guessed(piece), "refused without need: {}", piece.escape_ascii()),
        }
    }
    check_segment(text);
    check_written(text);
}

/// The body of the target `form`, and the crate.
pub fn form(data: &[u8]) {
    crate::bodies::form::check(data);
    let read: Result<Vec<_>, _> = form::pairs(data).collect();
    match read {
        Ok(pairs) => assert_eq!(pairs, form_urlencoded::parse(data).collect::<Vec<_>>()),
        Err(refusal) if refusal.status == 413 => {}
        // The library wants text before anything is decoded; half of a character encoded and half of it not is nobody's writing.
        Err(_) => assert!(std::str::from_utf8(data).is_err() || has_to_be_guessed(data)),
    }
}

fn pieces(data: &[u8]) -> impl Iterator<Item = &[u8]> {
    data.split(|&byte| byte == b'&').filter(|piece| !piece.is_empty())
}

/// Whether a `%` has no two digits behind it, or a name or a value is not UTF-8 when it is decoded.
fn has_to_be_guessed(text: &[u8]) -> bool {
    let is_digit = |at: usize| text.get(at).is_some_and(u8::is_ascii_hexdigit);
    let mut percents = text.iter().enumerate().filter(|(_, byte)| **byte == b'%');
    percents.any(|(at, _)| !is_digit(at + 1) || !is_digit(at + 2))
        || text.split(|byte| b"&=".contains(byte)).any(|part| percent_decode(part).decode_utf8().is_err())
}

fn check_segment(text: &str) {
    let guessed = percent_decode(text.as_bytes()).decode_utf8();
    match query::decode_path_segment(text) {
        Ok(decoded) => assert_eq!(Ok(decoded), guessed),
        Err(_) => assert!(has_to_be_guessed(text.as_bytes()) || guessed.is_ok_and(|text| text.contains('/'))),
    }
    let coded: Cow<'_, str> = utf8_percent_encode(text, NON_ALPHANUMERIC).into();
    if !text.contains('/') {
        assert_eq!(query::decode_path_segment(&coded).as_deref(), Ok(text));
    }
}

/// What the crate writes, the library reads, as a query and as a form.
fn check_written(text: &str) {
    let pairs: Vec<(&str, &str)> =
        text.split('&').map(|piece| piece.split_once('=').unwrap_or((piece, ""))).collect();
    let written = form_urlencoded::Serializer::new(String::new()).extend_pairs(&pairs).finish();
    let read: Result<Vec<_>, _> = query::pairs(&written).collect();
    let read = read.expect("well-formed");
    assert!(read.iter().map(|(name, value)| (&name[..], &value[..])).eq(pairs.iter().copied()));
    if pairs.len() <= form::PAIRS_MAX {
        assert_eq!(form::pairs(written.as_bytes()).collect::<Result<Vec<_>, _>>(), Ok(read));
    }
}
