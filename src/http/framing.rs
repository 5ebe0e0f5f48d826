//! Which body follows a request's head: the table of `mod.rs` as code.
//!
//! `head.rs` calls it with what it found among the fields. httparse looks at none of this.
//!
//! What always holds: there is at most one way to read the message, or it is refused. So two equal `Content-Length`
//! lines are refused too, which RFC 9110 §8.6 leaves open: no sender of good faith writes them, and what stood between
//! has already shown that it merges fields.
//!
//! Next: `body.rs`.

use super::Version;
use super::scan::is_token;
use crate::error::Refusal;

/// What follows a request's head.
///
/// ```
/// use encke::http::{FieldSpace, Framing, HeadBounds, parse_head};
///
/// let bounds = HeadBounds { bytes_max: 1024, fields_max: 8 };
/// let framing = |fields: &str| {
///     let head = format!("POST / HTTP/1.1\r\nHost: a\r\n{fields}\r\n");
///     parse_head(head.as_bytes(), &mut FieldSpace::new(), &bounds).map(|head| head.framing())
/// };
/// assert_eq!(framing(""), Ok(Framing::None));
/// assert_eq!(framing("Content-Length: 5\r\n"), Ok(Framing::Length(5)));
/// assert_eq!(framing("Transfer-Encoding: chunked\r\n"), Ok(Framing::Chunked));
/// // Two that contradict each other are how requests are smuggled.
/// let both = framing("Content-Length: 5\r\nTransfer-Encoding: chunked\r\n");
/// assert_eq!(both.map_err(|refusal| refusal.status), Err(400));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Framing {
    /// Nothing: the next byte begins the next request.
    None,
    /// So many bytes, perhaps none.
    Length(u64),
    /// Chunks, ended by the last one and its trailers (RFC 9112 §7.1).
    Chunked,
}

/// How often a field came that may come once, and its value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Seen<'b> {
    Never,
    Once(&'b [u8]),
    Again,
}

impl<'b> Seen<'b> {
    /// The same after one more line with this value.
    pub(super) fn and(self, value: &'b [u8]) -> Seen<'b> {
        match self {
            Seen::Never => Seen::Once(value),
            Seen::Once(_) | Seen::Again => Seen::Again,
        }
    }
}

// TOUR 3.3
/// The body that `Transfer-Encoding` and `Content-Length` announce together.
pub(super) fn decide(version: Version, coding: Seen<'_>, length: Seen<'_>) -> Result<Framing, Refusal> {
    match (coding, length) {
        (Seen::Never, Seen::Never) => Ok(Framing::None),
        (Seen::Never, Seen::Once(value)) => parse_length(value).map(Framing::Length),
        (Seen::Never, Seen::Again) => Err(Refusal::new(400, "more than one Content-Length")),
        _ if version == Version::Http10 => Err(Refusal::new(400, "Transfer-Encoding in an HTTP/1.0 request")),
        (_, Seen::Once(_) | Seen::Again) => Err(Refusal::new(400, "Transfer-Encoding beside Content-Length")),
        (Seen::Again, Seen::Never) => Err(Refusal::new(400, "more than one Transfer-Encoding")),
        (Seen::Once(value), Seen::Never) => check_coding(value).map(|()| Framing::Chunked),
    }
}

/// `1*DIGIT` (RFC 9110 §8.6) below 2^64. Leading zeros are digits like others.
pub(super) fn parse_length(value: &[u8]) -> Result<u64, Refusal> {
    if value.is_empty() || !value.iter().all(u8::is_ascii_digit) {
        return Err(Refusal::new(400, "a Content-Length that is not a number"));
    }
    value
        .iter()
        .try_fold(0_u64, |sum, digit| sum.checked_mul(10)?.checked_add(u64::from(digit - b'0')))
        .ok_or(Refusal::new(400, "a Content-Length beyond all numbers"))
}

/// Accepts the one coding there is, and tells a coding that is unknown (501) from a body whose end cannot be known (400).
fn check_coding(value: &[u8]) -> Result<(), Refusal> {
    if value.eq_ignore_ascii_case(b"chunked") {
        return Ok(());
    }
    let mut codings = value.rsplit(|&byte| byte == b',').map(<[u8]>::trim_ascii);
    let is_chunked = |coding: &[u8]| coding.eq_ignore_ascii_case(b"chunked");
    if !codings.next().is_some_and(is_chunked) {
        return Err(Refusal::new(400, "a Transfer-Encoding that does not end in chunked"));
    }
    if codings.all(|coding| is_token(coding) && !is_chunked(coding)) {
        return Err(Refusal::new(501, "a transfer coding other than chunked"));
    }
    Err(Refusal::new(400, "a malformed Transfer-Encoding"))
}

#[cfg(test)]
mod tests {
    use super::*;

    const CHUNKED: Seen<'_> = Seen::Once(b"chunked");
    const FIVE: Seen<'_> = Seen::Once(b"5");

    /// The table of `mod.rs`, row by row.
    #[test]
    fn the_table_in_the_docs_is_the_code() {
        use Seen::{Again, Never, Once};
        use Version::{Http10, Http11};
        for (coding, length, version, verdict) in [
            (Never, Never, Http10, Ok(Framing::None)),
            (Never, Never, Http11, Ok(Framing::None)),
            (Never, FIVE, Http10, Ok(Framing::Length(5))),
            (Never, FIVE, Http11, Ok(Framing::Length(5))),
            (Never, Again, Http10, Err(400)),
            (Never, Again, Http11, Err(400)),
            (Never, Once(b"+5"), Http11, Err(400)),
            (CHUNKED, Never, Http11, Ok(Framing::Chunked)),
            (CHUNKED, Never, Http10, Err(400)),
            (CHUNKED, FIVE, Http11, Err(400)),
            (CHUNKED, FIVE, Http10, Err(400)),
            (CHUNKED, Again, Http11, Err(400)),
            (Again, Never, Http11, Err(400)),
            (Again, FIVE, Http11, Err(400)),
            (Again, Again, Http10, Err(400)),
            (Once(b"gzip, chunked"), Never, Http11, Err(501)),
            (Once(b"gzip, chunked"), Never, Http10, Err(400)),
            (Once(b"chunked, chunked"), Never, Http11, Err(400)),
            (Once(b"gzip"), Never, Http11, Err(400)),
        ] {
            let decided = decide(version, coding, length).map_err(|refusal| refusal.status);
            assert_eq!(decided, verdict, "{coding:?} {length:?} {version}");
        }
    }

    #[test]
    fn a_second_line_is_never_forgotten() {
        assert_eq!(Seen::Never.and(b"a"), Seen::Once(b"a"));
        assert_eq!(Seen::Never.and(b"a").and(b"a"), Seen::Again);
        assert_eq!(Seen::Again.and(b"a"), Seen::Again);
    }

    #[test]
    fn lengths_reach_to_the_last_number_and_no_further() {
        assert_eq!(parse_length(b"18446744073709551615"), Ok(u64::MAX));
        assert!(parse_length(b"18446744073709551616").is_err());
        assert_eq!(parse_length(&[b'0'; 400]), Ok(0));
    }
}
